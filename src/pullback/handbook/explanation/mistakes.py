"""Common mistakes: what a backward with a known fault would give at the reader's numbers.

Those that people make in this one formula come first, then those that can be made anywhere; both are known to `check`.
"""

import re
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullback.handbook.words import texts
from pullback.linearization import as_tuple
from pullback.signature import Slot
from pullback.sizes import is_group

if TYPE_CHECKING:
    from pullback.handbook.explanation.content import Content

Gradients = dict[str, np.ndarray]
MOST = 14  # that are told
OF_A_TERM = ("half",)  # a forgotten 2 halves what comes of a square alone: layers with a square say what that gives
SEEN = 1e-3  # by so much a gradient has to differ from the right one: four digits are shown


class Mistake(NamedTuple):
    name: str
    says: str
    gradients: Gradients  # those that come out wrong, by name


def mistakes(e: "Content") -> list[Mistake]:
    """Each known fault that makes a difference here, with the gradients that it gets wrong; no numbers twice."""
    right = {g.name: g.values for g in e.settled}
    above = e.above[0].values if e.above else None
    slots = {f"g{slot.name}": slot for slot in e.rule.inputs}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the mean of nothing
        found = [*of_meaning(e), *of_the_formula(e), *of_the_gradient(right, above, examples(e))]
    wrong = lambda name, g, a: g in right and differs(a, right[g], SEEN) and likely(name, e, slots[g], right[g])
    kept = [(name, {g: a for g, a in spoiled.items() if wrong(name, g, a)}) for name, spoiled in found]
    told = [Mistake(name, sentence(name, e.lang), wrong) for name, wrong in kept if wrong]
    new = lambda k: all(unlike(told[k], mistake) for mistake in told[:k])
    return [mistake for k, mistake in enumerate(told) if new(k)][:MOST]


def unlike(one: Mistake, other: Mistake) -> bool:
    """Do they differ in what is shown of them, the first gradient?"""
    (name, wrong), (other_name, other_wrong) = (next(iter(m.gradients.items())) for m in (one, other))
    return name != other_name or differs(wrong, other_wrong)


def likely(name: str, e: "Content", slot: Slot, gradient: np.ndarray) -> bool:
    """Would anybody make this mistake with that input?"""
    own = [axis for axis in slot.axes if axis != "..."]
    parameter, spread_out = slot.name in parameters(e.rule), any(map(is_group, own))
    match name:
        case "mean":
            return parameter and examples(e) > 1
        case "first only":
            return gradient.ndim > 1
        case "transposed":
            return len(own) == 2 and not spread_out
        case "reversed":
            return parameter and len(own) > 1 and spread_out
        case "rolled":
            return not hasattr(e.rule, "df")
    return True


def parameters(rule: Any) -> list[str]:
    """The letters behind the semicolon of the signature; a chain of rules has none."""
    return re.findall(r"(\w+)\[", rule.signature.partition(";")[2].partition("->")[0])


def examples(e: "Content") -> int:
    """How many there are in the batch, under whichever name the rule has it."""
    sizes, axes = e.at.plan.sizes, e.rule.inputs[0].axes
    found = prod(sizes.get("...", ())) if "..." in axes else int(sizes.get(axes[0], 1)) if axes else 1
    return max(found, 1)


def of_the_gradient(
    right: Mapping[str, np.ndarray], above: np.ndarray | None, count: int
) -> Iterator[tuple[str, Gradients]]:
    """Faults that turn a right gradient into a wrong one, whatever the rule."""
    for name, fault in faults().items():
        if name in OF_A_TERM:
            continue
        mean = name == "mean"  # of as many examples as there are here
        yield name, {g: a / count if mean else fault.spoil(a, a if above is None else above) for g, a in right.items()}


def of_meaning(e: "Content") -> Iterator[tuple[str, Gradients]]:
    """Faults that need the rule: its Jacobian, another point, its other outputs."""
    above = {g.name: g.values.reshape(-1) for g in e.above}
    square = [b for b in e.jacobians if b.matrix is not None and b.shape[0] == b.shape[1] > 1]
    if len(above) == 1:  # of several outputs these would only be a part
        (gy,) = above.values()
        shaped = {f"g{x.name}": np.shape(x.values) for x in e.inputs}
        make = lambda product: {f"g{b.by}": product(b.matrix, gy).reshape(shaped[f"g{b.by}"]) for b in square}
        yield "diagonal only", make(lambda J, g: np.diag(J) * g)
        yield "not transposed", make(lambda J, g: J @ g)
    if hasattr(e.rule, "df"):
        yield "at the output", {"gx": e.rule.linearize(e.outputs[0].values)[1].vjp(e.above[0].values)}
    if len(above) > 1:
        found = as_tuple(e.at.vjp(e.above[0].values))
        names = (f"g{slot.name}" for slot in e.rule.inputs)
        yield "first output only", {name: g for name, g in zip(names, found) if g is not None}


def of_the_formula(e: "Content", only: str = "") -> Iterator[tuple[str, Gradients]]:
    """The mistakes that people make in this very layer, or one of them."""
    from pullback.check.variants import Call, spoilt, variants

    inputs = {x.name: x.values for x in e.inputs}
    call = Call(e.rule, [inputs.get(slot.name) for slot in e.rule.inputs], [g.values for g in e.above])
    for variant in variants(e.rule):
        if not only or variant.says == only:
            yield variant.says, {f"g{name}": g for name, g in spoilt(call, variant).items()}


def one_mistake(e: "Content", name: str) -> Gradients:
    """What it gives here, where it is none of the gradient's own; nothing if it cannot be made."""
    known = chain(of_the_formula(e, name), of_meaning(e))  # the second only if it must be: it takes all Jacobians
    return next((found for each, found in known if each == name and found), {})


def faults() -> dict[str, Any]:
    """The table of `check`: name -> what is wrong in a sentence, and a function of the gradient and what is above."""
    from pullback.check.faults import FAULTS

    return FAULTS


def sentence(name: str, lang: str) -> str:
    """What is wrong: in the words of `check`, where the fault is one of its own."""
    if both := texts().get(f"faults.{name}"):
        return faults()[name].says if lang == "en" and name in faults() else both[lang]
    return chinese()[name] if lang == "zh" else name


@cache
def chinese() -> dict[str, str]:
    """What `check` says of mistakes in single layers."""
    return tomllib.loads(files("pullback.handbook").joinpath("mistakes.toml").read_text("utf-8"))


def differs(one: Any, other: Any, by: float = 1e-9) -> bool:
    with np.errstate(over="ignore"):  # of the gap between numbers as large as there are
        return np.shape(one) != np.shape(other) or not np.allclose(one, other, rtol=by, atol=1e-12, equal_nan=True)
