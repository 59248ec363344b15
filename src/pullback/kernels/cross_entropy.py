"""Cross-entropy of scores and probabilities, or of classes with label smoothing: a row is read once, and all that is
asked of it is found while it is in the cache.

The target of a class is q = w ((1 - smoothing) t + smoothing / C). Where targets are classes, t is a row of zeros, and
what the right class has beside is added at its place. As for classes alone, the gradient for gy = 1 is computed with
what the loss is reduced to, and any other anew from the scores.
"""

from contextlib import suppress

import numpy as np

from pullback.kernels.arrays import back, last, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.lent import lent, returned
from pullback.kernels.rows import PIECE, SHARE, largest_of, log_of_sum, raised, room, shares_of_infinity
from pullback.kernels.threads import parallel

f = np.float32
NONE = np.empty((0, 0), f)
NOBODY, LEFT_OUT = -1, -2  # in the place of a class: t has a probability for each; the row does not count


def takes(rule, x, t, w):
    return 0 not in x.shape


@part
def opened(row, most, e, ahead, spare):
    """Σ e, where e = exp(row - most), and its logarithm; and the largest of the row ahead.

    nan as the logarithm says that there are inf or nan: then `spare` is what stands for the row, and 0 for `most`. It
    is 0 where scores share all of p, and -inf elsewhere.
    """
    total = np.nan
    if abs(most) < f(np.inf):
        total, top = raised(row, f(1), most, e, ahead, -1)
        if total == total:
            return total, log_of_sum(e), top
    else:
        top = largest_of(ahead, f(1))
    total = shares_of_infinity(row, f(1), e)
    for j in range(row.size):
        spare[j] = f(0) if e[j] == 1 else f(np.nan) if total != total else f(-np.inf)
    return total, np.nan, top


@part
def log_of_ties(total):
    """Of the scores that are inf; of none it is 0."""
    return np.log(total) if total > 1 else total - total


@part
def charged(row, top, t, w, kept, even):
    """Σ q and Σ q (top - x), where nothing of an infinite amount is nothing."""
    total = cost = 0.0
    for start in range(0, row.size, PIECE):
        stop = min(start + PIECE, row.size)
        x, t_now, w_now = row[start:stop], t[start:stop], w[start:stop]
        some, more = f(0), f(0)
        for j in range(x.size):
            q = w_now[j] * (kept * t_now[j] + even)
            some += q
            more += f(0) if q == f(0) else q * (top - x[j])
        total += some
        cost += more
    return total, cost


@part
def sloped(e, scale, g, t, w, kept, even, out):
    """g (scale e - q)"""
    for j in range(out.size):
        out[j] = g * (e[j] * scale - w[j] * (kept * t[j] + even))


@part
def balanced(e, out):
    """A class that has most of p gets what the others lack to 0."""
    total = 0.0
    for j in range(out.size):
        total += np.float64(f(0) if e[j] == f(1) else out[j])
    lack = f(-total)
    for j in range(out.size):
        out[j] = lack if e[j] == f(1) else out[j]


@part
def rows(lo, hi, x, t, own, w, kept, even, g, losses, gx):
    """Losses of some rows; unless gx is empty, their gradients, times g."""
    scratch = room(x.shape[1]), np.empty(x.shape[1], f)
    e, spare = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        row, target, most = x[i], t[i % t.shape[0]], top
        if own[i] == LEFT_OUT:
            losses[i], top = 0.0, largest_of(x[min(i + 1, hi - 1)], f(1))
            if gx.size:
                gx[i] = f(0)
            continue
        total, log, top = opened(row, most, e, x[min(i + 1, hi - 1)], spare)
        extra, far = f(0), f(0)
        if own[i] != NOBODY:
            extra = kept * w[own[i]]
            far = most - row[own[i]]
        if log == log:
            charge, cost = charged(row, most, target, w, kept, even)
        else:
            charge, cost = charged(spare, f(0), target, w, kept, even)
            log, total = log_of_ties(total), max(total, 1.0) if total == total else total
            far = -spare[own[i]] if own[i] != NOBODY else f(0)
        charge += extra
        cost += f(0) if extra == f(0) else extra * far
        losses[i] = cost + (0.0 if charge == 0 else charge * log)
        if gx.size:
            scale = f(charge / total)
            sloped(e, scale, g[i], target, w, kept, even, gx[i])
            if own[i] != NOBODY:
                gx[i, own[i]] = g[i] * (e[own[i]] * scale - w[own[i]] * even - extra)
            if total < 2:
                balanced(e, gx[i])
    returned(scratch)


@part
def logarithms(lo, hi, x, w, kept, g, gt):
    """-w kept log p g"""
    scratch = room(x.shape[1]), np.empty(x.shape[1], f)
    e, spare = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        most = top
        total, log, top = opened(x[i], most, e, x[min(i + 1, hi - 1)], spare)
        if g[i] == 0:
            gt[i] = f(0)
        elif log == log:
            pulled_target(x[i], most, f(log), f(log - f(log)), w, kept * g[i], gt[i])
        else:
            log = log_of_ties(total)
            pulled_target(spare, f(0), f(log), f(log - f(log)), w, kept * g[i], gt[i])
    returned(scratch)


@part(fastmath={"contract"})
def pulled_target(row, top, log, more, w, g, out):
    for j in range(out.size):
        out[j] = -w[j] * (((row[j] - top) - log) - more) * g


@kernel
def over(x, t, own, w, kept, even, g, losses, gx):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, t, own, w, kept, even, g, losses, gx))


@kernel
def pull_target(x, w, kept, g, gt):
    parallel(logarithms, x.shape[0], max(1, SHARE // x.shape[1]), (x, w, kept, g, gt))


def forward(rule, x, t, w):
    own, n = counted(rule, x, t, w)
    ready = [] if rule.reduction == "none" else [empty(last(x, rule.axis).shape)]
    losses = work(rule, x, t, own, w, rule.spread(f(1), n), ready[0] if ready else NONE)
    y = losses.reshape(last(x, rule.axis).shape[:-1]).astype(f) if rule.reduction == "none" else losses.sum()
    return (f(y / n) if rule.reduction == "mean" else y if y.shape else f(y)), (x, t, own, w, n, ready)


def vjp(rule, gy, x, t, own, w, n, ready):
    by_target = lambda: target_gradient(rule, gy, x, w, n)
    gx = None
    if gy.ndim == 0 and gy == 1:
        with suppress(IndexError):  # none is ready, or another thread was faster
            gx = ready.pop()  # whoever gets it may write to it
    if gx is None:
        gx = empty(last(x, rule.axis).shape)
        work(rule, x, t, own, w, rule.spread(gy, n), gx)
    gx = back(gx, rule.axis)
    return (gx, by_target) if own[0] == NOBODY else gx


def target_gradient(rule, gy, x, w, n):
    x = last(x, rule.axis)
    gt = empty(x.shape)
    rows = (-1, x.shape[-1])
    pull_target(plain(x).reshape(rows), plain(w), f(rule.kept), every(rule.spread(gy, n), x), gt.reshape(rows))
    return back(gt, rule.axis)


def saved(rule, x, t, own, w, n, ready):
    return rule.forward(x, t, w)[1]


def counted(rule, x, t, w):
    """The class of each row, as the kernel wants it, and what a mean divides by."""
    rows = x.size // x.shape[rule.axis]
    if t.dtype.kind == "f":
        return np.full(rows, NOBODY), f(rows)
    own = np.where(t == rule.ignore_index, LEFT_OUT, t).reshape(-1).astype(np.int64)
    return own, f(w[own[own != LEFT_OUT]].sum(dtype=float)) or f(1)


def every(g, x):
    """g for every row, whatever its shape."""
    return np.ascontiguousarray(np.broadcast_to(g, x.shape[:-1]), f).reshape(-1)


def work(rule, x, t, own, w, g, gx):
    """The losses, row by row; gx, if it is not empty, gets their gradients times g."""
    x = last(x, rule.axis)
    c = x.shape[-1]
    t = plain(last(t, rule.axis)).reshape(-1, c) if own[0] == NOBODY else np.zeros((1, c), f)
    losses, gx = np.empty(own.size), gx.reshape(-1, c) if gx.size else gx
    even = f(rule.label_smoothing / c)
    over(plain(x).reshape(-1, c), t, own, plain(w), f(rule.kept), even, every(g, x), losses, gx)
    return losses
