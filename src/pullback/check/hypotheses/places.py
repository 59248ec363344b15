"""The right values in the wrong places."""

import numpy as np

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero, same


def copied(e: Evidence) -> int | None:
    """All inputs get the gradient of one of them."""
    if e.J.shape[1] < 2 or not same(e.B, np.broadcast_to(e.B[:, :1], e.B.shape)):
        return None
    return next((k for k in range(e.J.shape[1]) if same(e.B[:, 0], e.J[:, k]) and nonzero(e.J[:, k]).any()), None)


def copied_place(e: Evidence) -> Says:
    k = copied(e)
    if k is None or not all(same(np.sort(column), np.sort(e.J[:, 0])) for column in e.J.T):
        return None
    return f"every element gets the gradient of element {k}"


def copied_tensor(e: Evidence) -> Says:
    k = copied(e)
    return None if k is None else f"the gradient of element {k} is given for all: copied and not changed"


def moved(e: Evidence) -> Says:
    """The right values in the wrong places."""
    if same(e.B, e.J) or not nonzero(e.B).any():
        return None
    columns = same(np.sort(e.B, 0), np.sort(e.J, 0)) or same(np.sort(e.B, 1), np.sort(e.J, 1))
    whole = same(np.sort(e.B[nonzero(e.B)]), np.sort(e.J[e.some])) and not same(nonzero(e.B) * 1.0, e.some * 1.0)
    return "the right values in the wrong places" if (columns or whole) and not e.elementwise else None


def moved_window(e: Evidence) -> Says:
    return f"{moved(e)}, of windows that slide" if moved(e) and (e.windowed or e.pooled) else None


def slid(e: Evidence) -> Says:
    """Windows still, but not those: in another place, flipped, of another stride or dilation."""
    if not e.windowed or same(e.B, e.J):
        return None
    return "a layer of sliding windows, whose backward reads them elsewhere" if nonzero(e.B).any() else None


def pooled_elsewhere(e: Evidence) -> Says:
    if e.pooled and not same(e.B, e.J) and look.selection(e.B) and e.J.shape[0] < e.J.shape[1]:
        return "windows of which one element is taken; backward takes another"
    return None


def outputs_mixed(e: Evidence) -> Says:
    """One output's gradient goes the way of another's."""
    right = np.array([same(b, j) for b, j in zip(e.B, e.J)])
    if not right.any() or right.all() or len(right) > 60:
        return None
    taken = [any(same(b, j) for j in e.J) for b in e.B[~right]]
    return "the gradient of one output is sent the way of another's" if all(taken) else None
