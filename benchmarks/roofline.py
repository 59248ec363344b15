"""What this machine can do: multiply-adds of the register tile in the first-level cache, and copying through memory."""

import json
import sys
import time

import numpy as np

import pullback as pb
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel
from pullback.kernels.tile import COLUMNS, STRIP, TALLEST, address, tiles, unshifted

DEPTH, TIMES = 256, 20_000
LARGE = 32 << 20  # floats: beyond every cache


@part
def tiles_again(lo, hi, a, b, c):
    table = unshifted()
    for k in range(lo, hi):
        for _ in range(TIMES):
            out = address(c) + k * c.strides[0]
            tiles(TALLEST, address(a), table, 4 * DEPTH, 4, address(b), table, STRIP, 1, DEPTH, out, STRIP, 0, 0)


@kernel
def multiply(a, b, c, threads):
    parallel(tiles_again, threads, 1, (a, b, c))


@part
def copied(lo, hi, x, y):
    for k in range(lo, hi):
        here = slice(k << 15, min((k + 1) << 15, x.size))
        source, target = x[here], y[here]
        for j in range(source.size):
            target[j] = source[j]


@kernel
def copy(x, y):
    parallel(copied, (x.size + (1 << 15) - 1) >> 15, 1, (x, y))


def operands(threads):
    """For `multiply`, and how many operations that will be."""
    ones = lambda *shape: np.ones(shape, np.float32)
    flops = 2 * TALLEST * COLUMNS * DEPTH * TIMES * threads
    return (ones(TALLEST, DEPTH), ones(DEPTH, COLUMNS), ones(threads, TALLEST * COLUMNS), threads), flops


def best(work, times=9):
    work()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main(threads):
    pb.set_threads(threads)
    (given, flops), x, y = operands(threads), np.ones(LARGE, np.float32), np.ones(LARGE, np.float32)
    peak, bandwidth = flops / best(lambda: multiply(*given)), 8 * LARGE / best(lambda: copy(x, y))
    print(json.dumps(dict(flops=peak, bandwidth=bandwidth)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
