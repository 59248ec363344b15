"""Do the last places of an input get nothing back, and is all right where a size leaves none of them over?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.probes.remainders import errors
from pullback.check.problem import Part, Problem
from pullback.check.resizing import resized
from pullback.check.structure import nonzero, same
from pullback.check.truth import implied, whole

Array = NDArray[Any]

RIGHT_BY = 1e-4  # of the largest gradient


def left_over(problem: Problem, v: Array) -> str:
    """Along which axis, and at which size all is right."""
    for part in problem.inputs:
        for axis, n in enumerate(part.shape if part.width == 1 else ()):
            count = silent(problem, v, part, axis)
            if 0 < count < n and all(right(resized(problem, {n: times * (n - count)})) for times in (1, 2)):
                last = f"the last {count} of {n}" if count > 1 else f"the last of {n}"
                return f"{last} along axis {axis} of {part.name} get nothing; with {n - count} there all is right"
    return ""


def right(problem: Problem | None) -> bool:
    found = None if problem is None else errors(problem)
    return found is not None and max(found.values()) < RIGHT_BY


def silent(problem: Problem, v: Array, part: Part, axis: int) -> int:
    """How many places at the end of an axis get nothing that should, where those before them are right."""
    by_place = lambda M: np.moveaxis(M[:, part.begin : part.end].reshape(-1, *part.shape), 1 + axis, 0)
    wanted, given = by_place(whole(problem, v).value), by_place(implied(problem, v))
    reached = lambda M: nonzero(M).reshape(len(M), -1).any(1)
    nothing = np.asarray(~reached(given) & reached(wanted))
    first = len(nothing) - int(np.argmin(nothing[::-1])) if not nothing.all() else 0
    return len(nothing) - first if same(given[:first], wanted[:first]) else 0
