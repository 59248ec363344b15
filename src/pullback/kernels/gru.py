"""gru and its scan. Gates stand in blocks, as in PyTorch: r z n; the reset acts behind the weights.

Here the blocks of a step are n r z v, where v is what the state gives to n: so those that x makes are neighbours,
n r z, and those that h makes, r z v. The rows [x h] of every step are kept, and what the way back needs of the
pre-activations a: that of n with what the reset left of v, e^-a of r and z, and v.
"""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import copy, copy_rows
from pullback.kernels.compiled import kernel, part
from pullback.kernels.gru_lanes import UNITS, back, forth, show
from pullback.kernels.recurrent import (
    DEEP,
    LINE,
    add_steps,
    add_up,
    block,
    fetch,
    flat,
    methods,
    packed,
    path_of,
    rows_together,
    stands,
    steps_flat,
    sums_of_parts,
    takes,
    times,
    wide,
    widened,
)  # fmt: skip
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, address

__all__ = ["forward", "takes", "vjp"]


def climb(cell, x, h, w, u, bw, bu):
    m, h, flat_x = u.shape[1], path_of(h, len(x)), steps_flat(x)
    (steps, batch, n), whole, gates = flat_x.shape, m + -m % COLUMNS, 2 * m
    xh, a = stands(steps + 1, batch, n + whole), stands(steps, batch, 3 * m + whole)
    bias = bw.copy()
    bias[:gates] += bu[:gates]
    biases = widened(first_n(bias)), widened(bu[gates:])
    weights = packed(first_n(w).T), packed(u[:gates].T), packed(u[gates:].T)
    climb_all(*weights, *biases, flat_x, xh, a, steps_flat(h), rows_together(h))
    return (h,), (x, h, w, u, xh, a)


def descend(cell, gy, gh, x, h, w, u, xh, a):
    m, gx, first_h, gw, gu = u.shape[1], empty(x.shape), gh.copy(), empty(w.shape), empty(u.shape)
    sums = sums_of_parts(h, 3 * m, w.shape[1]), sums_of_parts(h, 3 * m, m)
    gb = np.zeros((len(sums[0]), 4 * m), np.float32)
    states = *map(steps_flat, (gy, gx)), flat(first_h)
    descend_all(packed(first_n(w)), packed(plain(u)), xh, a, *states, *sums, gb, gw, gu, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, gw, gu, np.concatenate((gb[m : 3 * m], gb[:m])), gb[m:].copy()


def first_n(w):
    """The blocks r z n as n r z."""
    m = len(w) // 3
    return np.concatenate((w[2 * m :], w[: 2 * m]))


@part
def climb_rows(lo, hi, w, gates, u, bias, bias_v, x, xh, a, h, tall):
    n, m = x.shape[2], h.shape[2]
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        xh[0, first:last, n : n + m] = h[0, first:last]
        for t in range(len(x)):
            for row in range(first, last):
                copy(x[t, row], xh[t, row, :n])
            times(xh[t, first:last], w, a[t, first:last], bias, 0)  # what columns it fills up the next ones overwrite
            times(xh[t, first:last, n:], gates, a[t, first:last, m:], bias[:0], ADD)
            times(xh[t, first:last, n:], u, a[t, first:last, 3 * m :], bias_v, 0)
            for row in range(first, last):
                now, old, new = address(a[t, row]), address(h[t, row]), address(h[t + 1, row])
                again = address(xh[t + 1, row]) + 4 * n
                for j in range(0, 4 * m, 4 * UNITS):
                    forth(m - j // 4, now + j, 4 * m, new + j)
                for j in range(0, 4 * m, 4 * UNITS):
                    show(m - j // 4, now + j, old + j, new + j, again + j)


@part
def descend_rows(lo, hi, w, u, xh, a, gy, gx, gh, gw, gu, gb, tall):
    n, m, deep = gx.shape[2], gh.shape[1], max(1, DEEP // tall)  # steps
    ga, left, state = np.empty((deep * tall, wide(4 * m) + LINE), np.float32), block(tall, n), block(tall, m)
    for first in range(lo, hi, tall):
        last, this, flags, filled = min(first + tall, hi), first // tall, 0, 0
        rows, total = last - first, address(gb[first // tall])
        copy_rows(gh[first:last], state[:rows, :m])
        for t in range(len(gy) - 1, -1, -1):
            now = ga[filled * rows : (filled + 1) * rows]
            for row in range(rows):
                at = first + row
                before, old, come = address(a[t, at]), address(xh[t, at]) + 4 * n, address(gy[t, at])
                pulled, out = address(state[row]), address(now[row])
                if t:
                    fetch(a[t - 1, at])
                    fetch(gy[t - 1, at])
                    fetch(xh[t - 1, at])
                for j in range(0, 4 * m, 4 * UNITS):
                    back(m - j // 4, before + j, 4 * m, old + j, come + j, pulled + j, out + j, total + j)
            times(now, w, left, gh[0, :0], 0)
            times(now[:, m:], u, state, gh[0, :0], ADD)
            copy_rows(left[:rows], gx[t, first:last])
            filled += 1
            if filled == deep or t == 0:
                of_x = xh[t + filled - 1, first:last]
                add_steps(ga, rows, of_x, -xh.strides[0], filled, gw[this], flags)
                add_steps(ga[:, m:], rows, of_x[:, n:], -xh.strides[0], filled, gu[this], flags)
                flags, filled = ADD, 0
        copy_rows(state, gh[first:last])


@kernel
def climb_all(w, gates, u, bias, bias_v, x, xh, a, h, tall):
    parallel(climb_rows, x.shape[1], tall, (w, gates, u, bias, bias_v, x, xh, a, h, tall))


@kernel
def descend_all(w, u, xh, a, gy, gx, gh, of_w, of_u, gb, gw, gu, tall):
    parallel(descend_rows, gy.shape[1], tall, (w, u, xh, a, gy, gx, gh, of_w, of_u, gb, tall))
    parallel(add_up, len(gw), 64, (of_w, gw, 2 * u.shape[1] // 3))
    parallel(add_up, len(gu), 64, (of_u, gu, 0))


forward, vjp = methods(climb, descend)
