"""The layer at other sizes, all of them changed: a size of the example may stand in its code.

Asked only with a closed form that holds there as well. Otherwise nobody has said that there are others.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.points import anything, whole
from pullback.check.probes.remainders import WRONG_BY, errors
from pullback.check.problem import Problem
from pullback.check.reference import Reference
from pullback.check.resizing import others
from pullback.check.truth import fits


def wrong_elsewhere(problem: Problem, reference: Reference) -> Problem | None:
    """Where forward is the same rule, and backward is not its derivative."""
    unfit = problem.mode == "jvp" or problem.single or not fits(problem) or problem.adapted.module
    if unfit or not all(map(of_any_number, problem.arrays)):
        return None
    wrong = (each for each in others(problem) if max((errors(each) or {"": 0.0}).values()) > WRONG_BY)
    return next((each for each in wrong if Reference(each, reference.like).fits), None)


def of_any_number(array: NDArray[Any]) -> bool:
    """May there be more of the same, or fewer? Not of shares that add up to one, or of one-hot targets."""
    labels, zeros_or_ones = array.dtype.kind in "iu", not np.ptp(array) and whole(array)
    return labels or array.dtype.kind == "f" and (bool(zeros_or_ones) or anything(array.ravel()))


def at_sizes(problem: Problem) -> str:
    return ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)
