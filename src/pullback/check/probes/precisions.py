"""Is what is right in double precision right in single precision too? A kernel of its own, or a cast, may not be.

The user's numbers are doubles: so what rounds or overflows there is no fault, and what raises is worth a note.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dense, dice
from pullback.check.points import Point
from pullback.check.probes.values import Comparison, Mismatch
from pullback.check.problem import Problem
from pullback.check.report import Cause
from pullback.check.resizing import raised, replaced
from pullback.check.truth import Truth

Array = NDArray[Any]

OFF = 1e-2  # of the largest derivative along a direction: more than rounding
WHERE = "your example in single precision"


def narrowed(problem: Problem) -> Problem | None:
    """The same layer at the same numbers, rounded to single precision; None if there is none, or it does not run."""
    doubles = [array.dtype == np.float64 for array in problem.arrays]
    if problem.mode == "jvp" or problem.single or not all(doubles[part.place] for part in problem.inputs):
        return None
    with np.errstate(all="ignore"):
        arrays = [array.astype(np.float32) if double else array for array, double in zip(problem.arrays, doubles)]
    found = replaced(problem, arrays)
    return found if found is not None and found.narrow and found.takes_double else None


def in_single(problem: Problem, single: Problem, rng: np.random.Generator) -> tuple[Point, Truth, list[Mismatch]]:
    """What is wrong there, along one direction of every input, and another gradient than in double precision: that may
    follow a convention. Not at kinks, which jumps close together look like."""
    along = [dense(dice(rng, part.end - part.begin), part.begin) for part in single.inputs]
    truth = Truth(single, single.example, along).sharpened()
    comparison = Comparison(single, truth, [rng.normal(size=single.given_size)])

    def counts(each: Mismatch) -> bool:
        in_double = along[each.column].along(problem.b(single.example, each.g))
        far = min(each.weight, abs(each.found - in_double)) > OFF * abs(truth.size)
        return each.finite and each.kind == "smooth" and far

    return Point(WHERE, single.example), truth, [each for each in comparison.found.values() if counts(each)]


def raises(single: Problem) -> list[Cause]:
    error = raised(single)
    if error is None:
        return []
    text = f"in single precision forward runs, and backward raises {type(error).__name__}: {error}"
    return [Cause("contract_shape_dtype", text)]
