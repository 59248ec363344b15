"""rnn and its scan."""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import add, copy, copy_rows, multiply, rectified, steps_of, tanhs, tanhs_and_slopes
from pullback.kernels.compiled import kernel, part
from pullback.kernels.lent import lent, returned
from pullback.kernels.recurrent import (
    DEEP,
    add_outer,
    block,
    flat,
    methods,
    packed,
    parts,
    path_of,
    row_like,
    rows_together,
    steps_flat,
    sums_for,
    takes,
    times,
    total,
    widened,
)  # fmt: skip
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD

__all__ = ["forward", "takes", "vjp"]


def climb(cell, x, h, w, u, bw, bu):
    z, h, relu = empty((*x.shape[:-1], len(u))), path_of(h, len(x)), cell.nonlinearity == "relu"
    climb_all(packed(w.T), packed(u.T), widened(bw + bu), *map(steps_flat, (x, z, h)), relu, rows_together(h))
    at_kink = cell.f.slope(np.zeros(1, np.float32))[0] if relu else np.float32(0)
    return (h,), (x, h, w, u, z, relu, at_kink)


def descend(cell, gy, gh, x, h, w, u, z, relu, at_kink):
    gx, first_h, gw, gu, gb = empty(x.shape), empty(gh.shape), sums_for(h, w), sums_for(h, u), parts(h, len(u))
    states = *map(steps_flat, (gy, x, h, z, gx)), flat(gh), flat(first_h)
    descend_all(packed(plain(w)), packed(plain(u)), *states, gw, gu, gb, relu, at_kink, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, total(gw, w), total(gu, u), gb, gb.copy()


@part
def climb_rows(lo, hi, w, u, bias, x, z, h, relu, tall):
    m = z.shape[2]
    own = block(tall, m)
    before = lent(own)
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        for t in range(len(z)):
            times(x[t, first:last], w, before, bias, 0)
            times(h[t, first:last], u, before, bias[:0], ADD)
            for row in range(first, last):
                copy(before[row - first], z[t, row])
                if relu:
                    rectified(before[row - first, :m], h[t + 1, row])
                else:
                    tanhs(before[row - first, :m], h[t + 1, row])
    returned(own)


@part
def descend_rows(lo, hi, w, u, gy, x, h, z, gx, gh, first_h, gw, gu, gb, relu, at_kink, tall):
    m, n = z.shape[2], x.shape[2]
    deep = max(1, DEEP // tall)  # steps
    own = (
        block(deep * tall, m), block(deep * tall, n), block(deep * tall, m),
        block(tall, n), block(tall, m), row_like(z), row_like(z),
    )  # fmt: skip
    gz, of_x, of_h, left, back, y, slope = lent(own)
    of_x[:], of_h[:] = 0, 0
    for first in range(lo, hi, tall):
        last, this = min(first + tall, hi), first // tall
        rows, filled = last - first, 0
        copy_rows(gh[first:last], back[:rows, :m])
        for t in range(len(z) - 1, -1, -1):
            for row in range(rows):
                at = first + row
                if relu:
                    steps_of(z[t, at], at_kink, slope)
                else:
                    tanhs_and_slopes(z[t, at], y, slope)
                add(gy[t, at], back[row, :m])
                multiply(back[row, :m], slope, gz[filled + row, :m])
                add(gz[filled + row, :m], gb[this])
                copy(x[t, at], of_x[filled + row, :n])
                copy(h[t, at], of_h[filled + row, :m])
            now = gz[filled : filled + rows, :m]
            times(now, w, left, slope[:0], 0)
            times(now, u, back, slope[:0], 0)
            copy_rows(left, gx[t, first:last])
            filled += rows
            if filled + rows > deep * tall or t == 0:
                add_outer(gz, of_x, filled, gw[this])
                add_outer(gz, of_h, filled, gu[this])
                filled = 0
        copy_rows(back, first_h[first:last])
    returned(own)


@kernel
def climb_all(w, u, bias, x, z, h, relu, tall):
    parallel(climb_rows, z.shape[1], tall, (w, u, bias, x, z, h, relu, tall))


@kernel
def descend_all(w, u, gy, x, h, z, gx, gh, first_h, gw, gu, gb, relu, at_kink, tall):
    given = w, u, gy, x, h, z, gx, gh, first_h, gw, gu, gb, relu, at_kink, tall
    parallel(descend_rows, z.shape[1], tall, given)


forward, vjp = methods(climb, descend)
