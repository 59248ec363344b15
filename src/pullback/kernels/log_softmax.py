"""log_softmax along any axis: the largest score counts as log1p of the others, exact as they vanish."""

import numpy as np

from pullback.kernels.arrays import back, last, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import exact, halved
from pullback.kernels.lent import lent, returned
from pullback.kernels.rows import SHARE, largest_of, log_of_sum, raised, room, shares_of_infinity
from pullback.kernels.threads import parallel

f = np.float32


def takes(rule, x):
    return 0 not in x.shape


@part
def rows(lo, hi, x, y):
    scratch = room(x.shape[1])
    e = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        row, ahead, most, rest = x[i], x[min(i + 1, hi - 1)], top, np.nan
        if abs(top) < f(np.inf):
            total, top = raised(row, f(1), most, e, ahead, -1)
            rest = log_of_sum(e) if total == total else np.nan
        else:
            top = largest_of(ahead, f(1))
        if rest == rest:
            lowered(row, most, f(rest), f(rest - f(rest)), y[i])
        else:  # inf and nan
            ones_for_infinity(row, e, y[i])
    returned(scratch)


@part
def ones_for_infinity(row, e, out):
    total = shares_of_infinity(row, f(1), e)
    for j in range(row.size):
        out[j] = f(-np.log(total)) if e[j] == 1 or total != total else f(-np.inf)


@exact
def lowered(x, top, rest, more, out):
    """x - top - rest, where rest is given in two parts."""
    for j in range(x.size):
        out[j] = ((x[j] - top) - rest) - more


@part(fastmath={"contract", "nsz", "reassoc"})
def pulled_rows(lo, hi, gy, y, gx):
    for i in range(lo, hi):
        g, now, out = gy[i], y[i], gx[i]
        total = 0.0
        for j in range(g.size):
            total += np.float64(g[j])
        for j in range(g.size):
            power, q = halved(np.float64(now[j]))
            p, lack = power + power * q, -((power - 1.0) + power * q)  # gy - p Σ gy, where 1 - p is exact
            out[j] = f(np.float64(g[j]) * lack - p * (total - np.float64(g[j])))


@kernel
def fill(x, y):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y))


@kernel
def pull(gy, y, gx):
    parallel(pulled_rows, gy.shape[0], max(1, SHARE // gy.shape[1]), (gy, y, gx))


def forward(rule, x):
    x = last(x, rule.axis)
    y = empty(x.shape)
    rows = (-1, x.shape[-1])
    fill(plain(x).reshape(rows), y.reshape(rows))
    y = back(y, rule.axis)
    return y, (y,)


def vjp(rule, gy, y):
    gy, y = last(gy, rule.axis), last(y, rule.axis)
    gx = empty(y.shape)
    rows = (-1, y.shape[-1])
    pull(plain(gy).reshape(rows), plain(y).reshape(rows), gx.reshape(rows))
    return back(gx, rule.axis)
