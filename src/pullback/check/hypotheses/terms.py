"""Of the terms of a derivative, one is missing, or there is one too many."""

from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


def diagonal_only(e: Evidence) -> Says:
    """The direct path alone: what goes through a mean, a variance, a sum of exponentials is missing."""
    square = e.J.shape[0] == e.J.shape[1] and not e.elementwise and look.elementwise(e.B)
    if square and (nonzero(e.J).mean() > 0.2 or e.x.shape == e.y_shape and same(np.diag(e.B), np.diag(e.J))):
        return "every output is taken to depend on its own input alone"
    return None


def output_dropped(e: Evidence) -> Says:
    """Of several outputs, one hands nothing back: the memory of an LSTM, whose gradient comes beside that of h."""
    for name, rows in e.outputs if len(e.outputs) > 1 else ():
        others = np.delete(e.equal, rows, 0)
        if e.some[rows].any() and not nonzero(e.B)[rows].any() and nonzero(e.B).any() and others.all():
            return f"the gradient of {name} from above is dropped, that of the other outputs is right"
    return None


def one_of_several(e: Evidence) -> Says:
    """Of several terms of a sum, the last (or first) that was written. A term may be a sum itself: over the channels of
    a window, or over examples."""
    if not e.subset or look.dense(e.J):
        return None
    there, given = (M.reshape(*e.y_shape, -1) for M in (e.some, nonzero(e.B)))
    axes = range(len(e.y_shape))
    for inner in (some for count in axes for some in combinations(axes, count)):
        terms, kept = (M.any(inner, keepdims=True) for M in (there, given))
        several = terms.sum(tuple(axes)) > 1
        whole = np.array_equal(given, there & kept)
        if whole and several.any() and (kept.sum(tuple(axes))[several] == 1).all():
            return "of the several terms of a sum only one is there: written over, not added"
    return None


def last_of_an_index(e: Evidence) -> Says:
    """Places are given by an index in which numbers repeat, and what is lost stands where a later one follows (or an
    earlier one went before)."""
    if not e.subset or e.elementwise:
        return None
    indices = [(name, a.ravel()) for name, a in e.partners.items() if a.dtype.kind in "iu" and a.size > 1]
    fitting = [(name, a) for name, a in indices if e.J.shape[0] % a.size == 0 and len(set(a)) < a.size]
    for ahead in (1, -1) if fitting else ():
        lost = np.asarray((e.some & ~nonzero(e.B)).reshape(fitting[0][1].size, -1).any(1))
        repeats = [
            np.array([a[k] in set(a[k + 1 :] if ahead > 0 else a[:k]) for k in range(a.size)]) for _, a in fitting
        ]
        if all(a.size == len(lost) for _, a in fitting) and not (lost & ~np.any(repeats, 0)).any():
            return f"of places that repeat in {' and '.join(name for name, _ in fitting)} one counts: written over"
    return None


def one_of_alike(e: Evidence) -> Says:
    """Of several terms that are equal one: the right gradient is so many times the one that is given."""
    if e.elementwise or not np.array_equal(e.some, nonzero(e.B)):
        return None
    times = 1 / e.ratio[e.some]
    count = np.round(times)
    if same(times, count) and (count > 0).all() and np.ptp(count) > 0:
        return f"of up to {count.max():g} equal terms of a sum one is there: written over, or not counted"
    return None


def counted_otherwise(e: Evidence) -> Says:
    """An index that runs over other places than it should: some are met twice, and others never."""
    if (nonzero(e.B) & ~e.some).any() or not e.some.any():
        return None
    times = e.ratio[e.some]
    count = np.round(times)
    if abs(times - count).max() > 1e-4 or count.min() < 0 or not ((count > 1).any() and (count == 0).any()):
        return None
    return f"some terms are counted up to {count.max():g} times, and others never"


def fewer_terms(e: Evidence) -> Says:
    return "some terms are missing, the others right" if e.subset and not e.elementwise else None


def stray(e: Evidence) -> Says:
    """An index that points to the wrong place: what is too much does not depend on x."""
    if not e.beyond or e.elementwise:
        return None
    extra = nonzero(e.B) & ~e.some
    moves = e.other is not None and not same(e.other[1][extra], e.B[extra], 1e-4)
    return None if moves else "elements that do not take part get a gradient"


def future_seen(e: Evidence) -> Says:
    """Forward looks back only, along some axis; backward lets everything act on everything."""
    for a, b in product(range(e.x.ndim), range(len(e.y_shape))):
        J, B = (look.blocks(M, e.x.shape, e.y_shape, a, b) for M in (e.J, e.B))
        if J is not None and B is not None and look.causal(J) and nonzero(J).any((1, 3)).sum() > len(J):
            T = range(len(J))
            if len(J) > 2 and all(nonzero(B)[t, :, s].any() for t in T for s in T if s > t):
                return "later places act on earlier ones, which forward does not let them: a causal mask is forgotten"
    return None


def mask_ignored(e: Evidence) -> Says:
    extra = nonzero(e.B) & ~e.some
    rows = e.J.shape[0] == 1 and extra.any() and e.some.any() and look.constant_ratio(e.B[e.some], e.J[e.some])
    if not e.beyond and not rows or e.elementwise:
        return None
    return "elements that do not take part get a gradient: a mask, or an index to ignore, is ignored"


def training_statistics(e: Evidence) -> Says:
    """An elementwise layer with the backward of one that subtracts a mean."""
    if not e.elementwise or look.elementwise(e.B) or not e.J.any():
        return None
    rows = e.B.reshape(-1, *e.x.shape)
    for axis in range(1, rows.ndim):
        if rows.shape[axis] > 1 and np.max(abs(rows.sum(axis))) < 1e-6 * np.max(abs(rows)):
            return f"the gradient sums to zero over axis {axis - 1}, as in training; forward uses fixed statistics"
    if e.x.shape == e.y_shape and (away := coupled_axes(e)) and len(away) < e.x.ndim:
        return f"numbers along axis {away[0]} act on each other, as in training; forward uses fixed statistics"
    return None


def coupled_axes(e: Evidence) -> list[int]:
    """The axes of the input along which nothing acts on anything else, but for the gradient that is given."""
    pairs = product(range(len(e.y_shape)), range(e.x.ndim))
    apart = lambda M, a, b: look.apart(M, e.x.shape, e.y_shape, b, a)
    return [b for a, b in pairs if apart(e.J, a, b) and not apart(e.B, a, b)]


def upstream_along_another_axis(e: Evidence) -> Says:
    """The gradient from above belongs to examples, and is multiplied in along another axis of their number."""
    for a in range(len(e.y_shape)):
        apart = lambda M, b, a=a: look.apart(M, e.x.shape, e.y_shape, b, a)
        own = [b for b in range(e.x.ndim) if apart(e.J, b) and not apart(e.B, b)]
        other = [b for b in range(e.x.ndim) if apart(e.B, b) and not apart(e.J, b)]
        if own and other and not e.elementwise:
            return f"the gradient from above runs along axis {other[0]} of {e.name or 'x'}, and belongs to axis {own[0]}"
    return None


def coupled(e: Evidence) -> Says:
    """Examples (channels, rows) that the layer keeps apart: a sum or a mean of backward runs over them too."""
    if e.elementwise or not (away := coupled_axes(e)):
        return None
    return f"numbers along axis {away[0]} act on each other, which forward keeps apart: summed over the wrong axes"


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
    known = rows is not None and np.ptp(e.y) > 0 and np.all(e.y < 30)
    return "it is the derivative of exp(y): of softmax, where forward is its logarithm" if known and same(
        rows, np.exp(e.y), 1e-4
    ) else None


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
        if product and min(map(len, values)) > 1 and np.min(p) > 0 and np.min(q) > 0 and same(*values, 1e-4):
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


def silent_outputs(e: Evidence) -> Array | None:
    """Those that hand nothing back, if they are made of several inputs each, and all that the others do is right."""
    silent = ~nonzero(e.B).any(1) & e.some.any(1)
    if e.elementwise or not silent.any() or silent.all() or not e.equal[~silent].all():
        return None
    return silent if (e.some.sum(1) > 1)[silent].all() else None


def outputs_silent(e: Evidence) -> Says:
    silent = silent_outputs(e)
    if silent is None or e.fixed or (np.ptp(np.argwhere(~silent.reshape(e.y_shape)), axis=0) == 0).any():
        return None
    return "a part of the outputs hands nothing back, and all of the others is right"


def last_of_the_outputs(e: Evidence) -> Says:
    """Of a loop over heads, groups or branches that share this input the last turn (or the first) counts."""
    silent = silent_outputs(e)
    places = [] if silent is None else np.argwhere(~silent.reshape(e.y_shape)).T
    for axis, (n, own) in enumerate(zip(e.y_shape, places)):
        if n > 1 and np.ptp(own) == 0 and own[0] in (0, n - 1):
            return f"of all places along axis {axis} of the output one hands something back: written over, not added"
    return "of several products one hands something back: written over, not added" if len(places) and e.fixed else None


def same_places(e: Evidence) -> Says:
    """Nothing goes the wrong way."""
    sparse = not e.elementwise and not look.dense(e.J) and np.array_equal(e.some, nonzero(e.B))
    return "all in the right places, and off by factors of no simple form" if sparse else None


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


def sum_not_kept(e: Evidence) -> Says:
    """Softmax, the norms, cross entropy: what is added to all elements alike changes nothing, so the right gradient
    sums to zero. So it is with what they are multiplied by, and <gradient, x>."""
    if e.elementwise or not nonzero(e.B).any():
        return None
    J, B = (M.reshape(-1, *e.x.shape) for M in (e.J, e.B))
    size = lambda M: np.max(abs(M), initial=0)
    kept = lambda M, axis: size(M.sum(axis)) < 1e-6 * size(M)
    lost = lambda M, axis: size(M.sum(axis)) > 1e-3 * size(M)
    for axis in (k for k in range(1, J.ndim) if J.shape[k] > 1):
        if kept(J, axis) and lost(B, axis):
            return f"the right gradient sums to zero along axis {axis - 1}, this one does not"
        if kept(J * e.x, axis) and lost(B * e.x, axis):
            return f"the right gradient is at right angles to the input along axis {axis - 1}, this one is not"
    return None


def low_rank(e: Evidence) -> Says:
    n = min(e.J.shape)
    if e.elementwise or n < 3:
        return None
    lost, has = look.rank(e.J - e.B), look.rank(e.J)
    spread = np.mean(np.any(~e.equal, 0)[e.some.any(0)]) > 0.5  # not only in some columns, such as those of a gate
    if lost <= max(1, has // 2) and spread:
        return f"what is missing has rank {lost} (of {has}): a mean or a sum over an axis"
    return None


INNER: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "a sigmoid": lambda x: 1 / (2 + np.exp(x) + np.exp(-x)), "tanh": lambda x: 1 / np.cosh(x) ** 2, "exp": np.exp,
    "a logarithm": lambda x: 1 / x, "a square": lambda x: 2 * x, "sin": np.cos, "cos": lambda x: -np.sin(x),
    "a square root": lambda x: 0.5 / np.sqrt(x),
}  # fmt: skip


def inner_slope(e: Evidence) -> Says:
    """A loss of something elementwise, such as of probabilities made of logits: its slope is missing."""
    some = e.some[0] & nonzero(e.B)[0]
    if e.J.shape[0] > 1 or some.sum() < 4 or not np.array_equal(e.some, nonzero(e.B)):
        return None
    x, ratio = e.x.ravel()[some], (e.J / np.where(nonzero(e.B), e.B, 1))[0][some]
    with np.errstate(all="ignore"):
        names = [name for name, slope in INNER.items() if same(ratio, slope(x), 1e-4)]
    return f"the slope of {names[0]} is missing, through which the input goes" if names else None


def penalty(e: Evidence) -> Says:
    """Of a loss: what is too much or too little is a multiple of the input itself, here and elsewhere."""
    if e.J.shape[0] > 1 or e.other is None or e.away is None or e.x.size < 3 or not e.x.any():
        return None
    c = look.constant_ratio((e.B - e.J)[0], e.x.ravel())
    there = look.constant_ratio((e.other[1] - e.other[0])[0], e.away)
    if c is None or there is None or not np.isclose(c, there, rtol=1e-3):
        return None
    return f"off by {c:.4g} times {e.name} itself: a term such as a penalty is weighted otherwise, or missing"


def one_use(e: Evidence) -> Says:
    """A parameter that is used twice, in one place linearly: the gradient is that of one of the uses."""
    if e.elementwise or e.f is None or e.x.ndim < 2 or e.x.shape[0] == (*e.y_shape, 0)[0] or not e.x.any():
        return None
    x = e.x.ravel()
    rest = e.y - e.f(np.zeros(x.size))
    if not np.isfinite(rest).all() or not nonzero(e.B).any() or not rest.any() or same(e.J @ x, rest, 1e-4):
        return None
    alone, missing = same(e.B @ x, rest), same((e.J - e.B) @ x, rest)
    scale_free = np.max(abs(e.J @ x)) < 1e-6 * np.max(abs(rest))
    if scale_free or not (alone or missing):
        return None
    which = "the last, which is linear" if alone else "another than the last, which is linear"
    return f"{e.name} is used more than once, and this is the gradient of one use: {which}"


def of_one_output(e: Evidence) -> Says:
    if e.J.shape[0] == 1 and not (nonzero(e.B) & ~e.some).any() and not mixed(e):
        return "every element is off by a factor of its own"
    return None


def of_a_mixture(e: Evidence) -> Says:
    """One number, made of all inputs together: there is no slope of one alone."""
    return "the difference has no simple form" if e.J.shape[0] == 1 and mixed(e) else None


def mixed(e: Evidence) -> bool:
    """Does the derivative by one input move with another one?"""
    x = e.x.ravel().copy()
    x[0] += 0.25 * (1 + abs(x[0]))
    there = e.at(x) if x.size > 1 else None
    return there is not None and not same(there[:, 1:], e.J[:, 1:], 1e-4)


def anything_dense(e: Evidence) -> Says:
    return "the difference has no simple form" if not e.elementwise else None
