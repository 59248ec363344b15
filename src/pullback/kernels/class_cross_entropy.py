"""Cross-entropy of scores and classes: the scores are read once, and the gradient is written once.

A row is read into the cache, raised, summed and scaled while it is there; a long one in the place of its gradient. What
the loss is reduced to needs no waiting for: its gradient for gy = 1 is computed with it, and handed out when somebody
asks for it. Any other is computed anew from the scores, which is what is kept.
"""

from contextlib import suppress

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import larger
from pullback.kernels.lent import lent, returned
from pullback.kernels.machine import prefetch_to_write
from pullback.kernels.past import LARGE, scaled_past, stored
from pullback.kernels.rows import LONG, SHARE, largest_of, raised, room, scaled, scaled_in_place, shares_of_infinity
from pullback.kernels.threads import parallel
from pullback.kernels.tile import WIDTH, address

f = np.float32
MANY = 1 << 18  # elements of a chunk where there are plenty
NONE = np.empty((0, 0), f)
LINE = 16  # floats of a cache line
FAR = 1 << 18 if WIDTH == 8 else LARGE  # elements of a gradient that the second cache does not hold: seen on Zen 3


def takes(rule, x, t, w):
    """Classes along the last axis."""
    return type(rule).__name__ == "ClassCrossEntropy" and rule.axis in (-1, len(x.shape) - 1) and 0 not in x.shape


@part
def ask_for(row):
    """Its lines come while there is something else to do: they will be written all at once."""
    for j in range(0, row.size, LINE):
        prefetch_to_write(address(row) + 4 * j)


@part
def rows(lo, hi, x, t, g, losses, gx):
    """Losses of some rows; unless gx is empty, their gradients, times g. Where g is 0, a row does not count."""
    scratch, long, past = room(x.shape[1]), x.shape[1] >= LONG, gx.size >= LARGE
    alone = gx.size and long and not past
    far = gx.size >= FAR and not (long or past)
    spare = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        e = gx[i] if alone else spare
        row, own, most, ahead = x[i], t[i], top, x[min(i + 1, hi - 1)]
        early, late = (ahead[:0], ahead) if long and past else (ahead, ahead[:0])  # when this row is raised, or stored
        if g[i] == 0:
            losses[i] = 0.0
            gx[i if gx.size else 0 :][:1] = f(0)
            top = largest_of(ahead, f(1))
            continue
        rest, right, total = 0.0, np.nan, np.nan
        if abs(most) < f(np.inf):
            logit = np.float64(row[own] - most)
            if far:
                ask_for(gx[i])
            rest, top = raised(row, f(1), most, e, early, own)
            right = np.exp(logit)
            losses[i] = np.log1p(rest) if logit == 0 else np.log1p((rest - 1.0) + right) - logit
            total = rest + right
        else:
            top = largest_of(early, f(1))
        if total != total:  # inf and nan
            total = shares_of_infinity(row, f(1), e)
            found = row[own] == np.inf
            rest = total - 1.0 if found else max(total, 1.0)
            losses[i] = np.log(total) if found else np.inf if total == total else np.nan
            total = max(total, 1.0) if total == total else total
        if gx.size:
            e[own] = f(-rest)
            scale = f(np.float64(g[i]) / total)
            if past:
                top = larger(scaled_past(e, scale, gx[i], late), top)
            elif alone:
                scaled_in_place(e, scale)
            else:
                scaled(e, scale, gx[i])
    stored()
    returned(scratch)


@kernel
def over(x, t, g, losses, gx):
    chunk = MANY if x.size > 64 * MANY else SHARE
    parallel(rows, x.shape[0], max(1, chunk // x.shape[1]), (x, t, g, losses, gx))


def forward(rule, x, t, w):
    counted = t != rule.ignore_index
    share = (
        counted.astype(f) if w.strides == (0,) and w[0] == 1 else np.where(counted, w[np.where(counted, t, 0)], f(0))
    )
    n = share.sum() or f(1)
    ready = [] if rule.reduction == "none" else [empty(x.shape)]
    g = share / n if rule.reduction == "mean" else share
    losses = work(x, t, g, ready[0] if ready else NONE)
    losses *= share.reshape(-1)
    y = losses.astype(f).reshape(t.shape) if rule.reduction == "none" else f(losses.sum())
    return (y / n if rule.reduction == "mean" else y), (x, t, w, g, ready)


def vjp(rule, gy, x, t, w, g, ready):
    if gy.ndim == 0 and gy == 1:
        with suppress(IndexError):  # none is ready, or another thread was faster
            return ready.pop()  # whoever gets it may write to it
    gx = empty(x.shape)
    work(x, t, g * gy, gx)
    return gx


def saved(rule, x, t, w, g, ready):
    return rule.forward(x, t, w)[1]


def work(x, t, g, gx):
    """The losses, row by row; gx, if it is not empty, gets their gradients times g."""
    c = x.shape[-1]
    losses = np.empty(t.size)
    g, t = np.ascontiguousarray(g).reshape(-1), np.ascontiguousarray(t, np.int64).reshape(-1)
    over(plain(x).reshape(-1, c), t, g, losses, gx.reshape(-1, c) if gx.size else gx)
    return losses
