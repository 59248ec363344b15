"""Does backward take what forward takes? Many a forward runs for one axis more than its author thought of.

It is worth a note, and no fault: nobody has said that there may be one more.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.points import nearby
from pullback.check.problem import Problem
from pullback.check.report import Cause
from pullback.check.resizing import replaced

Array = NDArray[Any]

AXES = range(2, 9)  # of the first input
HINT = "use the last axes, as in x[..., None], and sum over all the others"


def batches(problem: Problem) -> list[Cause]:
    """Two examples at once, where the first input has an axis more, and forward does to each what it does to one."""
    part, v = problem.inputs[0], problem.example
    alone = all(array.shape != part.shape for k, array in enumerate(problem.arrays) if k != part.place)  # no partner
    alone = alone and len(problem.adapted.leaves[0].path) == 1  # nor a weight among others
    if problem.mode == "jvp" or part.width == 2 or len(part.shape) not in AXES or part.place or not alone:
        return []
    other = v.copy()
    other[part.begin : part.end] = nearby(problem, np.random.default_rng(2), 1)[part.begin : part.end]
    arrays = problem.unpack(v)
    arrays[part.place] = np.stack([arrays[part.place], problem.unpack(other)[part.place]])
    both = replaced(problem, arrays)
    if both is None or [each.shape for each in both.outputs] != [(2, *each.shape) for each in problem.outputs]:
        return []
    if len(problem.outputs) > 1 or not alike(both.f(both.example), np.concatenate([problem.f(v), problem.f(other)])):
        return []
    shape, g = (2, *part.shape), np.random.default_rng(5).normal(size=(2, problem.given_size))
    try:
        found = both.b(both.example, g.ravel())
    except Exception as error:  # it was never asked to
        return [noted(f"forward takes {part.name} {shape} too, and backward raises {type(error).__name__} there")]
    one, two = problem.b(v, g[0]), problem.b(other, g[1])
    own = slice(part.begin, part.end)
    wanted = np.concatenate([(one + two)[: part.begin], one[own], two[own], (one + two)[part.end :]])
    if len(found) == len(wanted) and alike(found, wanted):
        return []
    return [noted(f"forward takes {part.name} {shape} too, and backward gives other gradients there than one by one")]


def alike(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-3, atol=1e-6))


def noted(text: str) -> Cause:
    return Cause("edge_shape", text, HINT)
