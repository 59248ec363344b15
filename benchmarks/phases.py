"""Where the time of an lstm goes: each of its phases alone, on one thread, against the register tile at its best.

python benchmarks/phases.py            the rows of the table: T, batch, inputs, units
python benchmarks/phases.py 64 32 64 128

Processor time, the least of many runs: what others do on the machine counts little.
"""

import sys
import time

import numpy as np
import roofline

import pullback as pb
from pullback.kernels.compiled import kernel
from pullback.kernels.lstm_lanes import UNITS, back, forth, show
from pullback.kernels.recurrent import DEEP, add_steps, packed, stands, times, wide
from pullback.kernels.tile import ADD, COLUMNS, address

TALL, SECONDS = 16, 0.5


@kernel
def product(rows, weights, out, bias):
    for t in range(len(rows)):
        times(rows[t], weights, out[t], bias, 0)


@kernel
def gates(z, c, h):
    m = c.shape[2]
    for t in range(len(z)):
        for row in range(z.shape[1]):
            before, old, new, shown = address(z[t, row]), address(c[t, row]), address(c[t + 1, row]), address(h[t, row])
            for j in range(0, 4 * m, 4 * UNITS):
                forth(m - j // 4, before + j, 4 * m, old + j, new + j, shown + j)
            for j in range(0, 4 * m, 4 * UNITS):
                show(m - j // 4, new + j, shown + j, shown + j)


@kernel
def gates_back(z, c, h, gc, gz, gb):
    m = c.shape[2]
    for t in range(len(z)):
        for row in range(z.shape[1]):
            before, old, new, come = address(z[t, row]), address(c[t, row]), address(c[t + 1, row]), address(h[t, row])
            memory, out, total = address(gc[row]), address(gz[t, row]), address(gb)
            for j in range(0, 4 * m, 4 * UNITS):
                back(
                    m - j // 4, before + j, 4 * m, old + j, new + j, come + j, come + j, memory + j, out + j, total + j
                )


@kernel
def weights(gz, xh, sums, deep):
    for t in range(0, len(gz), deep):
        add_steps(gz[t], gz.shape[1], xh[t], xh.strides[0], min(deep, len(gz) - t), sums, ADD)


def least(work):
    work()
    found, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(found) < 5:
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return max(min(found), 1e-9)  # its clock may not have moved


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def filled(*sizes):
    room = stands(*sizes)
    room[:] = normal(*room.shape)
    return room


def phases(t, batch, n, m):
    steps, rows = t * batch // TALL, TALL  # the parts of the batch one after the other
    wu = normal(4 * m, n + m) / 8
    xh, z, gz = (filled(steps, rows, k) for k in (n + m, 4 * m, 4 * m))
    left, sums, nothing = stands(steps, rows, n + m), np.zeros((4 * m, wide.py_func(n + m)), np.float32), normal(0)
    c, h, gc, gb = normal(steps + 1, rows, m), normal(steps, rows, m), normal(rows, m), normal(4 * m)
    there, again, bias = packed(wu.T), packed(wu), np.pad(normal(4 * m), (0, -4 * m % COLUMNS))
    flops = 2 * t * batch * 4 * m * (n + m)
    yield "product, there", flops, lambda: product(xh, there, z, bias)
    yield "gates, there", 0, lambda: gates(z, c, h)
    yield "gates, back", 0, lambda: gates_back(z, c, h, gc, gz, gb)
    yield "product, back", flops, lambda: product(gz[:, :, : 4 * m], again, left, nothing)
    yield "weights", flops, lambda: weights(gz, xh, sums, DEEP // TALL)


def main(*sizes):
    given, flops = roofline.operands(1)
    peak = flops / least(lambda: roofline.multiply(*given))
    print(f"tile {peak / 1e9:.0f} GFLOP/s; T {sizes[0]}, batch {sizes[1]}, {sizes[2]} to {sizes[3]}")
    for name, flops, work in phases(*sizes):
        seconds = least(work)
        print(f"{name:15} {seconds * 1e6:6.0f} µs" + f"  {flops / seconds / peak:4.0%} of the tile" * bool(flops))


if __name__ == "__main__":
    pb.set_threads(1)
    for sizes in [map(int, sys.argv[1:])] if len(sys.argv) > 1 else [(64, 32, 64, 128), (28, 64, 28, 64)]:
        main(*sizes)
