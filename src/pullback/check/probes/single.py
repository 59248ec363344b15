"""Is backward right where a size is one? An axis of one element gets lost where all such axes are dropped.

It is worth a note, and no fault: nobody has said that there may be such a size.
"""

from pullback.check.probes.remainders import WRONG_BY, errors
from pullback.check.problem import Problem
from pullback.check.report import Cause
from pullback.check.resizing import Sizes, raised, resized
from pullback.check.truth import fits

HINT = "say which axis is meant: squeeze(axis), or an index"


def singles(problem: Problem) -> list[Cause]:
    """Of each size in turn; what is one already becomes two, so that it alone is one."""
    if problem.mode == "jvp" or problem.single or not fits(problem) or problem.adapted.module:
        return []
    for n in sorted({n for part in problem.inputs for n in part.shape if n > 1}):
        sizes = {n: 1, 1: 2}
        one = resized(problem, sizes)
        if one is None or not all(one.sizes) or not follows(problem, one, sizes):
            continue
        if error := raised(one):
            return [told(one, f"backward raises {type(error).__name__} there")]
        off = errors(one) or {}
        wrong = [name for name, each in off.items() if each > WRONG_BY]
        if wrong:
            return [told(one, f"the gradient of {', '.join(wrong)} is another one there")]
    return []


def follows(problem: Problem, one: Problem, sizes: Sizes) -> bool:
    """Have the same axes of the output changed? Else an axis of one stands for many."""
    shapes = [tuple(sizes.get(n, n) for n in part.shape) for part in problem.outputs]
    return [part.shape for part in one.outputs] == shapes


def told(problem: Problem, what: str) -> Cause:
    at = ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)
    return Cause("edge_shape", f"forward takes {at} too, and {what}", HINT)
