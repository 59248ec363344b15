"""Cross-entropy of scores and classes: the scores are read once, and the gradient is written once.

Images, and rows of few classes, are taken many places at a time (`class_places.py`). Of others, a row is read into
the cache, raised, summed and scaled while it is there; a long one in the place of its gradient. What the loss is
reduced to needs no waiting for: its gradient for gy = 1 is computed with it, and handed out when somebody asks for it.
Any other is computed anew from the scores, which is what is kept.
"""

from contextlib import suppress

import numpy as np

from pullback.kernels import class_places
from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import larger
from pullback.kernels.lent import lent, returned
from pullback.kernels.machine import prefetch_to_write
from pullback.kernels.past import LARGE, scaled_past, stored
from pullback.kernels.places import like, seen, short, turned
from pullback.kernels.rows import LONG, SHARE, largest_of, raised, room, scaled, scaled_in_place, shares_of_infinity
from pullback.kernels.threads import parallel
from pullback.kernels.tile import WIDTH, address

f = np.float32
MANY = 1 << 18  # elements of a chunk where there are plenty
NONE = np.empty((0, 0, 1), f)
LINE = 16  # floats of a cache line
FAR = 1 << 18 if WIDTH == 8 else LARGE  # elements of a gradient that the second cache does not hold: seen on Zen 3


def takes(rule, x, t, w):
    return type(rule).__name__ == "ClassCrossEntropy" and 0 not in x.shape


@part
def ask_for(row):
    """Its lines come while there is something else to do: they will be written all at once."""
    for j in range(0, row.size, LINE):
        prefetch_to_write(address(row) + 4 * j)


@part
def rows(lo, hi, x, t, w, left_out, g, losses, gx):
    """Losses of some rows; unless gx is empty, their gradients, times g. Where either is 0, a row does not count."""
    scratch, long, past = room(x.shape[1]), x.shape[1] >= LONG, gx.size >= LARGE
    alone = gx.size and long and not past
    far = gx.size >= FAR and not (long or past)
    spare = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        e = gx[i] if alone else spare
        row, own, most, ahead = x[i], t[i], top, x[min(i + 1, hi - 1)]
        early, late = (ahead[:0], ahead) if long and past else (ahead, ahead[:0])  # when this row is raised, or stored
        share = 0.0 if own == left_out else np.float64(w[own])
        now = share * g[i if g.size > 1 else 0]
        if now == 0:
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
        losses[i] *= share
        if gx.size:
            e[own] = f(-rest)
            scale = f(now / total)
            if past:
                top = larger(scaled_past(e, scale, gx[i], late), top)
            elif alone:
                scaled_in_place(e, scale)
            else:
                scaled(e, scale, gx[i])
    stored()
    returned(scratch)


@kernel
def over(x, t, w, left_out, g, losses, gx):
    chunk = MANY if x.size > 64 * MANY else SHARE
    parallel(rows, x.shape[0], max(1, chunk // x.shape[1]), (x, t, w, left_out, g, losses, gx))


def forward(rule, x, t, w):
    n = weight(rule, t, w) if rule.reduction == "mean" else 1
    losses, gx = work(rule, x, t, w, 1 / n, rule.reduction != "none")
    if rule.reduction == "none":
        return losses.astype(f).reshape(t.shape), (x, t, w, n, [])
    return f(losses.sum() / n), (x, t, w, n, [gx])


def vjp(rule, gy, x, t, w, n, ready):
    if gy.ndim == 0 and gy == 1:
        with suppress(IndexError):  # none is ready, or another thread was faster
            return ready.pop()  # whoever gets it may write to it
    return work(rule, x, t, w, rule.spread(gy.astype(float), n))[1]


def saved(rule, x, t, w, n, ready):
    return rule.forward(x, t, w)[1]


def weight(rule, t, w):
    """What the targets weigh together; 1 if it is nothing."""
    counted = t != rule.ignore_index
    alike = w.strides == (0,) and w[0] == 1
    return float(np.count_nonzero(counted) if alike else w[t[counted]].sum(dtype=float)) or 1


def work(rule, x, t, w, g, sloped=True):
    """The losses, place by place; and, if they are asked for, their gradients times g."""
    last = turned(x, rule.axis)
    z = seen(x, rule.axis, last)
    out, gx = like(z, x, rule.axis, last) if sloped else (NONE, None)
    losses = empty((t.size,), float)
    t, w, g = np.ascontiguousarray(t, np.int64).reshape(-1), plain(w), np.ascontiguousarray(g, float).reshape(-1)
    given = t, w, rule.ignore_index, g, losses
    if short(z):
        class_places.over(z, *given, out)
    else:
        over(z[:, :, 0], *given, out[:, :, 0])
    return losses, gx
