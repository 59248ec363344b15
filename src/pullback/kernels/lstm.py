"""lstm and its scan. Gates stand in blocks, as in PyTorch: i f g o."""

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import (
    add,
    multiply,
    multiply3_add,
    multiply_add,
    scale,
    sigmoids,
    sigmoids_and_slopes,
    tanhs,
    tanhs_and_slopes,
)  # fmt: skip
from pullback.kernels.compiled import kernel, part
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
    times,
    total,
    widened,
)  # fmt: skip
from pullback.kernels.recurrent import takes as takes_any
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD


def takes(rule, x, *rest):
    return takes_any(rule, x) and not rule.proj_size


def climb(cell, x, h, c, w, u, bw, bu):
    z, h, c = empty((*x.shape[:-1], len(u))), path_of(h, len(x)), path_of(c, len(x))
    climb_all(packed(w.T), packed(u.T), widened(bw + bu), *map(steps_flat, (x, z, h, c)), rows_together(h))
    return (h, c), (x, h, c, w, u, z)


def descend(cell, gy, gh, gc, x, h, c, w, u, z):
    gx, first_h, first_c = empty(x.shape), empty(gh.shape), empty(gc.shape)
    gw, gu, gb = sums_for(h, w), sums_for(h, u), parts(h, len(u))
    states = *map(steps_flat, (gy, x, h, c, z, gx)), *map(flat, (gh, gc, first_h, first_c))
    descend_all(packed(plain(w)), packed(plain(u)), *states, gw, gu, gb, rows_together(h))
    gb = gb.sum(0)
    return gx, first_h, first_c, total(gw, w), total(gu, u), gb, gb.copy()


@part
def opened(z, gates):
    m = z.size // 4
    sigmoids(z[: 2 * m], gates[: 2 * m])
    tanhs(z[2 * m : 3 * m], gates[2 * m : 3 * m])
    sigmoids(z[3 * m :], gates[3 * m :])


@part
def opened_with_slopes(z, gates, slopes):
    m = z.size // 4
    sigmoids_and_slopes(z[: 2 * m], gates[: 2 * m], slopes[: 2 * m])
    tanhs_and_slopes(z[2 * m : 3 * m], gates[2 * m : 3 * m], slopes[2 * m : 3 * m])
    sigmoids_and_slopes(z[3 * m :], gates[3 * m :], slopes[3 * m :])


@part
def climb_rows(lo, hi, w, u, bias, x, z, h, c, tall):
    steps, m = len(z), h.shape[2]
    before, gates, r = block(tall, 4 * m), row_like(z), row_like(h)
    for first in range(lo, hi, tall):
        last = min(first + tall, hi)
        for t in range(steps):
            times(x[t, first:last], w, before, bias, 0)
            times(h[t, first:last], u, before, bias[:0], ADD)
            for row in range(first, last):
                z[t, row] = before[row - first, : 4 * m]
                opened(before[row - first, : 4 * m], gates)
                new = c[t + 1, row]
                multiply(gates[m : 2 * m], c[t, row], new)
                multiply_add(gates[:m], gates[2 * m : 3 * m], new)
                tanhs(new, r)
                multiply(gates[3 * m :], r, h[t + 1, row])


@part
def descend_rows(lo, hi, w, u, gy, x, h, c, z, gx, gh, gc, first_h, first_c, gw, gu, gb, tall):
    steps, m, n = len(z), h.shape[2], x.shape[2]
    deep = max(1, DEEP // tall)  # steps
    gz, of_x, of_h = block(deep * tall, 4 * m), block(deep * tall, n), block(deep * tall, m)
    of_x[:], of_h[:] = 0, 0
    left, back, memory = block(tall, n), block(tall, m), block(tall, m)
    gates, slopes, r, slope = row_like(z), row_like(z), row_like(c), row_like(c)
    for first in range(lo, hi, tall):
        last, this = min(first + tall, hi), first // tall
        rows, filled = last - first, 0
        for row in range(rows):
            back[row, :m], memory[row, :m] = gh[first + row], gc[first + row]
        for t in range(steps - 1, -1, -1):
            for row in range(rows):
                at = first + row
                out, shown, gm = gz[filled + row, : 4 * m], back[row, :m], memory[row, :m]
                opened_with_slopes(z[t, at], gates, slopes)
                tanhs_and_slopes(c[t + 1, at], r, slope)
                add(gy[t, at], shown)
                multiply3_add(shown, gates[3 * m :], slope, gm)  # through h = o tanh(c) as well
                multiply(gm, gates[2 * m : 3 * m], out[:m])
                multiply(gm, c[t, at], out[m : 2 * m])
                multiply(gm, gates[:m], out[2 * m : 3 * m])
                multiply(shown, r, out[3 * m :])
                scale(slopes, out)
                scale(gates[m : 2 * m], gm)
                add(out, gb[this])
                of_x[filled + row, :n], of_h[filled + row, :m] = x[t, at], h[t, at]
            now = gz[filled : filled + rows, : 4 * m]
            times(now, w, left, slope[:0], 0)
            times(now, u, back, slope[:0], 0)
            gx[t, first:last] = left[:rows, :n]
            filled += rows
            if filled + rows > deep * tall or t == 0:
                add_outer(gz, of_x, filled, gw[this])
                add_outer(gz, of_h, filled, gu[this])
                filled = 0
        for row in range(rows):
            first_h[first + row], first_c[first + row] = back[row, :m], memory[row, :m]


@kernel
def climb_all(w, u, bias, x, z, h, c, tall):
    parallel(climb_rows, z.shape[1], tall, (w, u, bias, x, z, h, c, tall))


@kernel
def descend_all(w, u, gy, x, h, c, z, gx, gh, gc, first_h, first_c, gw, gu, gb, tall):
    given = w, u, gy, x, h, c, z, gx, gh, gc, first_h, first_c, gw, gu, gb, tall
    parallel(descend_rows, z.shape[1], tall, given)


forward, vjp = methods(climb, descend)
