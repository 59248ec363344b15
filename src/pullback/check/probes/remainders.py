"""Is backward right where a size is one more? A stride that divides the example's sizes leaves nothing over there.

It is worth a note, and no fault: nobody has said that there may be such a size. Nothing is said of a backward that is
right at one size alone: it has to be right where the size is doubled.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dense, dice
from pullback.check.points import nearby
from pullback.check.problem import Part, Problem, real
from pullback.check.report import Cause
from pullback.check.resizing import resized
from pullback.check.truth import Truth, fits

Array = NDArray[Any]

WRONG_BY, RIGHT_BY = 1e-2, 1e-4  # of the largest gradient
HINT = "mind what is left over: a size that the stride does not divide, an odd one"


def remainders(problem: Problem) -> list[Cause]:
    unfit = problem.mode == "jvp" or problem.single or not fits(problem) or problem.adapted.module
    if unfit or any(part.width == 2 for part in problem.inputs):
        return []
    for n in sorted({n for part in problem.inputs for n in part.shape if n > 1}):
        more, twice = resized(problem, {n: n + 1}), resized(problem, {n: 2 * n})
        if more is None or twice is None or max(*more.sizes, *twice.sizes) > 4 * max(problem.sizes):
            continue
        off = errors(more)
        if off and max(off.values()) > WRONG_BY and max((errors(twice) or off).values()) < RIGHT_BY:
            return [told(part, off[part.name], twice) for part in more.inputs if off[part.name] > WRONG_BY]
    return []


def told(part: Part, off: float, twice: Problem) -> Cause:
    fine = next(each for each in twice.inputs if each.name == part.name)
    what = f"is off by {off:.2g} of the largest" if np.isfinite(off) else "has another shape"
    says = f"forward takes {part.name} {part.shape} too, and the gradient {what} there; for {fine.shape} it is right"
    return Cause("edge_shape", says, HINT)


def errors(problem: Problem) -> dict[str, float] | None:
    """Of each gradient, relative to its largest; infinite where it has another shape, None where nothing is known."""
    rng = np.random.default_rng(19)
    v = nearby(problem, rng, 1)
    directions = [dice(rng, part.end - part.begin) for part in problem.inputs]
    truth = Truth(problem, v, [dense(t, part.begin) for part, t in zip(problem.inputs, directions)])
    if not truth.smooth_rows.all():
        return None
    g = rng.normal(size=problem.given_size)
    try:
        found = problem.call(problem.cotangents(g), problem.unpack(v))
    except Exception:  # it may say that it does not take this size
        return None
    if len(found) != len(problem.arrays) or any(found[part.place] is None for part in problem.inputs):
        return None  # it is another way of calling it there
    known = zip(problem.inputs, directions, *truth.pulled(g))
    return {part.name: error(part, found[part.place], t, wanted, doubt) for part, t, wanted, doubt in known}


def error(part: Part, found: Any, t: Array, wanted: float, doubt: float) -> float:
    if np.shape(found) != part.shape:
        return np.inf
    given = real(np.asarray(found), False).ravel()
    along, size = float(given @ t), float(np.sum(abs(given))) + abs(wanted) + 1e-300
    return max(abs(along - wanted) - 20 * doubt, 0.0) / size
