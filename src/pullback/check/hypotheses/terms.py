"""Of the terms of a derivative, one is missing, or there is one too many."""

from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import NOTHING_SIMPLE, Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


def diagonal_only(e: Evidence) -> Says:
    """The direct path alone: what goes through a mean, a variance, a sum of exponentials is missing."""
    square = e.J.shape[0] == e.J.shape[1] and not e.elementwise and look.elementwise(e.B)
    if square and (nonzero(e.J).mean() > 0.2 or e.x.shape == e.y_shape and same(np.diag(e.B), np.diag(e.J))):
        return "every output is taken to depend on its own input alone"
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


def where_an_index_repeats(e: Evidence) -> Says:
    """Of several terms of one number some are lost."""
    if e.elementwise or (nonzero(e.B) & ~e.some).any():
        return None
    wrong = np.asarray((~e.equal).any(0)).reshape(e.x.shape)
    for name, a in e.partners.items():
        index = a.ravel().astype(int) if a.dtype.kind in "iu" else np.array([-1])
        for axis, n in enumerate(e.x.shape):
            count = np.bincount(index, minlength=n) if 0 <= index.min() and index.max() < n else np.zeros(n)
            there = np.moveaxis(wrong, axis, 0).reshape(n, -1).any(1)
            if (count == 1).any() and np.array_equal(there, count > 1):
                return f"wrong where a number repeats in {name}, along axis {axis}, and right elsewhere: written over"
    return None


def sum_over_all(e: Evidence) -> Says:
    """Right within each group of numbers, and what is too much between them is a product, as of a sum over all."""
    extra = nonzero(e.B) & ~e.some
    if not e.beyond or e.elementwise or extra.sum() <= sum(e.J.shape):
        return None
    rows, columns = np.nonzero(extra)
    M = np.zeros((len(rows), sum(e.J.shape)))
    M[np.arange(len(rows)), rows] = M[np.arange(len(rows)), e.J.shape[0] + columns] = 1
    logs = np.log(abs(e.B[extra]))
    gap = M @ np.linalg.lstsq(M, logs, rcond=1e-9)[0] - logs
    product = np.max(abs(gap)) < 1e-5 and np.ptp(logs) > 1e-3
    return (
        "right within each group, and between groups there is a product: a sum over all for one by groups"
        if product
        else None
    )


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
    if e.elementwise or (nonzero(e.B) & ~e.some).any() or not e.some.any():
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


def examples_not_read(e: Evidence) -> Says:
    """All elements of some examples, or what a single number is not made of. What is merely looked up, as in a table,
    an index reads."""
    extra = np.asarray(nonzero(e.B).any(0) & ~e.some.any(0)).reshape(e.x.shape)
    rows = extra.reshape(len(extra), -1) if e.x.ndim > 1 else np.zeros((0, 0), bool)
    whole = e.x.ndim > 1 and np.array_equal(rows.any(1), rows.all(1))
    return never_read(e) if (whole or len(e.J) == 1) and not e.fixed else None


def never_read(e: Evidence) -> Says:
    """All that is wrong is that elements get a gradient which have none at all."""
    extra = nonzero(e.B).any(0) & ~e.some.any(0)
    if e.elementwise or not extra.any() or not e.equal[:, ~extra].all() or not e.some.any():
        return None
    return "elements that do not take part get a gradient, and all others are right: an index to ignore, or a mask"


def own_upstream(e: Evidence) -> Says:
    """What comes from above is read at each element's own place."""
    several = not e.elementwise and (e.some.sum(0) > 1).any()
    if not several or not look.elementwise(e.B) or not same(np.diag(e.B), e.J.sum(0)) or not e.B.any():
        return None
    return "each element gets its own place's gradient from above, times what it does to all: right if these are alike"


def parallel(e: Evidence) -> Says:
    """The path through a norm, or another number that is made of them all."""
    if e.elementwise or not e.x.ndim or e.x.shape[-1] < 3:
        return None
    of_the_same = {name: y for name, y in e.results.items() if y.shape in (e.x.shape, e.x.shape[-1:])}
    right, missing = (M.reshape(-1, *e.x.shape) for M in (e.J, e.J - e.B))
    for name, lines in {e.name or "x": e.x, **of_the_same}.items():
        length = np.linalg.norm(lines, axis=-1, keepdims=True)
        unit = lines / np.where(length > 0, length, 1)
        along = lambda M, unit=unit: (M * unit).sum(-1, keepdims=True) * unit
        if same(along(missing), missing) and not same(along(right), right):
            return f"what is missing is, row by row, a multiple of {name}: what goes through a norm of it, or a sum"
    return None


def future_seen(e: Evidence) -> Says:
    """Forward looks back only, along some axis; backward lets everything act on everything."""
    for a, b in product(range(e.x.ndim), range(len(e.y_shape))):
        J, B = (look.blocks(M, e.x.shape, e.y_shape, a, b) for M in (e.J, e.B))
        if J is not None and B is not None and look.causal(J) and nonzero(J).any((1, 3)).sum() > len(J):
            T, acts = range(len(J)), np.asarray(nonzero(B).any((1, 3)))
            both_ways = acts[nonzero(J).any((1, 3))].all() and all(acts[t, s] for t in T for s in T if s > t)
            if len(J) > 2 and both_ways:
                return "later places act on earlier ones, which forward does not let them: a causal mask is forgotten"
    return None


def other_triangle(e: Evidence) -> Says:
    """Where no steps of time are: of a triangular matrix, or of a running sum."""
    for a, b in product(range(e.x.ndim), range(len(e.y_shape))):
        J, B = (look.blocks(M, e.x.shape, e.y_shape, a, b) for M in (e.J, e.B))
        back = B is not None and look.causal(B.transpose(2, 1, 0, 3)) and not look.causal(B)
        if back and J is not None and look.causal(J) and not e.in_time:
            return (
                "later places act on earlier ones, and not the reverse: a triangular matrix stands the wrong way round"
            )
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
    """The gradient from above belongs to examples, and is multiplied in along another axis of their number; or it is
    summed over other axes than the input was handed to."""
    pairs = list(product(range(len(e.y_shape)), range(e.x.ndim)))
    apart = lambda M, a, b: look.apart(M, e.x.shape, e.y_shape, b, a)
    own = [pair for pair in pairs if apart(e.J, *pair) and not apart(e.B, *pair)]
    other = [pair for pair in pairs if apart(e.B, *pair) and not apart(e.J, *pair)]
    name = e.name or "x"
    for (a, b), (c, d) in product(own, other) if not e.elementwise else ():
        if a == c:
            return f"the gradient from above runs along axis {d} of {name}, and belongs to axis {b}"
        if b == d:
            return f"axis {c} of the output is kept for axis {b} of {name}, and the others are summed: it should be {a}"
    return None


def coupled(e: Evidence) -> Says:
    """Examples (channels, rows) that the layer keeps apart: a sum or a mean of backward runs over them too."""
    if e.elementwise or not (away := coupled_axes(e)):
        return None
    return f"numbers along axis {away[0]} act on each other, which forward keeps apart: summed over the wrong axes"


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
    scale_free = np.max(abs(e.J @ x)) < 1e-2 * np.max(abs(rest))  # but for an eps
    if scale_free or not (alone or missing):
        return None
    which = "the last, which is linear" if alone else "another than the last, which is linear"
    return f"{e.name} is used more than once, and this is the gradient of one use: {which}"


def of_one_output_in_part(e: Evidence) -> Says:
    """A factor that is wrong leaves nothing at zero; a term that is lost may."""
    says = of_one_output(e) if e.silent else None
    return f"some elements get nothing, and others are off: {NOTHING_SIMPLE}" if says else None


def of_one_output(e: Evidence) -> Says:
    if e.J.shape[0] == 1 and not (nonzero(e.B) & ~e.some).any() and not mixed(e):
        return f"every element is off by a factor of its own: {NOTHING_SIMPLE}"
    return None


def of_a_mixture(e: Evidence) -> Says:
    """One number, made of all inputs together: there is no slope of one alone."""
    return NOTHING_SIMPLE if e.J.shape[0] == 1 and mixed(e) else None


def mixed(e: Evidence) -> bool:
    """Does the derivative by one input move with another one?"""
    x = e.x.ravel().copy()
    x[0] += 0.25 * (1 + abs(x[0]))
    there = e.at(x) if x.size > 1 else None
    return there is not None and not same(there[:, 1:], e.J[:, 1:], 1e-4)


def anything_dense(e: Evidence) -> Says:
    return NOTHING_SIMPLE if not e.elementwise else None
