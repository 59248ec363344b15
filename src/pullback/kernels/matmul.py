"""c = a b (+ bias, relu): any strides for a and b; the three products of a linear layer are three calls.

    y = relu(x wᵀ + bias)    matmul(x, w.T, y, bias, work, RELU)
    gx = g w                 matmul(g, w, gx, none, work, 0)
    gw = gᵀ x                matmul(g.T, x, gw, none, work, 0)

Each job owns some strips of columns of c. Along k it copies a block of its part of b into strips (once, into its own
cache: the floats of one k lie together) and runs the tile down all rows of a. a is read where it lies, unless its rows
are not contiguous.
"""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, RELU, STRIP, address, copy_strip, load, store, tiles, transpose8

DEPTH = 256  # k per block: a strip of b is half the first-level cache, or less
NONE = np.empty(0, np.float32)


@part
def pack(b, b_row, b_column, depth, columns, out):
    """Copy depth × columns of b into strips [depth][COLUMNS]; the last one is filled up with zeros."""
    whole = columns // COLUMNS if b_column == 4 else 0
    for k in range(depth):  # rows are contiguous: read them from left to right
        for strip in range(whole):
            copy_strip(out + (strip * depth + k) * STRIP, b + k * b_row + strip * STRIP)
    for strip in range(whole, (columns + COLUMNS - 1) // COLUMNS):
        source, target = b + strip * COLUMNS * b_column, out + strip * depth * STRIP
        width = min(COLUMNS, columns - strip * COLUMNS)
        done = 0
        if width == COLUMNS and b_row == 4:  # columns are contiguous: a transpose
            done = depth & ~7
            for k in range(0, done, 8):
                for j in range(0, COLUMNS, 8):
                    transpose8(source + j * b_column + 4 * k, b_column, target + k * STRIP + 4 * j, STRIP)
        for k in range(done, depth):
            for j in range(width):
                store(target + k * STRIP + 4 * j, load(source + k * b_row + j * b_column))
            for j in range(width, COLUMNS):
                store(target + k * STRIP + 4 * j, np.float32(0))


@part
def transposed_rows(lo, hi, a, a_row, a_column, depth, m, out, out_row):
    """out[i, k] = a[i, k] with contiguous rows, for blocks lo..hi of eight rows."""
    for block in range(lo, hi):
        i = block * 8
        whole = depth & ~7 if m - i >= 8 and a_row == 4 else 0
        for k in range(0, whole, 8):
            transpose8(a + i * a_row + k * a_column, a_column, out + i * out_row + 4 * k, out_row)
        for k in range(whole, depth):
            for r in range(i, min(i + 8, m)):
                store(out + r * out_row + 4 * k, load(a + r * a_row + k * a_column))


@part
def strips(lo, hi, m, n, depth, a, a_row, b, b_row, b_column, c, c_row, bias, flags, per_job, work):
    """Jobs lo..hi of `per_job` strips each; `work` has room for each job's block of b."""
    zero, edge = np.zeros(1, np.int64), np.empty((6, COLUMNS), np.float32)
    table, spare = address(zero), address(edge)
    for job in range(lo, hi):
        first, last = job * per_job, min((n + COLUMNS - 1) // COLUMNS, (job + 1) * per_job)
        mine = work + job * per_job * min(depth, DEPTH) * STRIP
        for k in range(0, depth, DEPTH):
            now = min(DEPTH, depth - k)
            end = k + now == depth
            pack(
                b + k * b_row + first * COLUMNS * b_column,
                b_row,
                b_column,
                now,
                min(n, last * COLUMNS) - first * COLUMNS,
                mine,
            )
            how = (flags & ADD if k == 0 else ADD) | (flags & RELU if end else 0)
            for strip in range(first, last):
                strip_b = mine + (strip - first) * now * STRIP
                strip_bias = bias + strip * STRIP if bias and end else 0
                strip_c, width = c + strip * STRIP, n - strip * COLUMNS
                if width >= COLUMNS:
                    tiles(m, a + 4 * k, table, a_row, 4, strip_b, table, STRIP, 1, now, strip_c, c_row, strip_bias, how)
                    continue
                for i in range(0, m, 6):  # a narrow strip goes through `edge`
                    height = min(6, m - i)
                    here = a + i * a_row + 4 * k
                    tiles(height, here, table, a_row, 4, strip_b, table, STRIP, 1, now, spare, STRIP, 0, 0)
                    for r in range(height):
                        for j in range(width):
                            at = strip_c + (i + r) * c_row + 4 * j
                            y = edge[r, j]
                            if how & ADD:
                                y += load(at)
                            if strip_bias:
                                y += load(strip_bias + 4 * j)
                            if how & RELU and y < 0:
                                y = np.float32(0)
                            store(at, y)


@kernel
def matmul(a, b, c, bias, work, flags):
    m, depth = a.shape
    n = b.shape[1]
    if depth == 0:  # an empty sum
        for i in range(m):
            for j in range(n):
                start = bias[j] if bias.size else np.float32(0)
                start = c[i, j] + start if flags & ADD else start
                c[i, j] = np.float32(0) if flags & RELU and start < 0 else start
        return
    serial = m * n * depth < 200_000
    free = (address(work) + 63) & -64
    at, row, column = address(a), a.strides[0], a.strides[1]
    if column != 4:
        padded = 4 * depth + 64  # a stride that is no power of two: rows fall into different sets of the cache
        blocks = (m + 7) // 8
        parallel(transposed_rows, blocks, blocks if serial else 4, (at, row, column, depth, m, free, padded))
        at, row, free = free, padded, free + m * padded
    count = (n + COLUMNS - 1) // COLUMNS
    per_job = count if serial else max(1, min(8, count // 8))
    jobs = (count + per_job - 1) // per_job
    arguments = (m, n, depth, at, row, address(b), b.strides[0], b.strides[1], address(c), c.strides[0])
    shift = address(bias) if bias.size else 0
    parallel(strips, jobs, jobs if serial else 1, (*arguments, shift, flags, per_job, free))
