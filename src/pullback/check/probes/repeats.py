"""Is backward right where a whole number stands twice? Indices without one do not show `=` in the place of `+=`.

It is worth a note, and no fault: in a permutation none stands twice.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.probes.remainders import WRONG_BY, errors
from pullback.check.problem import Problem
from pullback.check.report import Cause
from pullback.check.resizing import replaced

HINT = "if that may be, add up what comes from there, as np.add.at does"


def repeats(problem: Problem) -> list[Cause]:
    if problem.mode == "jvp" or problem.single or any(part.width == 2 for part in problem.inputs):
        return []
    found = []
    for k, array in enumerate(problem.arrays):
        if array.dtype.kind in "iu" and array.size > 1 and len(np.unique(array)) == array.size and not permutes(array):
            arrays = problem.unpack(problem.example)
            arrays[k].flat[-1] = array.flat[0]
            twice = replaced(problem, arrays)
            off = errors(twice) or {} if twice else {}
            wrong = [name for name, by in off.items() if by > WRONG_BY]
            found += [told(problem.names[k], wrong, max(off.values()))] if wrong else []
    return found


def told(indices: str, wrong: list[str], off: float) -> Cause:
    what = f"the gradient of {', '.join(wrong)} is off by {off:.2g} of the largest"
    return Cause("overwrite_vs_accumulate", f"where a number stands twice in {indices}, {what}: {HINT}")


def permutes(array: NDArray[Any]) -> bool:
    return np.array_equal(np.sort(array, None), np.arange(array.size))
