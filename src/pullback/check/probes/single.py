"""Is backward right where a size is one? An axis of one element gets lost where all such axes are dropped.

It is worth a note, and no fault: nobody has said that there may be such a size. Nothing is said of a backward that is
right at one size alone: it has to be right where the size is doubled.
"""

from math import prod

from pullback.check.probes.remainders import RIGHT_BY, WRONG_BY, errors
from pullback.check.problem import Problem
from pullback.check.report import Cause
from pullback.check.resizing import Sizes, raised, resized
from pullback.check.truth import fits

MANY = 10_000  # numbers: to grow a layer so far for a note costs too much
HINT = "say which axis is meant: squeeze(axis), or an index"


def singles(problem: Problem) -> list[Cause]:
    """Of each size in turn; what is one already becomes two, so that it alone is one."""
    if problem.mode == "jvp" or problem.single or not fits(problem) or problem.adapted.module:
        return []
    for n in sorted({n for part in problem.inputs for n in part.shape if n > 1}):
        sizes, doubled = {n: 1, 1: 2}, {n: 2 * n, 1: 2}
        if max(numbers(problem, sizes), numbers(problem, doubled)) > MANY:
            continue
        one = resized(problem, sizes)
        if one is None or not all(one.sizes) or not follows(problem, one, sizes):
            continue
        what = wrong(one)
        if what and right(resized(problem, doubled)):
            return [told(one, what)]
    return []


def numbers(problem: Problem, sizes: Sizes) -> int:
    """How many would go in and come out: many axes of one make two to the power of as many."""
    return sum(prod(sizes.get(n, n) for n in part.shape) for part in (*problem.inputs, *problem.outputs))


def wrong(problem: Problem) -> str:
    """What backward does there, if it is not right."""
    if error := raised(problem):
        return f"backward raises {type(error).__name__} there"
    off = [name for name, each in (errors(problem) or {}).items() if each > WRONG_BY]
    return f"the gradient of {', '.join(off)} is another one there" if off else ""


def right(problem: Problem | None) -> bool:
    """Does backward know more than one size?"""
    off = errors(problem) if problem else None
    return off is not None and max(off.values()) < RIGHT_BY


def follows(problem: Problem, one: Problem, sizes: Sizes) -> bool:
    """Have the same axes of the output changed? Else an axis of one stands for many."""
    shapes = [tuple(sizes.get(n, n) for n in part.shape) for part in problem.outputs]
    return [part.shape for part in one.outputs] == shapes


def told(problem: Problem, what: str) -> Cause:
    at = ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)
    return Cause("edge_shape", f"forward takes {at} too, and {what}", HINT)
