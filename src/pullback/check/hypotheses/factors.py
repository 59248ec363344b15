"""All goes the right way, times something: a factor is missing, or is another one."""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import NOTHING_SIMPLE, Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


def chain_factor(e: Evidence) -> Says:
    """The right pattern, times something for every input or output."""
    if e.elementwise:
        return None
    off = np.eye(*e.J.shape) == 0
    mask = e.some & off if e.J.shape[0] == e.J.shape[1] else e.some
    if not mask.any() or (nonzero(e.B) & ~e.some).any() or not nonzero(e.B)[mask].any():
        return None
    rows = e.J.shape[0] > 1 and (mask.sum(1) > 1).any()
    if rows and look.per_row(e.ratio, mask) and not own_right(e):
        return "the right pattern, times a factor for every output"
    columns = e.J.shape[1] > 1 and e.J.shape[0] > 1 and (mask.sum(0) > 1).any()
    if columns and look.per_row(e.ratio.T, mask.T) and not own_right(e, columns=True):
        return "the right pattern, times a factor for every input"
    return None


def of_its_exponential(e: Evidence) -> Says:
    """The backward of softmax behind a log_softmax."""
    rows = per_output(e)
    if rows is None or not np.ptp(e.y) or e.y.max() > 30 or not same(rows, np.exp(e.y), 1e-4):
        return None
    return "it is the derivative of exp(y): of softmax, where forward is its logarithm"


def per_output(e: Evidence) -> Array | None:
    """A factor for every output by which all that it has of the inputs is off."""
    if e.elementwise or not e.some.any(1).all() or not np.array_equal(e.some, nonzero(e.B)):
        return None
    return np.nanmean(e.ratio, 1) if look.per_row(e.ratio, e.some) else None


def along_another_axis(e: Evidence) -> Says:
    """A factor for every row where one for every column is meant: of as many rows as columns, nobody complains."""
    rows = per_output(e)
    if rows is None or rows.size != np.prod(e.y_shape):
        return None
    for a, b in combinations(range(len(e.y_shape)), 2):
        if e.y_shape[b] < 2:
            continue
        factors = np.moveaxis(rows.reshape(e.y_shape), (a, b), (0, 1)).reshape(e.y_shape[a], e.y_shape[b], -1)
        p, q = factors[:, 0, 0] / factors[0, 0, 0], factors[0, :, 0]
        product = same(factors, np.multiply.outer(p, q)[..., None] * np.ones_like(factors), 1e-4)
        values = [np.unique(np.round(each / np.max(each), 5)) for each in (1 / p, q)]
        if (
            product
            and min(map(len, values)) > 1
            and np.min(p) > 0
            and np.min(q) > 0
            and same(values[0], values[1], 1e-4)
        ):
            return f"off by a factor that runs along axis {b} of the output, and should along axis {a}, or the reverse"
    return None


def factor_of_itself(e: Evidence) -> Says:
    """What is missing grows with the input: x, or x less something."""
    if e.elementwise or e.other is None or e.away is None or not np.array_equal(e.some, nonzero(e.B)):
        return None
    J, B = e.other
    here, there = (missing_per_input(*each) for each in ((e.J, e.B), (J, B)))
    if here is None or there is None:
        return None
    both = np.isfinite(here) & np.isfinite(there)
    moved = (e.away - e.x.ravel())[both]
    slope = look.constant_ratio((there - here)[both], moved) if both.sum() > 2 else None
    return f"a factor made of {e.name or 'x'} itself is missing: it, or how far it is from something" if slope else None


def missing_per_input(J: Array, B: Array) -> Array | None:
    """J / B, where that is one number for every input; nan for inputs of which there is nothing."""
    some = nonzero(B)
    with np.errstate(all="ignore"):
        ratio = np.where(some, J / np.where(some, B, 1), np.nan)
    if not some.any() or not look.per_row(ratio.T, some.T):
        return None
    return np.array([column[mask][0] if mask.any() else np.nan for column, mask in zip(ratio.T, some.T)])


def same_places(e: Evidence) -> Says:
    """Nothing goes the wrong way."""
    sparse = not e.elementwise and not look.dense(e.J) and np.array_equal(e.some, nonzero(e.B))
    return f"all in the right places; {NOTHING_SIMPLE}" if sparse else None


def own_right(e: Evidence, columns: bool = False) -> bool:
    """Is what every output has of its own input right, or off by another factor than what it has of the others?"""
    square = e.J.shape[0] == e.J.shape[1] and look.dense(e.J)
    others = e.some & (np.eye(*e.J.shape) == 0)
    return (
        square
        and not e.equal[others].all()
        and not (look.per_row(e.ratio.T, e.some.T) if columns else look.per_row(e.ratio, e.some))
    )


def factor_stays(e: Evidence) -> Says:
    """The right places, and numbers that do not move with an argument that moves the right ones."""
    if not np.array_equal(e.some, nonzero(e.B)) or e.steady and e.fixed:
        return None
    moving = (name for name, a in e.partners.items() if a.dtype.kind == "f" and e.moves_with(name) == (True, False))
    name = next(moving, None)
    if name is None:
        return None
    return f"a factor made of {name} is missing: the right gradient moves with it, this one does not"


def steady_ratio(e: Evidence) -> Says:
    """The right places, times numbers that stay where they are when J moves: widths, sizes of pixels, units."""
    if e.elementwise or e.other is None or e.fixed or not np.array_equal(e.some, nonzero(e.B)):
        return None
    J, B = e.other
    both = e.some & nonzero(J)
    if not both.any() or not same(e.ratio[both], B[both] / J[both], 1e-4):
        return None
    return "every element is off by a factor of its own, which does not move with the inputs"


def path_scaled(e: Evidence) -> Says:
    """What every output has of the other inputs, through a mean or a sum, is off by one factor; its own is not."""
    others = e.some & (np.eye(*e.J.shape) == 0)
    if e.elementwise or not own_right(e) or not same(e.ratio[others], np.full(others.sum(), e.ratio[others][0]), 1e-4):
        return None
    return f"what goes through a sum over all inputs is off by {e.ratio[others][0]:.4g}, and what goes straight is not"


def path_factor(e: Evidence) -> Says:
    """The same by a factor for every output, or every input."""
    others = e.some & (np.eye(*e.J.shape) == 0)
    if e.elementwise or not own_right(e):
        return None
    if look.per_row(e.ratio, others):
        return (
            "what goes through a sum over all inputs is off by a factor for every output, and what goes straight is not"
        )
    rows = look.per_row(e.ratio.T, others.T)
    return "what goes through a sum is off by a factor for every input, and what goes straight is not" if rows else None
