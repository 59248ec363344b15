"""gru and its scan. Gates stand in blocks, as in PyTorch: r z n; the reset acts behind the weights.

Kept are the pre-activations of r, z and n, the last one with what the reset left of the state's part vn, and vn.
"""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import (
    add,
    copy,
    copy_rows,
    mixed,
    mixing,
    multiply,
    multiply3,
    multiply_add,
    opened,
    scale,
    sigmoids,
    sigmoids_and_slopes,
    tanhs,
    tanhs_and_slopes,
)  # fmt: skip
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

__all__ = ["forward", "takes", "vjp"]


def climb(cell, x, h, w, u, bw, bu):
    z, vn, h = empty((*x.shape[:-1], len(u))), empty((*x.shape[:-1], u.shape[1])), path_of(h, len(x))
    biases = widened(bw), widened(bu)
    climb_all(packed(w.T), packed(u.T), *biases, *map(steps_flat, (x, z, vn, h)), rows_together(h))
    return (h,), (x, h, w, u, z, vn)


def descend(cell, gy, gh, x, h, w, u, z, vn):
    m, gx, first_h = u.shape[1], empty(x.shape), empty(gh.shape)
    gw, gu, gb = sums_for(h, w), sums_for(h, u), parts(h, 4 * m)
    states = *map(steps_flat, (gy, x, h, z, vn, gx)), flat(gh), flat(first_h)
    descend_all(packed(plain(w)), packed(plain(u)), *states, gw, gu, gb, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, total(gw, w), total(gu, u), gb[: 3 * m].copy(), np.concatenate((gb[: 2 * m], gb[3 * m :]))


@part
def climb_rows(lo, hi, w, u, bw, bu, x, z, vn, h, tall):
    m = vn.shape[2]
    own = block(tall, 3 * m), block(tall, 3 * m), row_like(h), row_like(h), row_like(h)
    of_x, of_h, open, stays, new = lent(own)
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        for t in range(len(z)):
            times(x[t, first:last], w, of_x, bw, 0)
            times(h[t, first:last], u, of_h, bu, 0)
            for row in range(first, last):
                a, v = of_x[row - first, : 3 * m], of_h[row - first, : 3 * m]
                copy(v[2 * m :], vn[t, row])
                add(v[: 2 * m], a[: 2 * m])
                sigmoids(a[:m], open)
                sigmoids(a[m : 2 * m], stays)
                multiply_add(open, v[2 * m :], a[2 * m :])
                tanhs(a[2 * m :], new)
                copy(a, z[t, row])
                mixed(new, stays, h[t, row], h[t + 1, row])
    returned(own)


@part
def descend_rows(lo, hi, w, u, gy, x, h, z, vn, gx, gh, first_h, gw, gu, gb, tall):
    m, n = vn.shape[2], x.shape[2]
    deep = max(1, DEEP // tall)  # steps
    own = (
        block(deep * tall, 3 * m), block(deep * tall, 3 * m), block(deep * tall, n), block(deep * tall, m),
        block(tall, n), block(tall, m), block(tall, m),
    )  # fmt: skip
    ga, gv, of_x, of_h, left, back, state = lent(own)
    lines = row_like(h), row_like(h), row_like(h), row_like(h), row_like(h), row_like(h)
    open, slope, stays, fresh, new, bend = lent(lines)
    of_x[:], of_h[:] = 0, 0
    for first in range(lo, hi, tall):
        last, this = min(first + tall, hi), first // tall
        rows, filled = last - first, 0
        copy_rows(gh[first:last], state[:rows, :m])
        for t in range(len(z) - 1, -1, -1):
            for row in range(rows):
                at = first + row
                g, before, a, v = state[row, :m], z[t, at], ga[filled + row, : 3 * m], gv[filled + row, : 3 * m]
                sigmoids_and_slopes(before[:m], open, slope)
                opened(before[m : 2 * m], stays, fresh)
                tanhs_and_slopes(before[2 * m :], new, bend)
                add(gy[t, at], g)
                multiply3(g, fresh, bend, a[2 * m :])
                mixing(g, h[t, at], new, stays, fresh, a[m : 2 * m])
                multiply3(a[2 * m :], vn[t, at], slope, a[:m])
                copy(a, v[: 2 * m])
                multiply(a[2 * m :], open, v[2 * m :])
                scale(stays, g)
                add(a, gb[this, : 3 * m])
                add(v[2 * m :], gb[this, 3 * m :])
                copy(x[t, at], of_x[filled + row, :n])
                copy(h[t, at], of_h[filled + row, :m])
            times(ga[filled : filled + rows, : 3 * m], w, left, slope[:0], 0)
            times(gv[filled : filled + rows, : 3 * m], u, back, slope[:0], 0)
            copy_rows(left, gx[t, first:last])
            for row in range(rows):
                add(back[row, :m], state[row, :m])
            filled += rows
            if filled + rows > deep * tall or t == 0:
                add_outer(ga, of_x, filled, gw[this])
                add_outer(gv, of_h, filled, gu[this])
                filled = 0
        copy_rows(state, first_h[first:last])
    returned(own)
    returned(lines)


@kernel
def climb_all(w, u, bw, bu, x, z, vn, h, tall):
    parallel(climb_rows, z.shape[1], tall, (w, u, bw, bu, x, z, vn, h, tall))


@kernel
def descend_all(w, u, gy, x, h, z, vn, gx, gh, first_h, gw, gu, gb, tall):
    parallel(descend_rows, z.shape[1], tall, (w, u, gy, x, h, z, vn, gx, gh, first_h, gw, gu, gb, tall))


forward, vjp = methods(climb, descend)
