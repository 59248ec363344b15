"""logsumexp along one axis, with the probabilities that its derivatives need."""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import log1p
from pullback.kernels.lent import lent, returned
from pullback.kernels.places import (
    block,
    blocks,
    bring,
    chunk,
    highest,
    like,
    raise_all,
    seen,
    share_infinity,
    short,
    start,
    take,
    turned,
    whole,
    wide,
)  # fmt: skip
from pullback.kernels.rows import SHARE, largest_of, log_of_sum, raised, room, scaled, shares_of_infinity
from pullback.kernels.threads import parallel

f = np.float32


def takes(rule, x):
    return len(rule.axes) == 1 and 0 not in x.shape


@part
def rows(lo, hi, x, y, p):
    scratch = room(x.shape[1])
    e = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        row, ahead, total, most = x[i], x[min(i + 1, hi - 1)], np.nan, top
        if abs(top) < f(np.inf):
            total, top = raised(row, f(1), most, e, ahead, -1)
            y[i] = f(np.float64(most) + log_of_sum(e))
        else:
            top = largest_of(ahead, f(1))
        if total != total:  # inf and nan
            total = shares_of_infinity(row, f(1), e)
            y[i] = of_infinity(total)
        scaled(e, f(1.0 / (1.0 if total == 0 else total)), p[i])
    returned(scratch)


@part
def places(lo, hi, x, y, p, examples, classes, after):
    most = wide(classes)
    rooms = np.empty((classes + 4) * most, f), np.empty(most)
    scratch, totals = lent(rooms)
    for job in range(lo, hi):
        first, last = block(job, examples, classes, after)
        count, n = last - first, whole(last - first)
        lines, total = scratch[: (classes + 4) * n].reshape((classes + 4, n)), totals[:n]
        z, v = lines[:classes], lines[classes:]
        top, some, ones, scale = v[0], v[1], v[2], v[3]
        bring(x, first, count, after, z)
        highest(z, top)
        raise_all(z, top, False, some, ones, total)
        for s in range(count):
            y[first + s] = f(np.float64(top[s]) + log1p(total[s] + (np.float64(ones[s]) - 1.0)))
        for s in range(n):
            total[s] += np.float64(ones[s])
        for s in range(count):
            if total[s] != total[s]:  # inf and nan
                total[s] = share_infinity(x[start(first + s, classes, after) :], after, f(1), z[:, s])
                y[first + s] = of_infinity(total[s])
        for s in range(n):
            scale[s] = f(1.0 / (1.0 if total[s] == 0.0 else total[s]))
        take(z, scale, first, count, after, p)
    returned(rooms)


@part
def of_infinity(total):
    return f(np.nan) if total != total else f(np.inf) if total > 0 else f(-np.inf)


@kernel
def fill(x, y, p):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y, p))


@kernel
def fill_places(x, y, p):
    parallel(places, blocks(*x.shape), chunk(x.shape[1]), (x.reshape(x.size), y, p.reshape(p.size), *x.shape))


def forward(rule, x):
    axis = rule.axes[0] % x.ndim
    last = turned(x, axis)
    z = seen(x, axis, last)
    out, p = like(z, x, axis, last)
    y = np.empty(x.size // x.shape[axis], f)
    if short(z):
        fill_places(z, y, out)
    else:
        fill(z[:, :, 0], y, out[:, :, 0])
    y = y.reshape(x.shape[:axis] + x.shape[axis + 1 :])
    return (np.expand_dims(y, rule.axis) if rule.keepdims else y), (p,)
