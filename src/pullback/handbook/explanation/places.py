"""Places without a derivative: where they are, what happens on both sides, and which elements lie there."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

Function = Callable[[Any], Any]
FEW = 3  # channels that are named
EQUAL = 1e-12  # what rounding may leave between the two sides of a place where nothing happens


class Place(NamedTuple):
    """`kind` says what happens: f jumps ("jump"), f' does ("kink"), f'' does ("bend"), or is the name of a text."""

    kind: str
    variable: str = "x"
    at: float | None = None
    left: float | None = None  # what jumps, just left of the place and just right of it
    right: float | None = None
    chosen: float | None = None  # the derivative that is taken there
    here: tuple[str, ...] = ()  # elements that lie there


class Profile(NamedTuple):
    """A function of one variable that a rule applies to every element."""

    variable: str
    values: Any
    f: Function
    df: Function  # the derivative from the right
    d2f: Function
    taken: Function  # the derivative that the rule takes
    breaks: tuple[float, ...]


def places(rule: Any, inputs: Mapping[str, Any]) -> list[Place]:
    """All of a rule; elements of the inputs that lie on one are named."""
    if rule.kinks == "ties":
        return [Place("ties")]
    if rule.name.startswith("lp_pool"):
        return [Place("zeros", "x", 0.0, here=located(inputs["x"], 0.0))]
    if getattr(rule, "nonlinearity", "") == "relu":
        return [Place("state", "z", 0.0)]
    if hasattr(rule, "held"):  # binary_cross_entropy: a logarithm that goes no further
        return [Place("held", "x", 1.0, here=located(rule.held(inputs["x"]), True))]
    if hasattr(rule, "at_zero"):  # prelu: a slope per channel
        return slopes_by_channel(inputs["x"], inputs["w"], rule.at_zero(inputs["w"]))
    found = profile(rule, inputs)
    if found is None:
        return []
    ends = filter(isfinite, found.breaks)  # min(x, inf) has none
    return [place for at in ends if (place := beside(found, float(at)))]


def slopes_by_channel(x: Any, w: Any, taken: Any) -> list[Place]:
    """A place for each slope that is not the 1 of the other side, of the channels that have it."""
    own = np.broadcast_to(w, x.shape[1])
    found = []
    for slope, chosen in dict.fromkeys(zip(map(float, w), map(float, taken))):
        if not apart(slope, 1.0):
            continue
        channels = np.flatnonzero(own == slope)
        few = ",".join(map(str, channels[:FEW])) + ",…" * (len(channels) > FEW)
        variable = "x" if len(channels) == len(own) else f"x[:,{few}]" if len(channels) == 1 else f"x[:,[{few}]]"
        here = tuple(place for place in located(x, 0.0) if int(place[2:-1].split(",")[1]) in channels)
        found.append(Place("kink", variable, 0.0, slope, 1.0, chosen, here))
    return found


def profile(rule: Any, inputs: Mapping[str, Any]) -> Profile | None:
    if hasattr(rule, "df"):
        x = inputs["x"]
        return Profile("x", x, rule.f, rule.df, rule.d2f, rule.slope, rule.kinks)
    if hasattr(rule, "slope_x") and hasattr(rule, "breaks"):
        d = inputs["x"] - inputs["t"]
        return Profile("x - t", d, rule.value, rule.slope_x, rule.curve, rule.slope_x, rule.breaks)
    return None


def beside(f: Profile, at: float) -> Place | None:
    """What happens at a place, seen from just left and just right of it."""
    sides = [np.array(np.nextafter(at, side)) for side in (-np.inf, np.inf)]
    for kind, function in (("jump", f.f), ("kink", f.df), ("bend", f.d2f)):
        left, right = (float(function(side)) for side in sides)
        if apart(left, right):
            chosen = float(f.taken(np.array(at)))
            return Place(kind, f.variable, at, left, right, chosen, located(f.values, at, f.variable))
    return None


def apart(left: float, right: float) -> bool:
    """Do the two sides differ? Of nan nothing is known, and a side that is infinite is no slope to jump from."""
    return isfinite(right - left) and abs(right - left) > EQUAL * max(1.0, abs(left))


def located(values: Any, at: float, name: str = "x") -> tuple[str, ...]:
    """The elements that lie at a place: x[0,2]."""
    values = np.asarray(values)
    if not values.ndim:
        return (name,) if values == at else ()
    return tuple(f"{name}[{','.join(map(str, place))}]" for place in zip(*np.nonzero(values == at)))
