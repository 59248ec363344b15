"""Convolution by a kernel of 1 × 1 at stride 1: matrix products, whose rows are pixels.

    y = x wᵀ + b,    gx = gy w,    gw = gyᵀ x,    gb = Σ gy        x: [pixels i], y: [pixels o]

Pixels lie evenly in memory, so the tile of matrix products reads and writes them where they are. The first cache holds
all weights, and a tile's pixels go through all of them before the next ones do.
"""

import numpy as np

from pullback.kernels.bands import dense
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.matmul import NONE, pack
from pullback.kernels.pixel_sums import add_pixels
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, TALLEST, WIDTH, address, tiles, unshifted

BLOCK = 16 * TALLEST  # pixels of a job
HELD = 1 << 12  # weights, at most: half of the first cache
SEEN = 1 << 13  # floats of x and y, at most, that a weight gradient adds up at once: all of it
PIECES = 16  # of a weight gradient, at most: they do not depend on the number of threads


def suits(windows, groups, ins, outs):
    """Measured on Zen 3. With 16 lanes the strips of direct.py hold twice as many outputs. More weights than that gain
    nothing: 64 to 256 channels took a sixth longer."""
    whole = ins % COLUMNS == outs % COLUMNS == 0 and ins * outs <= HELD
    return WIDTH == 8 and groups == 1 and whole and dense(windows)


def correlate(x, w, b, y, flags=0):
    """y = x wᵀ + b; x and y are flat."""
    multiply(x, w.reshape(w.shape[:2]).T, NONE if b is None else b, empty((w.size,)), y, flags)


def spread(y, w, b, x):
    """x = y w + b."""
    multiply(y, w.reshape(w.shape[:2]), NONE if b is None else b, empty((w.size,)), x, 0)


def weigh(y, x, shape):
    """gw, which has this shape, and gb."""
    outs, ins = shape[:2]
    unit = SEEN // (ins + outs)
    pieces = min(PIECES, -(-x.size // (ins * unit)))
    sums = empty((pieces, outs, ins)), np.zeros((pieces, outs), np.float32)
    gather(y.reshape(-1, outs), x.reshape(-1, ins), unit, *sums)
    gw, gb = (each.sum(0) for each in sums)
    return gw.reshape(shape), gb


@kernel
def multiply(x, w, b, strips, y, flags):
    pack(address(w), w.strides[0], w.strides[1], w.shape[0], w.shape[1], address(strips))
    pixels = x.size // w.shape[0]
    parallel(blocks, (pixels + BLOCK - 1) // BLOCK, 1, (x, strips, b, y, w.shape[0], w.shape[1], flags))


@part
def blocks(lo, hi, x, strips, b, y, depth, columns, flags):
    """Blocks lo..hi of pixels."""
    table, row, c_row = unshifted(), 4 * depth, 4 * columns
    end = min(hi * BLOCK, x.size // depth)
    for first in range(lo * BLOCK, end, TALLEST):
        rows, a, c = min(TALLEST, end - first), address(x) + first * row, address(y) + first * c_row
        for s in range(columns // COLUMNS):
            weights, shift = address(strips) + s * depth * STRIP, address(b) + s * STRIP if b.size else 0
            tiles(rows, a, table, row, 4, weights, table, STRIP, 1, depth, c + s * STRIP, c_row, shift, flags)


@kernel
def gather(y, x, unit, weights, biases):
    parallel(add_pieces, len(weights), 1, (y, x, unit, weights, biases))


@part
def add_pieces(lo, hi, y, x, unit, weights, biases):
    """Pieces lo..hi, each the sum over its share of the pixels."""
    table, outs, ins = unshifted(), y.shape[1], x.shape[1]
    units = (len(x) + unit - 1) // unit
    for piece in range(lo, hi):
        out = address(weights[piece])
        first, last = units * piece // len(weights) * unit, min(len(x), units * (piece + 1) // len(weights) * unit)
        for p in range(first, last, unit):
            some, a, b, how = min(unit, last - p), address(y[p]), address(x[p]), ADD if p > first else 0
            add_pixels(a, 0, 4 * outs, 1, some, address(biases[piece]), outs)
            for i in range(0, 4 * ins, STRIP):
                tiles(outs, a, table, 4, 4 * outs, b + i, table, 4 * ins, 1, some, out + i, 4 * ins, 0, how)
