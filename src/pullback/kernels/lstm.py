"""lstm and its scan. Gates stand in blocks, as in PyTorch: i f g o.

The rows [x h] of every step are kept: with the weights side by side, one product serves both, on either way. So is z,
what the way back needs of the pre-activations: of g itself, of the other gates e^-z.
"""

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.lstm_lanes import UNITS, back, forth, show
from pullback.kernels.recurrent import (
    DEEP,
    LINE,
    add_parts,
    add_steps,
    block,
    flat,
    joined,
    methods,
    packed,
    path_of,
    rows_together,
    stands,
    steps_flat,
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
    h, c, wu, flat_x = path_of(h, len(x)), path_of(c, len(x)), joined(w, u), steps_flat(x)
    xh, z = (stands(len(x) + extra, flat_x.shape[1], n) for extra, n in ((1, wu.shape[1]), (0, len(wu))))
    climb_all(packed(wu.T), widened(bw + bu), flat_x, xh, z, *map(steps_flat, (h, c)), rows_together(h))
    return (h, c), (x, h, c, w, u, wu, xh, z)


def descend(cell, gy, gh, gc, x, h, c, w, u, wu, xh, z):
    gx, first_h, first_c, gw, gu = empty(x.shape), gh.copy(), gc.copy(), empty(w.shape), empty(u.shape)
    sums = sums_of_parts(h, *wu.shape)
    gb = np.zeros((len(sums), len(wu)), np.float32)
    states = *map(steps_flat, (gy, c, gx)), flat(first_h), flat(first_c)
    descend_all(packed(wu), xh, z, *states, sums, gb, gw, gu, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, first_c, gw, gu, gb, gb.copy()


@part
def climb_rows(lo, hi, wu, bias, x, xh, z, h, c, tall):
    n, m = x.shape[2], h.shape[2]
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        xh[0, first:last, n : n + m] = h[0, first:last]
        for t in range(len(x)):
            xh[t, first:last, :n] = x[t, first:last]
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
    gz, left = np.empty((deep * tall, wide(4 * m) + LINE), np.float32), block(tall, n + m)
    for first in range(lo, hi, tall):
        last, this, flags, filled = min(first + tall, hi), first // tall, 0, 0
        rows, total = last - first, address(gb[first // tall])
        for t in range(len(gy) - 1, -1, -1):
            now = gz[filled * rows : (filled + 1) * rows]
            for row in range(rows):
                at = first + row
                before, old, new, out = address(z[t, at]), address(c[t, at]), address(c[t + 1, at]), address(now[row])
                come, pulled, memory = address(gy[t, at]), address(gh[at]), address(gc[at])
                for j in range(0, 4 * m, 4 * UNITS):
                    back(
                        m - j // 4, before + j, 4 * m, old + j, new + j, come + j, pulled + j, memory + j, out + j,
                        total + j,
                    )  # fmt: skip
            times(now[:, : 4 * m], wu, left, left[0, :0], 0)
            gx[t, first:last] = left[:rows, :n]
            gh[first:last] = left[:rows, n : n + m]
            filled += 1
            if filled == deep or t == 0:
                last_x = xh[t + filled - 1, first:last]
                add_steps(gz, rows, last_x, -xh.strides[0], filled, sums[this], flags)
                flags, filled = ADD, 0


@kernel
def climb_all(wu, bias, x, xh, z, h, c, tall):
    parallel(climb_rows, z.shape[1], tall, (wu, bias, x, xh, z, h, c, tall))


@kernel
def descend_all(wu, xh, z, gy, c, gx, gh, gc, sums, gb, gw, gu, tall):
    parallel(descend_rows, z.shape[1], tall, (wu, xh, z, gy, c, gx, gh, gc, sums, gb, tall))
    parallel(add_parts, len(gw), 64, (sums, gw, gu))


forward, vjp = methods(climb, descend)
