"""The right values in the wrong places."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


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


def shifted_window(e: Evidence) -> Says:
    return shifted(e) if e.windowed or e.pooled and in_windows(e) else None


def shifted(e: Evidence) -> Says:
    """What falls out at the end is lost, or comes in at the beginning."""
    J, B = (M.reshape(-1, *e.x.shape) for M in (e.J, e.B))
    for axis, n in enumerate(e.x.shape, start=1):
        right, given = np.moveaxis(J, axis, 0), np.moveaxis(B, axis, 0)
        for by in range(1, max(2, n - 1)):
            for a, b, way in ((right[:-by], given[by:], by), (right[by:], given[:-by], -by)):
                if nonzero(a).any() and same(a, b) and not same(a, right[by:] if way > 0 else right[:-by]):
                    return f"the right gradient, moved by {way} along axis {axis - 1}"
    return None


def right_in_total(e: Evidence) -> Says:
    """All of it arrives along an axis, some of it in the wrong places. Where nothing is right, weights that sum to one
    are others."""
    J, B, equal = (M.reshape(-1, *e.x.shape) for M in (e.J, e.B, e.equal))
    for axis, n in enumerate(e.x.shape, start=1):
        total, rest = J.sum(axis), tuple(k for k in range(J.ndim) if k != axis)
        right = equal.all(rest) & (J != 0).any(rest)
        if n > 1 and right.any() and same(B.sum(axis), total) and np.max(abs(total)) > 1e-3 * np.max(abs(J)):
            return f"the right gradient in total along axis {axis - 1}, and other places of it get it"
    return None


def exchanged_ends(e: Evidence) -> Says:
    """Of edges, or of windows that reach further to one side: what comes from where it should go to."""
    for a, b in product(range(e.x.ndim), range(len(e.y_shape))) if not e.elementwise else ():
        J, B = (look.blocks(M, e.x.shape, e.y_shape, a, b) for M in (e.J, e.B))
        if J is None or B is None:
            continue
        acts, given = (np.asarray(nonzero(M).any((1, 3))) for M in (J, B))
        alive = np.ix_(*[acts.any(1) & given.any(1)] * 2)  # of places that relu has silenced nothing is known
        turned = np.array_equal(given[alive], acts.T[alive]) and not np.array_equal(given[alive], acts[alive])
        both = np.broadcast_to((acts & given)[:, None, :, None], J.shape)
        if turned and (same(J[both], B[both]) or same(J.transpose(2, 1, 0, 3), B)):
            return f"places along axis {a} get from those that act on them, and should from those that they act on"
    return None


def unfolded(e: Evidence) -> Says:
    """A matrix of which one half is read, and both halves get a share."""
    if e.x.ndim != 2 or e.x.shape[0] != e.x.shape[1] or len(e.x) < 2:
        return None
    right, given = (M.reshape(-1, *e.x.shape) for M in (e.J, e.B))
    for half in (np.tril(np.ones(e.x.shape), -1), np.triu(np.ones(e.x.shape), 1)):
        folded = given * (1 - half) + (given * half).swapaxes(1, 2)
        if not nonzero(right * half).any() and nonzero(given * half).any() and same(folded, right):
            return "the half that is never read gets a part of the gradient: fold it onto the other"
    return None


def moved_or_lost(e: Evidence) -> Says:
    """What belongs to one output lands elsewhere, or is written over by what belongs to the next."""
    if same(e.B, e.J) or not nonzero(e.B).any() or not (nonzero(e.B) & ~e.some).any():
        return None
    lost = ~nonzero(e.B).any(1)
    right, given = (np.sort(M[~lost], 1) for M in (e.J, e.B))
    some_lost = (e.some.any(1) & lost).any()
    if not same(right, given) or not (some_lost or e.elementwise):
        return None
    if not some_lost:
        return "the right values in the wrong places"
    return "the right values in the wrong places, and what does not arrive there is written over"


def in_other_places(e: Evidence) -> Says:
    """A factor that is multiplied in before a permutation, not behind it: some numbers change places."""
    if e.elementwise or not np.array_equal(e.some, nonzero(e.B)) or e.J.shape[0] != e.J.shape[1]:
        return None
    off = ~e.equal
    if not off.any() or not (e.equal & e.some).any() or (np.diag(off)).any():
        return None
    given, right = abs(e.B[off]), abs(e.J[off])
    if same(given, right, 1e-4) or not same(np.sort(given), np.sort(right), 1e-4):
        return None
    return "numbers beside the diagonal have changed places: a factor stands on the wrong side of a turn"


def reach(e: Evidence) -> Array:
    """Which inputs an output may read, of those that choose by the numbers: seen from other orders of them."""
    rng = np.random.default_rng(0)
    drawn = [e.at(rng.permutation(e.x.ravel())) for _ in range(12)]
    return np.asarray(np.any([e.some, *(nonzero(J) for J in drawn if J is not None)], axis=0))


def whole_window(e: Evidence) -> Says:
    """A pool by the largest, with the backward of one by the mean, or of copies."""
    if not e.pooled or look.selection(e.B) or not nonzero(e.B).any():
        return None
    window = reach(e)
    shared = not (nonzero(e.B) & ~window).any() and nonzero(e.B)[window].mean() > 0.9
    return "every element of a window gets a gradient, of which forward chooses one" if shared else None


def within_window(e: Evidence) -> Says:
    """A pool whose windows are right, and of which another element is taken."""
    if not e.pooled or not look.selection(e.B) or same(e.B, e.J) or np.ptp(e.J[e.some]) > 1e-6:
        return None
    window = reach(e)
    inside = not (nonzero(e.B) & ~window).any() and window.sum(1).max() < window.shape[1]
    return "of every window an element that is not the chosen one gets the gradient" if inside else None


def outputs_moved(e: Evidence) -> Says:
    """Every output's gradient goes the way of another's: channels in another order."""
    rows, given = np.round(e.J, 6), np.round(e.B, 6)
    size = np.max(abs(e.J), initial=0)
    if look.selection(e.J) or len(rows) > 400 or same(e.B, e.J):
        return None
    nearest = [int(np.argmin(abs(rows - b).max(1))) for b in given]
    if len(set(nearest)) < len(rows) or not same(e.J[nearest], e.B) or not size:
        return None
    return "the gradients of the outputs come back in another order"


def moved_window(e: Evidence) -> Says:
    cut_out = look.selection(e.J) and e.fixed  # as a slice is, or what is picked by an index: no window
    sliding = e.windowed or e.pooled and in_windows(e)
    return f"{moved(e)}, of windows that slide" if moved(e) and sliding and not cut_out else None


def in_windows(e: Evidence) -> bool:
    """Does a selection leave several of more along some axis? A median of a row is no window."""
    return len(e.y_shape) == e.x.ndim and any(1 < n < m for n, m in zip(e.y_shape, e.x.shape))


def slid(e: Evidence) -> Says:
    """Windows still, but not those: in another place, flipped, of another stride or dilation."""
    places = np.array_equal(e.some, nonzero(e.B))
    factors = look.per_row(e.ratio, e.some) or look.per_row(e.ratio.T, e.some.T)
    if not e.windowed or places and factors:  # then it reads what it should
        return None
    return "a layer of sliding windows, whose backward reads them elsewhere" if nonzero(e.B).any() else None


def averaged_otherwise(e: Evidence) -> Says:
    """A mean over windows, of which those at the border have another size."""
    if not e.windowed or not np.array_equal(e.some, nonzero(e.B)):
        return None
    even = all(same(row[some], np.full(some.sum(), row[some][0])) for row, some in zip(e.J, e.some) if some.any())
    factors = [r[some].mean() for r, some in zip(e.ratio, e.some) if some.any()]
    if even and look.per_row(e.ratio, e.some) and np.isclose(factors, 1).any() and np.ptp(factors) > 1e-4:
        return "windows at the border are taken for larger or smaller: count what is padded as forward does"
    return None


def interpolated(e: Evidence) -> Says:
    """Positions between the given ones: every output is a mean of neighbours, with weights that sum to one."""
    if e.J.shape[0] < e.J.shape[1] or e.J.min(initial=0) < 0 or e.B.min(initial=0) < -1e-6 or not e.fixed:
        return None
    one = np.ones(len(e.J))
    weights = np.unique(np.round(e.J[e.some], 6))
    if len(weights) > 2 and same(e.J.sum(1), one) and same(e.B.sum(1), one) and not same(e.B, e.J):
        return "weights of an interpolation, but between other positions: corners aligned, or centres"
    return None


def copied_otherwise(e: Evidence) -> Says:
    """Nearest neighbours, by another rule."""
    if e.J.shape[0] > e.J.shape[1] and e.fixed and in_order(e.J) and in_order(e.B) and not same(e.B, e.J):
        return "every output copies an input, in the same order, but another one: rounded, or counted from, otherwise"
    return None


def in_order(M: Array) -> bool:
    """Does every output copy one input, later ones never an earlier one, and some the same as before?"""
    some = nonzero(M)
    if not some.any() or (some.sum(1) != 1).any() or not same(M[some], np.ones(len(M))):
        return False
    steps = np.diff(some.argmax(1))
    return bool(np.all(steps >= 0) and np.any(steps == 0))


def pooled_elsewhere(e: Evidence) -> Says:
    if e.pooled and not same(e.B, e.J) and look.selection(e.B) and e.J.shape[0] < e.J.shape[1]:
        return "of every window one element is taken; backward takes another"
    return None


def outputs_mixed(e: Evidence) -> Says:
    """One output's gradient goes the way of another's."""
    right = np.array([same(b, j) for b, j in zip(e.B, e.J)])
    if not right.any() or right.all() or len(right) > 60:
        return None
    taken = [nonzero(b).any() and any(same(b, j) for j in e.J) for b in e.B[~right]]
    return "the gradient of one output is sent the way of another's" if all(taken) else None
