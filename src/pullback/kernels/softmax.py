"""softmax and softmin, along any axis: a row is read, raised and scaled while it is in the cache."""

import numpy as np

from pullback.kernels.arrays import back, last, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.lent import lent, returned
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


@kernel
def fill(x, y, sign):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y, sign))


@kernel
def pull(gy, y, gx, sign):
    parallel(pulled_rows, gy.shape[0], max(1, SHARE // gy.shape[1]), (gy, y, gx, sign))


def forward(rule, x):
    x = last(x, rule.axis)
    y = empty(x.shape)
    rows = (-1, x.shape[-1])
    fill(plain(x).reshape(rows), y.reshape(rows), sign_of(rule))
    y = back(y, rule.axis)
    return y, (y,)


def vjp(rule, gy, y):
    gy, y = last(gy, rule.axis), last(y, rule.axis)
    gx = empty(y.shape)
    rows = (-1, y.shape[-1])
    pull(plain(gy).reshape(rows), plain(y).reshape(rows), gx.reshape(rows), sign_of(rule))
    return back(gx, rule.axis)


def sign_of(rule):
    return f(-1) if type(rule).__name__ == "Softmin" else f(1)
