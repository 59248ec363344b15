"""Right where something square is symmetric: a transpose is missing, or one of the two that are added up."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


def above(e: Evidence) -> Says:
    """The gradient from above stands the wrong way round."""
    if not square(e.y_shape) or e.elementwise:
        return None
    J, B = (folded(M.T.reshape(-1, *e.y_shape)) for M in (e.J, e.B))
    if not nonzero(J).any() or not same(J, B):
        return None
    return "right where the gradient from above is symmetric: it is transposed by mistake, or should be"


def half_above(e: Evidence) -> Says:
    """g for g + gᵀ, where forward gives a symmetric matrix."""
    if not square(e.y_shape) or e.elementwise:
        return None
    J, B = (folded(M.T.reshape(-1, *e.y_shape)) for M in (e.J, e.B))
    c = look.constant_ratio(B, J)
    half = c is not None and np.isclose(c, 0.5, rtol=1e-5)
    return "right for the gradient from above added to its transpose, and that is missing" if half else None


def result(e: Evidence) -> Says:
    """The gradient that is given is right but for an antisymmetric part."""
    if not square(e.x.shape) or e.elementwise:
        return None
    J, B = (folded(M.reshape(-1, *e.x.shape)) for M in (e.J, e.B))
    right = nonzero(J).any() and same(J, B)
    return "right once it is added to its transpose: a part of it stands the wrong way round" if right else None


def argument(e: Evidence) -> Says:
    """A square matrix that forward takes."""
    matrices = ((name, a) for name, a in e.arguments.items() if a.dtype.kind == "f" and square(a.shape))
    for name, a in matrices:
        turned = np.swapaxes(a, -1, -2)
        if not same(a, turned) and e.right_with({name: (a + turned) / 2}):
            return f"right where {name} is symmetric: it is transposed by mistake, or should be"
    return None


def square(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[-1] == shape[-2] > 1


def folded(a: Array) -> Array:
    return a + np.swapaxes(a, -1, -2)
