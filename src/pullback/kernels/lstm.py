"""lstm and its scan. Gates stand in blocks, as in PyTorch: i f g o.

The rows [x h] of every step are kept: with the weights side by side, one product serves both, on either way. So is z,
what the way back needs of the pre-activations: of g itself, of the other gates e^-z.
"""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import copy
from pullback.kernels.compiled import kernel, part
from pullback.kernels.lstm_lanes import UNITS, back, forth, show
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
    times,
    wide,
    widened,
)  # fmt: skip
from pullback.kernels.recurrent import takes as takes_any
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, address


def takes(rule, x, *rest):
    return takes_any(rule, x, *rest) and not rule.proj_size


def climb(cell, x, h, c, w, u, bw, bu):
    h, c, w, u, flat_x = path_of(h, len(x)), path_of(c, len(x)), plain(w), plain(u), steps_flat(x)
    (gates, n), m, steps, batch = w.shape, u.shape[1], len(x), flat_x.shape[1]
    wu, xh, z = strips_for(n + m, gates), stands(steps + 1, batch, n + m), stands(steps, batch, gates)
    climb_all(w, u, wu, widened(bw + bu), flat_x, xh, z, *map(steps_flat, (h, c)), rows_together(h))
    return (h, c), (x, h, c, w, u, xh, z)


def descend(cell, gy, gh, gc, x, h, c, w, u, xh, z):
    gx, first_h, first_c, gw, gu = empty(x.shape), gh.copy(), gc.copy(), empty(w.shape), empty(u.shape)
    gates, both = len(w), w.shape[1] + u.shape[1]
    sums = sums_of_parts(h, gates, both)
    gb = np.zeros((len(sums), gates), np.float32)
    states = *map(steps_flat, (gy, c, gx)), flat(first_h), flat(first_c)
    descend_all(w, u, strips_for(gates, both), xh, z, *states, sums, gb, gw, gu, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, first_c, gw, gu, gb, gb.copy()


@part
def climb_rows(lo, hi, wu, bias, x, xh, z, h, c, tall):
    n, m = x.shape[2], h.shape[2]
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        xh[0, first:last, n : n + m] = h[0, first:last]
        for t in range(len(x)):
            for row in range(first, last):
                copy(x[t, row], xh[t, row, :n])
            times(xh[t, first:last], wu, z[t, first:last], bias, 0)
            for row in range(first, last):
                before, old, new = address(z[t, row]), address(c[t, row]), address(c[t + 1, row])
                shown, again = address(h[t + 1, row]), address(xh[t + 1, row]) + 4 * n
                for j in range(0, 4 * m, 4 * UNITS):
                    forth(m - j // 4, before + j, 4 * m, old + j, new + j, shown + j)
                for j in range(0, 4 * m, 4 * UNITS):
                    show(m - j // 4, new + j, shown + j, again + j)


@part
def descend_rows(lo, hi, wu, xh, z, gy, c, gx, gh, gc, sums, gb, tall):
    n, m, deep = gx.shape[2], c.shape[2], max(1, DEEP // tall)  # steps
    gz, left = np.empty((deep * tall, wide(4 * m) + LINE), np.float32), block(tall, n + m)  # what is left for x and h
    for first in range(lo, hi, tall):
        last, this, flags, filled = min(first + tall, hi), first // tall, 0, 0
        rows, total = last - first, address(gb[first // tall])
        left[:rows, n : n + m] = gh[first:last]
        for t in range(len(gy) - 1, -1, -1):
            now = gz[filled * rows : (filled + 1) * rows]
            for row in range(rows):
                at = first + row
                before, old, new, out = address(z[t, at]), address(c[t, at]), address(c[t + 1, at]), address(now[row])
                come, pulled, memory = address(gy[t, at]), address(left[row]) + 4 * n, address(gc[at])
                if t:
                    fetch(z[t - 1, at])
                    fetch(c[t - 1, at])
                    fetch(gy[t - 1, at])
                    fetch(xh[t - 1, at])
                for j in range(0, 4 * m, 4 * UNITS):
                    back(
                        m - j // 4, before + j, 4 * m, old + j, new + j, come + j, pulled + j, memory + j, out + j,
                        total + j,
                    )  # fmt: skip
            times(now[:, : 4 * m], wu, left, left[0, :0], 0)
            for row in range(rows):
                copy(left[row, :n], gx[t, first + row])
            filled += 1
            if filled == deep or t == 0:
                last_x = xh[t + filled - 1, first:last]
                add_steps(gz, rows, last_x, -xh.strides[0], filled, sums[this], flags)
                flags, filled = ADD, 0
        gh[first:last] = left[:rows, n : n + m]


@kernel
def climb_all(w, u, wu, bias, x, xh, z, h, c, tall):
    parallel(stand_side_by_side, len(wu), 1, (w, u, wu))
    parallel(climb_rows, z.shape[1], tall, (wu, bias, x, xh, z, h, c, tall))


@kernel
def descend_all(w, u, wu, xh, z, gy, c, gx, gh, gc, sums, gb, gw, gu, tall):
    parallel(lie_side_by_side, len(w), 64, (w, u, wu))
    parallel(descend_rows, z.shape[1], tall, (wu, xh, z, gy, c, gx, gh, gc, sums, gb, tall))
    parallel(add_parts, len(gw), 64, (sums, gw, gu))


forward, vjp = methods(climb, descend)
