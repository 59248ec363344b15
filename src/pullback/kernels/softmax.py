"""softmax and softmin, along any axis: a row, or a block of places, is read, raised and scaled in the cache."""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.lent import lent, returned
from pullback.kernels.places import (
    PIECE,
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
from pullback.kernels.rows import SHARE, beside, largest_of, raised, room, scaled, shares_of_infinity
from pullback.kernels.threads import parallel

f = np.float32


def takes(rule, x):
    return type(rule).__name__ in ("Softmax", "Softmin") and 0 not in x.shape


@part
def rows(lo, hi, x, y, sign):
    scratch = room(x.shape[1])
    e = lent(scratch)
    top = largest_of(x[lo], sign)
    for i in range(lo, hi):
        row, ahead, total = x[i], x[min(i + 1, hi - 1)], np.nan
        if abs(top) < f(np.inf):
            total, top = raised(row, sign, top, e, ahead, -1)
        else:
            top = largest_of(ahead, sign)
        if total != total:  # inf and nan
            total = shares_of_infinity(row, sign, e)
        scaled(e, f(1.0 / (1.0 if total == 0 else total)), y[i])
    returned(scratch)


@part
def pulled_rows(lo, hi, gy, y, gx, sign):
    for i in range(lo, hi):
        g, p, out = gy[i], y[i], gx[i]
        likeliest = f(0)  # the g of a p that outweighs all others: it is taken away first, or would take their digits
        for j in range(g.size):
            likeliest += g[j] if p[j] > f(0.5) else f(0)
        mean = f(0)
        for j in range(g.size):
            mean += p[j] * (g[j] - likeliest)
        for j in range(g.size):
            out[j] = sign * p[j] * beside(g[j], likeliest, mean)


@part
def places(lo, hi, x, y, sign, examples, classes, after):
    most = wide(classes)
    rooms = np.empty((classes + 4) * most, f), np.empty(most)
    scratch, totals = lent(rooms)
    for job in range(lo, hi):
        first, last = block(job, examples, classes, after)
        count, n = last - first, whole(last - first)
        z, v = scratch[: classes * n].reshape((classes, n)), scratch[classes * n : (classes + 4) * n].reshape((4, n))
        top, some, ones, scale, total = v[0], v[1], v[2], v[3], totals[:n]
        bring(x, first, count, after, z)
        if sign < f(0):
            turn_signs(z)
        highest(z, top)
        raise_all(z, top, False, some, ones, total)
        for s in range(n):
            total[s] += np.float64(ones[s])
        for s in range(count):
            if total[s] != total[s]:  # inf and nan
                total[s] = share_infinity(x[start(first + s, classes, after) :], after, sign, z[:, s])
        for s in range(n):
            scale[s] = f(1.0 / (1.0 if total[s] == 0.0 else total[s]))
        take(z, scale, first, count, after, y)
    returned(rooms)


@part
def turn_signs(z):
    for k in range(z.shape[0]):
        line = z[k]
        for s in range(line.size):
            line[s] = -line[s]


@part
def pulled_places(lo, hi, gy, y, gx, sign, examples, classes, after):
    most = wide(classes)
    rooms = np.empty((2 * classes + 4) * most, f)
    scratch = lent(rooms)
    for job in range(lo, hi):
        first, last = block(job, examples, classes, after)
        count, n = last - first, whole(last - first)
        lines = scratch[: (2 * classes + 4) * n].reshape((2 * classes + 4, n))
        g, p, v = lines[:classes], lines[classes : 2 * classes], lines[2 * classes :]
        likeliest, some, mean, scale = v[0], v[1], v[2], v[3]
        bring(gy, first, count, after, g)
        bring(y, first, count, after, p)
        for s in range(n):
            likeliest[s], mean[s], scale[s] = f(0), f(0), sign
        for k in range(classes):
            meet_likeliest(g[k], p[k], likeliest)
        for begin in range(0, classes, PIECE):
            for s in range(n):
                some[s] = f(0)
            for k in range(begin, min(begin + PIECE, classes)):
                meet_mean(g[k], p[k], likeliest, some)
            for s in range(n):
                mean[s] += some[s]
        for k in range(classes):
            pull_line(g[k], p[k], likeliest, mean)
        take(g, scale, first, count, after, gx)
    returned(rooms)


@part
def meet_likeliest(g, p, likeliest):
    """The g of a p that outweighs all others."""
    for s in range(g.size):
        likeliest[s] = g[s] if p[s] > f(0.5) else likeliest[s]


@part
def meet_mean(g, p, likeliest, mean):
    for s in range(g.size):
        mean[s] += p[s] * (g[s] - likeliest[s])


@part
def pull_line(g, p, likeliest, mean):
    for s in range(g.size):
        g[s] = p[s] * beside(g[s], likeliest[s], mean[s])


@kernel
def fill(x, y, sign):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y, sign))


@kernel
def fill_places(x, y, sign):
    given = x.reshape(x.size), y.reshape(y.size), sign, *x.shape
    parallel(places, blocks(*x.shape), chunk(x.shape[1]), given)


@kernel
def pull(gy, y, gx, sign):
    parallel(pulled_rows, gy.shape[0], max(1, SHARE // gy.shape[1]), (gy, y, gx, sign))


@kernel
def pull_places(gy, y, gx, sign):
    given = gy.reshape(gy.size), y.reshape(y.size), gx.reshape(gx.size), sign, *gy.shape
    parallel(pulled_places, blocks(*gy.shape), chunk(gy.shape[1]), given)


def forward(rule, x):
    last = turned(x, rule.axis)
    z = seen(x, rule.axis, last)
    out, y = like(z, x, rule.axis, last)
    if short(z):
        fill_places(z, out, sign_of(rule))
    else:
        fill(z[:, :, 0], out[:, :, 0], sign_of(rule))
    return y, (y,)


def vjp(rule, gy, y):
    last = turned(y, rule.axis)
    g, p = (seen(a, rule.axis, last) for a in (gy, y))
    out, gx = like(p, y, rule.axis, last)
    if short(p):
        pull_places(g, p, out, sign_of(rule))
    else:
        pull(g[:, :, 0], p[:, :, 0], out[:, :, 0], sign_of(rule))
    return gx


def sign_of(rule):
    return f(-1) if type(rule).__name__ == "Softmin" else f(1)
