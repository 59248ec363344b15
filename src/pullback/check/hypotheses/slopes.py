"""Layers that act element by element: one slope stands where another is meant."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import NOTHING_SIMPLE, Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]

REACH = np.linspace(0, 12, 601)  # on both sides of 0 a slope is added up there


def passed_through(e: Evidence) -> Says:
    """1 where a slope is meant that is not the same everywhere."""
    if e.diagonals is None or e.x.size < 2 or e.fixed or not same(e.diagonals[1], np.ones(e.x.size)):
        return None
    return "the gradient from above is passed through: the layer's own slope is missing"


def one_path(e: Evidence) -> Says:
    """A product of x and a gate of x has two terms: of one factor the derivative is not taken."""
    if e.diagonals is None or e.x.size < 2 or e.steady or not np.all(e.x):
        return None
    right, given = e.diagonals
    gate = e.y / e.x.ravel()
    if (abs(gate - right) < 1e-3 * np.max(abs(right))).mean() > 0.4 or np.ptp(gate) < 1e-6:  # no product, or a line
        return None
    if same(given, gate):
        return "y / x: the term is missing in which the factor beside x moves"
    return "the term y / x is missing, of a product with x" if same(given, right - gate) else None


def evaluated_at_output(e: Evidence) -> Says:
    """J(y) where J(x) is meant: of a shape, or elementwise."""
    if e.x.size != e.y.size or e.fixed:
        return None
    if not e.alike_at(e.y, e.B) or not so_farther_out(e):
        return None
    return "the derivative is taken at the output, not at the input"


def so_farther_out(e: Evidence) -> bool:
    """Of few slopes, such as those of a clip, one is right by chance: is it three times as far from 0 as well?"""
    if not e.elementwise or e.f is None or len(np.unique(np.round(np.diag(e.J), 9))) > 2:
        return True
    x = 3 * e.x.ravel()
    both, there = e.both_at(x), e.at(e.f(x))
    return both is not None and there is not None and same(both[1], there)


def input_for_output(e: Evidence) -> Says:
    """A formula in y, as of sigmoid y (1 - y), with x in the place of y: the slope where the output would be x."""
    if e.diagonals is None or e.f is None or e.fixed:
        return None
    place = inverse(e.f, e.x.ravel())
    known = np.isfinite(place)
    there = e.at(np.where(known, place, e.x.ravel())) if known.sum() > 1 else None
    if there is None or not same(e.diagonals[1][known], np.diag(there)[known]):
        return None
    if same(e.diagonals[0][known], e.diagonals[1][known]):  # x is y there
        return None
    return "the formula is one in y, and x stands in the place of y"


def inverse(f: Callable[[Array], Array], wanted: Array) -> Array:
    """Where the elements of f are the wanted ones: the first place between -9 and 9; nan if there is none."""
    grid = np.linspace(-9, 9, 73)
    with np.errstate(all="ignore"):
        above = np.array([f(np.full(wanted.shape, s)) for s in grid]) > wanted
        crosses = above[1:] != above[:-1]
        first = np.argmax(crosses, 0)
        low, high, rising = grid[first], grid[first + 1], above[first + 1, np.arange(wanted.size)]
        for _ in range(50):
            middle = (low + high) / 2
            beyond = (f(middle) > wanted) == rising
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        found = (low + high) / 2
        return np.where(crosses.any(0) & (abs(f(found) - wanted) < 1e-9 * (1 + abs(wanted))), found, np.nan)


def holds_a_tensor(e: Evidence) -> Says:
    """x or y stands where a derivative should."""
    if e.diagonals is None:
        return None
    for name, values in (("the input", e.x.ravel()), ("the output", e.y)):
        if values.size > 1 and same(e.diagonals[1], values) and not same(values, np.full_like(values, values[0])):
            return f"the gradient from above is multiplied by {name} itself"
    return None


def shifted(e: Evidence) -> Says:
    if not e.elementwise or e.fixed:
        return None
    for c in (1.0, -1.0, 0.5, -0.5, 2.0, -2.0):
        there = e.at(e.x.ravel() + c)
        if there is not None and same(e.B, there):
            return f"the derivative is right for x {'+' if c > 0 else '-'} {abs(c):g}: a location at another value"
    return None


def scaled(e: Evidence) -> Says:
    if not e.elementwise or e.fixed:
        return None
    for c in (-1.0, 2.0, 0.5):
        there = e.at(e.x.ravel() * c)
        if there is not None and same(e.B, there):
            return f"the derivative is right for {c:g} x"
    return None


def stands_for_a_constant(e: Evidence) -> Says:
    """Where a slope does not move, x stands, or x less something."""
    if e.diagonals is None or e.other is None or e.away is None or not look.elementwise(e.other[1]):
        return None
    right, given, there = *e.diagonals, np.diag(e.other[0])
    alive = nonzero(right) & nonzero(there) & (abs(right - there) < 1e-4 * np.max(abs(right)))
    moved = (e.away - e.x.ravel())[alive]
    if alive.sum() < 3 or np.ptp(abs(right[alive])) > 1e-4 * np.max(abs(right)):
        return None
    with np.errstate(all="ignore"):
        slopes = (np.diag(e.other[1]) - given)[alive] / moved
    steady = (
        np.isfinite(slopes).all() and slopes.any() and same(abs(slopes), np.full(len(slopes), abs(slopes[0])), 1e-4)
    )
    return f"{e.name or 'x'}, or how far it is from something, stands where the slope does not move" if steady else None


def first_slice(e: Evidence) -> Says:
    """An elementwise layer whose factor is that of the first step (example, channel) everywhere."""
    if e.diagonals is None or e.x.ndim < 2:
        return None
    right, given = (d.reshape(e.x.shape) for d in e.diagonals)
    for axis in range(e.x.ndim):
        for place, name in ((0, "first"), (-1, "last")):
            if same(given, np.broadcast_to(np.take(right, [place], axis), e.x.shape)):
                return f"what belongs to the {name} place of axis {axis} is used for all"
    return None


def other_side(e: Evidence) -> Says:
    """A mask the wrong way round: what does not move with x, and does not depend on it."""
    if e.diagonals is None or not e.fixed:
        return None
    right, given = (nonzero(d) for d in e.diagonals)
    if not right.any() or not given.any() or (right & given).any():
        return None
    return "what takes part gets nothing, and what does not gets the gradient: a mask the other way round"


def at_one_place(e: Evidence) -> Says:
    """The derivative at one example (channel, step), for all of them: what was kept is that of the last turn."""
    few = len(np.unique(np.round(e.J[e.some], 9))) < 3  # of two slopes one is right by chance
    for axis, n in enumerate(() if few or e.fixed else e.x.shape):
        for place, name in ((n - 1, "last"), (0, "first")) if n > 1 else ():
            if e.alike_at(np.broadcast_to(np.take(e.x, [place], axis), e.x.shape).ravel(), e.B):
                return f"the derivative at the {name} place of axis {axis} is used for all"
    return None


def unmasked(e: Evidence) -> Says:
    if e.diagonals is None:
        return None
    right, given = e.diagonals
    off = ~nonzero(right)
    constant = lambda d: same(d, np.full_like(d, d[0]))
    alike = off.any() and (~off).any() and e.fixed and constant(given) and constant(right[~off])
    return "a mask of the forward pass is not applied: what was dropped gets a gradient" if alike else None


def wrong_where_zero(e: Evidence) -> Says:
    return "wrong where the derivative is zero" if e.beyond and e.diagonals is not None else None


def another_form(e: Evidence) -> Says:
    """Slopes that rise as much as the function does, to the left of 0 and to its right: those of an approximation,
    or of another definition, which starts, crosses 0 and ends where this one does."""
    sides = drifts(e) if e.diagonals is not None and not e.fixed else None
    if sides is None:
        return None
    far = REACH > 0.75 * REACH[-1]  # at one place it may be chance
    if any(np.max(abs(drift)[far]) > 0.015 * np.ptp(y[REACH < 3]) for y, drift in sides):
        return None
    return "it rises as much in all as the function, in another way: the derivative of another form of it"


def drifts(e: Evidence) -> list[tuple[Array, Array]] | None:
    """Both ways from 0: the function, and by how much more the given slopes have risen than it has. None where it is
    not a function of any number."""
    if not e.x.min(initial=0) < 0 < e.x.max(initial=0):
        return None
    found = []
    for side in (-1, 1):
        y, slopes = over(e.f, side * REACH, e.x.size), over(e.back, side * REACH, e.x.size)
        if y is None or slopes is None:
            return None
        risen = np.append(0, np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(side * REACH)))
        found.append((y, risen - (y - y[0])))
    return found


def over(f: Callable[[Array], Array | None] | None, places: Array, count: int) -> Array | None:
    """What an elementwise f is there, so many at a time; None where its elements are functions of their own."""
    if f is None:
        return None
    first, last = (f(np.full(count, s)) for s in (places[0], places[-1]))
    if first is None or last is None or not all(same(each, np.full(count, each[0]), 1e-9) for each in (first, last)):
        return None
    found = [f(np.resize(places[k : k + count], count)) for k in range(0, len(places), count)]
    values = np.concatenate([each for each in found if each is not None])[: len(places)]
    return values if len(values) == len(places) and np.isfinite(values).all() else None


def close(e: Evidence) -> Says:
    """Another approximation of the same function: near everywhere, right nowhere, and now above it, now below. Where a
    small term is wrong, or its factor, slopes are near as well, but on one side."""
    if e.diagonals is None:
        return None
    right, given = e.diagonals
    gap = abs(given - right)
    near = right.size and gap.max() < 0.05 * abs(right).max() and (gap > 1e-7 * abs(right).max()).mean() > 0.6
    if near and not any(abs(drift[-1]) > 0.5 * np.sum(abs(np.diff(drift))) for _, drift in drifts(e) or ()):
        return f"within {gap.max() / abs(right).max():.1%} everywhere: the derivative of another form of the function"
    return None


def factor_of_its_own(e: Evidence) -> Says:
    """Elementwise, and the ratio stays with the element when x moves: a factor that is no function of x."""
    if e.diagonals is None or e.other is None or e.fixed or not look.elementwise(e.other[1]):
        return None
    J, B = np.diag(e.other[0]), np.diag(e.other[1])
    here = e.some.diagonal() & nonzero(J)
    if here.any() and same(
        (e.diagonals[1] / np.where(here, e.diagonals[0], 1))[here], (B / np.where(here, J, 1))[here], 1e-3
    ):
        return "every element is off by a factor that does not move with x"
    return None


def of_others(e: Evidence) -> Says:
    """Elementwise, off by a factor that moves with other inputs, and not with this one."""
    if e.diagonals is None or not e.partners or e.other is None or e.away is None:
        return None
    alone = e.both_at(e.away)
    if alone is None or not look.elementwise(alone[1]):
        return None
    some = e.some.diagonal() & nonzero(alone[0]).diagonal() & nonzero(e.other[0]).diagonal()
    ratio = lambda J, B: np.diag(B)[some] / np.diag(J)[some]
    here, there, elsewhere = ratio(e.J, e.B), ratio(*alone), ratio(*e.other)
    if not some.any() or not same(here, there, 1e-4) or same(here, elsewhere, 1e-4):
        return None
    return f"elementwise, times a factor that moves with other inputs and not with {e.name}"


def branch_factor(e: Evidence) -> Says:
    """On one side of a kink right, on the other off by a number."""
    if e.diagonals is None or e.x.size < 4:
        return None
    some = e.some.diagonal()
    ratio = e.ratio.diagonal()[some]
    wrong = abs(ratio - 1) > 1e-5
    if not 2 <= wrong.sum() < len(ratio) or not same(ratio[wrong], np.full(wrong.sum(), ratio[wrong][0])):
        return None
    x = e.x.ravel()[some]
    apart = x[wrong].min() > x[~wrong].max() or x[wrong].max() < x[~wrong].min()
    if not apart or abs(ratio[wrong][0]) < 1e-6:
        return None
    return f"times {ratio[wrong][0]:.4g} on one side, and right on the other"


def local(e: Evidence) -> Says:
    if not e.elementwise:
        return None
    mixed = "elementwise, and backward mixes its elements: "
    return mixed + NOTHING_SIMPLE if e.diagonals is None else "elementwise, and another function of x"
