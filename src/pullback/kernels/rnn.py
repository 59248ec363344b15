"""rnn and its scan.

The rows [x h] of every step are kept, as in lstm.py, and the slopes of the nonlinearity: the way back needs no more of
the pre-activations, in whose place they stand.
"""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import copy, rectified, steps_of
from pullback.kernels.compiled import kernel, part
from pullback.kernels.recurrent import (
    DEEP,
    LINE,
    add_parts,
    add_steps,
    block,
    fetch,
    flat,
    lie_side_by_side,
    methods,
    path_of,
    rows_together,
    stand_side_by_side,
    stands,
    steps_flat,
    strips_for,
    sums_of_parts,
    takes,
    times,
    wide,
    widened,
)  # fmt: skip
from pullback.kernels.rnn_lanes import UNITS, back, forth
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, address

__all__ = ["forward", "takes", "vjp"]


def climb(cell, x, h, w, u, bw, bu):
    h, w, u, flat_x, relu = path_of(h, len(x)), plain(w), plain(u), steps_flat(x), cell.nonlinearity == "relu"
    (m, n), (steps, batch) = w.shape, flat_x.shape[:2]
    wu, xh, z = strips_for(n + m, m), stands(steps + 1, batch, n + m), stands(steps, batch, m)
    at_kink = cell.f.slope(np.zeros(1, np.float32))[0] if relu else np.float32(0)
    climb_all(w, u, wu, widened(bw + bu), flat_x, xh, z, steps_flat(h), relu, at_kink, rows_together(h))
    return (h,), (x, h, w, u, xh, z)


def descend(cell, gy, gh, x, h, w, u, xh, slopes):
    gx, first_h, gw, gu = empty(x.shape), gh.copy(), empty(w.shape), empty(u.shape)
    m, both = len(w), w.shape[1] + u.shape[1]
    sums = sums_of_parts(h, m, both)
    gb = np.zeros((len(sums), m), np.float32)
    states = *map(steps_flat, (gy, gx)), flat(first_h)
    descend_all(w, u, strips_for(m, both), xh, slopes, *states, sums, gb, gw, gu, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, gw, gu, gb, gb.copy()


@part
def climb_rows(lo, hi, wu, bias, x, xh, z, h, relu, at_kink, tall):
    n, m = x.shape[2], h.shape[2]
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        xh[0, first:last, n : n + m] = h[0, first:last]
        for t in range(len(x)):
            for row in range(first, last):
                copy(x[t, row], xh[t, row, :n])
            times(xh[t, first:last], wu, z[t, first:last], bias, 0)
            for row in range(first, last):
                before, shown, again = address(z[t, row]), address(h[t + 1, row]), address(xh[t + 1, row]) + 4 * n
                if relu:
                    rectified(z[t, row, :m], h[t + 1, row])
                    copy(h[t + 1, row], xh[t + 1, row, n : n + m])
                    steps_of(z[t, row, :m], at_kink, z[t, row, :m])
                else:
                    for j in range(0, 4 * m, 4 * UNITS):
                        forth(m - j // 4, before + j, shown + j, again + j)


@part
def descend_rows(lo, hi, wu, xh, slopes, gy, gx, gh, sums, gb, tall):
    n, m, deep = gx.shape[2], gh.shape[1], max(1, DEEP // tall)  # steps
    gz, left = np.empty((deep * tall, wide(m) + LINE), np.float32), block(tall, n + m)  # what is left for x and h
    for first in range(lo, hi, tall):
        last, this, flags, filled = min(first + tall, hi), first // tall, 0, 0
        rows, total = last - first, address(gb[first // tall])
        left[:rows, n : n + m] = gh[first:last]
        for t in range(len(gy) - 1, -1, -1):
            now = gz[filled * rows : (filled + 1) * rows]
            for row in range(rows):
                at = first + row
                slope, come, pulled = address(slopes[t, at]), address(gy[t, at]), address(left[row]) + 4 * n
                out = address(now[row])
                if t:
                    fetch(slopes[t - 1, at])
                    fetch(gy[t - 1, at])
                    fetch(xh[t - 1, at])
                for j in range(0, 4 * m, 4 * UNITS):
                    back(m - j // 4, slope + j, come + j, pulled + j, out + j, total + j)
            times(now, wu, left, gh[0, :0], 0)
            for row in range(rows):
                copy(left[row], gx[t, first + row])
            filled += 1
            if filled == deep or t == 0:
                last_x = xh[t + filled - 1, first:last]
                add_steps(gz, rows, last_x, -xh.strides[0], filled, sums[this], flags)
                flags, filled = ADD, 0
        gh[first:last] = left[:rows, n : n + m]


@kernel
def climb_all(w, u, wu, bias, x, xh, z, h, relu, at_kink, tall):
    parallel(stand_side_by_side, len(wu), 1, (w, u, wu))
    parallel(climb_rows, x.shape[1], tall, (wu, bias, x, xh, z, h, relu, at_kink, tall))


@kernel
def descend_all(w, u, wu, xh, slopes, gy, gx, gh, sums, gb, gw, gu, tall):
    parallel(lie_side_by_side, len(w), 64, (w, u, wu))
    parallel(descend_rows, gy.shape[1], tall, (wu, xh, slopes, gy, gx, gh, sums, gb, tall))
    parallel(add_parts, len(gw), 64, (sums, gw, gu))


forward, vjp = methods(climb, descend)
