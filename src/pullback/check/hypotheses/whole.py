"""The whole gradient, changed in one way: lost, turned, scaled."""

import numpy as np

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import same


def vanishes(e: Evidence) -> Says:
    return "the gradient is zero" if not np.max(abs(e.B), initial=0) > 1e-9 * np.max(abs(e.J), initial=0) else None


def flipped(e: Evidence) -> Says:
    return "the right gradient times -1" if same(e.B, -e.J) else None


def mixed_signs(e: Evidence) -> Says:
    differs = same(abs(e.B), abs(e.J)) and not same(e.B, e.J)
    return "right but for the sign, which is wrong in places" if differs else None


def factor(e: Evidence) -> Says:
    c = look.constant_ratio(e.B, e.J)
    if c is None:
        return None
    known = named_factor(c, e)
    return f"the right gradient times {c:.6g}" + (f" = {known}" if known else "")


def named_factor(c: float, e: Evidence) -> str:
    sizes = {f"the size of axis {k} of the output": n for k, n in enumerate(e.y_shape) if n > 1}
    sizes |= {f"the size of axis {k} of the input": n for k, n in enumerate(e.x.shape) if n > 1}
    sizes |= {"the number of outputs": max(e.J.shape[0], 1), "2": 2}
    for name, n in sizes.items():
        for value, text in (
            (1 / n, f"1 / {name}"),
            (n, name),
            (n**-0.5, f"1 / sqrt of {name}"),
            (n**0.5, f"sqrt of {name}"),
        ):
            if n > 1 and np.isclose(c, value, rtol=1e-6):
                return text
    return ""


def adjoint(e: Evidence) -> Says:
    """Of a permutation by data (sort), of an antisymmetric map (cross product), of any square matrix."""
    if e.J.shape[0] != e.J.shape[1] or same(e.J, e.J.T) or not same(e.B, e.J.T):
        return None
    return "the Jacobian itself is applied, not its transpose"


def index_adjoint(e: Evidence) -> Says:
    if adjoint(e) and look.selection(e.J) and e.fixed:
        return "indices of the forward pass are used where their inverse is needed: scatter for gather"
    return None


def moved_axes(e: Evidence) -> Says:
    for order, rows in look.axes_moved(e.J, e.x.shape):
        if same(e.B, rows):
            return f"the axes of the right gradient are in the order {order}"
    return None


def another_axis(e: Evidence) -> Says:
    """A factor of an elementwise layer, spread along the wrong axis."""
    if e.diagonals is None or e.x.ndim < 2 or same(e.diagonals[0], np.full_like(e.diagonals[0], e.diagonals[0][0])):
        return None
    for order, moved in look.axes_moved(e.diagonals[0][None], e.x.shape):
        if same(e.diagonals[1], moved[0]):
            return f"the factor runs along the wrong axis: as if the axes were in the order {order}"
    return None
