"""Normalisation of rows: what shares its statistics lies in one row, which is read once and stays in the cache.

The mean is subtracted in two parts, `mean` and `rest`: the first is what float32 makes of it, the second the mean of
what is left then. w and b have an element for each of a row; where they repeat (a number per channel), they are spelled
out, and where rows of several groups take turns, w and b have a row for each.

Memory is asked for the next row while results are written: it would rest otherwise. Kept are the inputs, and mean and r
for each row. u is computed again.
"""

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import exact
from pullback.kernels.machine import prefetch
from pullback.kernels.threads import parallel
from pullback.kernels.tile import address

f = np.float32
SHARE = 1 << 15  # elements that are worth a chunk of their own
PIECE = 1 << 12  # elements that are summed up in float32
FEW = 32  # elements of a row whose gradient is computed in float64
STRETCH = 256  # elements that are written before memory is asked for more
CHUNKS = 64  # whose sums for gw and gb are added up in the end


@exact
def centred_at(x, mean, rest):
    return (x - mean) - rest  # in this order


@part(fastmath=False, forceinline=True)
def product(w, g):
    return w * g  # rounded, never fused with what it is added to: the same wherever it stands


@part
def moments(x, centred):
    """mean, rest and the variance; of what is not centred 0, 0 and the mean square."""
    mean = rest = square = 0.0
    if centred:
        for start in range(0, x.size, PIECE):
            now = x[start : start + PIECE]
            some = f(0)
            for j in range(now.size):
                some += now[j]
            mean += some
    first = f(mean / x.size)
    for start in range(0, x.size, PIECE):
        now = x[start : start + PIECE]
        some, more = f(0), f(0)
        for j in range(now.size):
            z = now[j] - first
            some += z
            more += z * z
        rest += some
        square += more
    square /= x.size
    if not centred:
        return first, 0.0, square
    rest /= x.size
    return first, rest, max(square - rest * rest, 0.0) if square == square else square


@part
def ask_for(row, start):
    """Let memory bring a stretch of a row that comes next: its own foresight ends with a page."""
    for k in range(start, min(start + STRETCH, row.size), 16):
        prefetch(address(row) + 4 * k)


@part
def standardised(x, w, b, out, mean, rest, r):
    for j in range(out.size):
        out[j] = centred_at(x[j], mean, rest) * r * w[j] + b[j]


@part
def rows(lo, hi, x, w, b, y, statistics, eps, centred):
    for i in range(lo, hi):
        row, out, ahead = x[i], y[i], x[min(i + 1, hi - 1)]
        scale, shift = w[i % w.shape[0]], b[i % w.shape[0]]
        mean, rest, var = moments(row, centred)
        r = 1.0 / np.sqrt(var + eps)
        statistics[i, 0], statistics[i, 1], statistics[i, 2] = mean, rest, r
        rest, r = f(rest), f(r)
        if row.size < STRETCH:
            standardised(row, scale, shift, out, mean, rest, r)
            continue
        for start in range(0, row.size, STRETCH):
            here = slice(start, start + STRETCH)
            ask_for(ahead, start)
            standardised(row[here], scale[here], shift[here], out[here], mean, rest, r)


@intrinsic
def in_kind_of(typing, one, x):
    """x, a float64, as `one` is."""
    single = one == types.float32
    return one(one, types.float64), lambda c, b, s, a: b.fptrunc(a[1], ir.FloatType()) if single else a[1]


@part
def pulled(g, x, w, out, mean, rest, r, away, slope, one):
    for j in range(out.size):
        u = centred_at(one * x[j], mean, rest) * r
        out[j] = r * (product(one * w[j], one * g[j]) - (away + u * slope))


@part
def pulled_row(g, row, g_ahead, ahead, scale, out, mean, rest, r, centred, one):
    """In the precision of `one`: of a few elements, what is left of gy may be nothing but rounding."""
    straight = along = 0.0
    for start in range(0, row.size, PIECE):
        now, x_now, w_now = g[start : start + PIECE], row[start : start + PIECE], scale[start : start + PIECE]
        some = more = one - one
        for j in range(now.size):
            gu = product(one * w_now[j], one * now[j])
            some += gu
            more += gu * centred_at(one * x_now[j], mean, rest) * r
        straight += some
        along += more
    away, slope = in_kind_of(one, straight / row.size if centred else 0.0), in_kind_of(one, along / row.size)
    if row.size < STRETCH:
        pulled(g, row, scale, out, mean, rest, r, away, slope, one)
        return
    for start in range(0, row.size, STRETCH):
        here = slice(start, start + STRETCH)
        ask_for(ahead, start)
        ask_for(g_ahead, start)
        pulled(g[here], row[here], scale[here], out[here], mean, rest, r, away, slope, one)


@part
def pulled_rows(lo, hi, gy, x, w, statistics, gx, gw, gb, step, repeats, centred):
    """gw and gb collect the sums of each chunk of `step` rows, and of what is repeated."""
    for i in range(lo, hi):
        g, row, out = gy[i], x[i], gx[i]
        g_ahead, ahead = gy[min(i + 1, hi - 1)], x[min(i + 1, hi - 1)]
        group = i % w.shape[0]
        scale, sum_w, sum_b = w[group], gw[i // step, group], gb[i // step, group]
        mean, rest, r = f(statistics[i, 0]), f(statistics[i, 1]), f(statistics[i, 2])
        if row.size > FEW:
            pulled_row(g, row, g_ahead, ahead, scale, out, mean, rest, r, centred, f(1))
        else:
            wide = statistics[i]
            pulled_row(g, row, g_ahead, ahead, scale, out, wide[0], wide[1], wide[2], centred, 1.0)
        if repeats == 1:
            for j in range(row.size):
                sum_w[j] += g[j] * centred_at(row[j], mean, rest) * r
                sum_b[j] += g[j]
            continue
        for c in range(sum_w.size):
            now, x_now = g[c * repeats : (c + 1) * repeats], row[c * repeats : (c + 1) * repeats]
            some, more = f(0), f(0)
            for j in range(now.size):
                some += now[j]
                more += now[j] * centred_at(x_now[j], mean, rest) * r
            sum_w[c] += more
            sum_b[c] += some


@kernel
def fill(x, w, b, y, statistics, eps, centred):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, w, b, y, statistics, eps, centred))


@kernel
def pull(gy, x, w, statistics, gx, gw, gb, step, repeats, centred):
    parallel(pulled_rows, x.shape[0], step, (gy, x, w, statistics, gx, gw, gb, step, repeats, centred))


def standardise(x, w, b, rows, eps, centred=True):
    """y in the shape of x, and the statistics; `rows` of x, w and b as 2-d arrays."""
    y = empty(x.shape)
    statistics = np.empty((rows[0], 3))
    fill(plain(x).reshape(rows), w, b, y.reshape(rows), statistics, eps, centred)
    return y, statistics


def gradients(gy, x, w, statistics, rows, repeats=1, centred=True):
    """gx in the shape of x, and gw and gb, where what is repeated is one."""
    gx = empty(x.shape)
    step = max(1, SHARE // rows[1], -(-rows[0] // CHUNKS))
    sums = empty((2, -(-rows[0] // step), len(w), rows[1] // repeats))
    sums.fill(0)
    pull(
        plain(gy).reshape(rows), plain(x).reshape(rows), w, statistics, gx.reshape(rows), *sums, step, repeats, centred
    )
    return gx, *sums.sum(1, dtype=float).astype(f)
