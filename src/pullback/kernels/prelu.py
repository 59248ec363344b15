"""PReLU, with both gradients from one pass: plane by plane, or in rows that have a slope for each place.

Rows are what memory holds where channels are last, and what short planes are put together to.
"""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.batch_norm import channels_last
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel

f = np.float32
SHORT = 64  # pixels of a plane that is better a piece of a row
SHARE = 1 << 14  # elements that are worth a chunk of their own
CHUNKS = 64  # whose sums for gw are added up in the end


def takes(rule, x, w):
    return 0 not in x.shape


@part
def value(x, slope):
    above, below = f(0) if x < f(0) else x, f(0) if x >= f(0) else x  # nan is both
    return above + slope * below


@part
def share(x, g):
    return np.float64(g * (f(0) if x >= f(0) else x))


@part
def pulled(x, g, slope, at_zero):
    return (slope if x < f(0) else at_zero if x == f(0) else f(1)) * g


@part
def planes(lo, hi, x, w, y):
    for i in range(lo, hi):
        row, out, slope = x[i], y[i], w[i % w.size]
        for j in range(row.size):
            out[j] = value(row[j], slope)


@part
def pulled_planes(lo, hi, gy, x, w, at_zero, gx, sums, step):
    for i in range(lo, hi):
        c, total = i % w.size, 0.0
        g, row, out, slope, middle = gy[i], x[i], gx[i], w[c], at_zero[c]
        for j in range(row.size):
            out[j] = pulled(row[j], g[j], slope, middle)
            total += share(row[j], g[j])
        sums[i // step, c] += total


@part
def rows(lo, hi, x, w, y):
    for i in range(lo, hi):
        row, out = x[i], y[i]
        for j in range(row.size):
            out[j] = value(row[j], w[j])


@part
def pulled_rows(lo, hi, gy, x, w, at_zero, gx, sums, step):
    for i in range(lo, hi):
        g, row, out, total = gy[i], x[i], gx[i], sums[i // step]
        for j in range(row.size):
            out[j] = pulled(row[j], g[j], w[j], at_zero[j])
        for j in range(row.size):
            total[j] += share(row[j], g[j])


@kernel
def fill_planes(x, w, y, step):
    parallel(planes, x.shape[0], step, (x, w, y))


@kernel
def pull_planes(gy, x, w, at_zero, gx, sums, step):
    parallel(pulled_planes, x.shape[0], step, (gy, x, w, at_zero, gx, sums, step))


@kernel
def fill_rows(x, w, y, step):
    parallel(rows, x.shape[0], step, (x, w, y))


@kernel
def pull_rows(gy, x, w, at_zero, gx, sums, step):
    parallel(pulled_rows, x.shape[0], step, (gy, x, w, at_zero, gx, sums, step))


def forward(rule, x, w):
    z, back, shape, times, step = seen(x)
    y = empty(z.shape)
    fill = fill_rows if times else fill_planes
    fill(z.reshape(shape), table(w, x, times), y.reshape(shape), step)
    return back(y), (x, w)


def vjp(rule, gy, x, w):
    z, back, shape, times, step = seen(x)
    g = gy if back is same else np.moveaxis(gy, 1, -1)
    gx, slopes = empty(z.shape), table(w, x, times)
    at_zero = table(np.ones_like(w) if rule.kink == "right" else rule.at_zero(w), x, times)
    sums = np.zeros((-(-shape[0] // step), slopes.size))
    pull = pull_rows if times else pull_planes
    pull(plain(g).reshape(shape), z.reshape(shape), slopes, at_zero, gx.reshape(shape), sums, step)
    gw = sums.reshape(len(sums), x.shape[1], -1).sum((0, 2))
    return back(gx), (gw if w.size == gw.size else gw.sum(keepdims=True)).astype(f)


def seen(x):
    """x as it lies in memory and the way back; the shape for the kernels, how many pixels of a channel lie beside each
    other in a row (0: rows are planes), and how many rows make a chunk."""
    n, c = x.shape[:2]
    z, back, d = channels_last(x), behind, x.size // (n * c)
    if z is not None:
        shape, times = (n * d, c), 1
    else:
        z, back = plain(x), same
        shape, times = ((n, c * d), d) if d < SHORT else ((n * c, d), 0)
    return z, back, shape, times, max(1, SHARE // shape[1], -(-shape[0] // CHUNKS))


def same(y):
    return y


def behind(y):
    return np.moveaxis(y, -1, 1)


def table(w, x, times):
    """A slope for every channel, or for every place in a row."""
    return np.repeat(np.broadcast_to(w, x.shape[1]), times or 1)
