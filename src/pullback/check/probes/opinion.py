"""Is it the closed form's gradient, where differences saw nothing wrong? They are blind in the tails."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.points import Point
from pullback.check.probes.values import tolerance
from pullback.check.problem import Part, Problem
from pullback.check.reference import Reference
from pullback.check.report import WRONG, Cause, Finding

Array = NDArray[Any]

BOUND = 1e-3  # of a tiny derivative, where each element is compared with itself
ROUNDING = 100  # times the tolerance of differences, of the largest
TINY = 1e-6  # a derivative, beside the largest
HINT = "use a form that does not subtract nearly equal numbers"


def opinion(problem: Problem, reference: Reference | None, point: Point, g: Array) -> list[Finding]:
    value = None if reference is None else reference.value(point.v)
    if reference is None or value is None or not np.allclose(value, problem.f(point.v), 1e-6, 1e-9):
        return []
    wanted = reference.pull(point.v, g)
    if wanted is None or not np.isfinite(wanted).all():
        return []
    found = problem.b(point.v, g)
    each = (compared(problem, reference, point, part, found, wanted) for part in problem.inputs)
    return [finding for finding in each if finding is not None]


def compared(
    problem: Problem, reference: Reference, point: Point, part: Part, found: Array, wanted: Array
) -> Finding | None:
    found, wanted = found[part.begin : part.end], wanted[part.begin : part.end]
    if not wanted.size:
        return None
    largest = float(np.max(abs(wanted)))
    by_element = len(problem.inputs) == 1 and problem.sizes[0] == problem.sizes[1] and not problem.single
    scale = abs(wanted) if by_element else largest
    off = np.where(np.isfinite(found), abs(found - wanted), np.inf) / (scale + 1e-290)
    k = int(np.argmax(off))
    if off[k] <= (BOUND if by_element else ROUNDING * tolerance(problem)) or abs(wanted[k]) >= TINY * (largest + 1):
        return None
    text = f"a relative error of {off[k]:.1e} where {reference.rule.name} has {wanted[k]:.3g}"
    values, index = (float(found[k]), float(wanted[k])), part.where(part.begin + k)
    causes = (Cause("cancellation", text, HINT),)
    return Finding(part.name, WRONG, abs(values[0] - values[1]), 0.0, index, *values, point.where, causes)
