"""c = a b (+ bias, relu): any strides for a and b; the three products of a linear layer are three calls.

    y = relu(x wᵀ + bias)    matmul(x, w.T, y, bias, work, RELU)
    gx = g w                 matmul(g, w, gx, NONE, work, 0)
    gw = gᵀ x                matmul(g.T, x, gw, NONE, work, 0)

Each job owns some strips of columns of c. Along k it copies a block of its part of b into strips (once, into its own
cache: the floats of one k lie together) and runs the tile down the rows of a, as many at a time as the second cache
keeps. Where rows are many, strips are made of all of b first, and each job owns some rows instead: it reads them once.
In small products b is read where it lies, if its rows are contiguous and whole strips. a is read where it lies, unless
its rows are not contiguous, or lie so that the first cache cannot hold twelve of them: then it is copied first, as many
rows to a panel as a tile has, the floats of one k together.

From Python `product(a, b)` is all there is to it. Compiled code calls `matmul` with arrays, or `multiply` with
addresses and strides in bytes; `room(m, n, k)` says how many floats `work` needs. A caller that shares its rows among
threads itself packs b once (`pack`) and calls the tile.
"""

import numpy as np
from numba import types

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part, symbol
from pullback.kernels.edges import take_edge
from pullback.kernels.threads import parallel
from pullback.kernels.tile import (
    ADD,
    COLUMNS,
    RELU,
    STRIP,
    TALLEST,
    WIDTH,
    address,
    clear_strip,
    copy_panel,
    copy_strip,
    load,
    store,
    tiles,
    transpose8,
    unshifted,
)

DEPTH = 256 if WIDTH == 16 else 288  # k per block, at most: a strip of b is little more than half the first cache
PANEL = TALLEST  # rows
TALL = 192 if WIDTH == 16 else 72  # rows of a that are used with all strips of a block: a fifth of the second cache
GROUP = 8  # panels that are filled side by side, with what follows each other in memory
SHALLOW = 64  # rows of a transposed a that stay in the cache where they lie
MANY = 1024  # rows: then all of b is packed first, and a job has some rows of all strips, not all rows of some strips
APART = 4096  # bytes from row to row at which a column of a falls into one set of the first cache, of 8 or 12 lines
CROWDED = PANEL > 8  # so a tile's rows drive each other out there
WIDE = 256  # columns of c that make it worth copying them
SERIAL = 200_000  # multiply-adds that one thread does sooner than two
NONE = np.empty(0, np.float32)


def product(a, b, bias=NONE, flags=0):
    """a b + bias, a fresh array; with RELU, clipped."""
    (m, k), n = a.shape, b.shape[1]
    c = empty((m, n))
    matmul(a, b, c, bias, empty((room.py_func(m, n, k),)), flags)
    return c


@part
def room(m, n, k):
    """Floats of work space: for a in panels, and for b in strips."""
    return (m + PANEL) * k + (n + 2 * COLUMNS) * k + 64


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
        whole_rows, whole_columns = depth & ~7 if b_row == 4 else 0, width & ~7
        for k in range(depth if width < COLUMNS else 0):
            clear_strip(target + k * STRIP)
        for k in range(0, whole_rows, 8):  # columns are contiguous: a transpose
            for j in range(0, whole_columns, 8):
                transpose8(source + j * b_column + 4 * k, b_column, target + k * STRIP + 4 * j, STRIP)
        for k in range(depth):
            for j in range(whole_columns if k < whole_rows else 0, width):
                store(target + k * STRIP + 4 * j, load(source + k * b_row + j * b_column))


@part
def panels(lo, hi, a, a_row, a_column, depth, m, out):
    """Panels lo..hi of a: [depth][PANEL], the last one filled up with whatever row comes last."""
    for first in range(lo, hi, GROUP):
        last = min(first + GROUP, hi)
        whole = max(first, min(last, m // PANEL)) if a_row == 4 else first
        for k in range(depth):
            for panel in range(first, whole):
                copy_panel(out + (panel * depth + k) * 4 * PANEL, a + k * a_column + panel * 4 * PANEL)
        for panel in range(whole, last):
            target, source = out + panel * depth * 4 * PANEL, a + panel * PANEL * a_row
            turned = depth & ~7 if CROWDED and a_column == 4 and panel < m // PANEL else 0
            for k in range(0, turned, 8):
                for row in (0, PANEL - 8):  # the second eight rows begin in the first
                    here = source + row * a_row + 4 * k
                    transpose8(here, a_row, target + 4 * (k * PANEL + row), 4 * PANEL)
            for k in range(turned, depth):
                for i in range(min(PANEL, m - panel * PANEL)):
                    store(target + 4 * (k * PANEL + i), load(source + i * a_row + k * a_column))


@part
def even_part(depth):
    """How much of k a block takes: all blocks nearly the same, for a short one would read c again for little."""
    count = (depth + DEPTH - 1) // DEPTH
    return min(depth, ((depth + count - 1) // count + 7) & ~7)


@part
def pack_all(lo, hi, n, depth, b, b_row, b_column, work):
    """Strips lo..hi of b, block after block: for jobs that share them."""
    count, size = (n + COLUMNS - 1) // COLUMNS, even_part(depth)
    columns = min(n, hi * COLUMNS) - lo * COLUMNS
    for k in range(0, depth, size):
        now = min(size, depth - k)
        source = b + k * b_row + lo * COLUMNS * b_column
        pack(source, b_row, b_column, now, columns, work + (k * count + lo * now) * STRIP)


@part
def strips(
    lo, hi, m, n, depth, a, a_row, a_step, a_panel, b, b_row, b_column, c, c_row, bias, flags, per_job, rows, work
):
    """Jobs lo..hi of `per_job` strips and `rows` rows each, all or TALL; `work` has room for every job's block of b, or
    holds all of it where rows are shared among jobs."""
    edge = np.empty((PANEL, COLUMNS), np.float32)
    table, spare = unshifted(), address(edge)
    as_it_stands = m * n * depth < SERIAL and b_column == 4 and n % COLUMNS == 0  # to copy it would take longer
    size, count = even_part(depth), (n + COLUMNS - 1) // COLUMNS
    beside = (count + per_job - 1) // per_job  # jobs of the same rows
    for job in range(lo, hi):
        first, last = job % beside * per_job, min(count, (job % beside + 1) * per_job)
        start = job // beside * rows
        mine = work + first * size * STRIP
        for k in range(0, depth, size):
            now = min(size, depth - k)
            end = k + now == depth
            columns = min(n, last * COLUMNS) - first * COLUMNS
            block, pitch, next_strip = b + k * b_row + first * COLUMNS * b_column, b_row, STRIP
            if rows < m:
                block, pitch, next_strip = work + (k * count + first * now) * STRIP, STRIP, now * STRIP
            elif not as_it_stands:
                pack(block, b_row, b_column, now, columns, mine)
                block, pitch, next_strip = mine, STRIP, now * STRIP
            how = (flags & ADD if k == 0 else ADD) | (flags & RELU if end else 0)
            for top in range(start, min(m, start + rows), TALL):
                height = min(TALL, m - top)
                for strip in range(first, last):
                    at, shift = block + (strip - first) * next_strip, bias + strip * STRIP if bias and end else 0
                    out, width = c + strip * STRIP + top * c_row, n - strip * COLUMNS
                    here = a + k * a_step + top // PANEL * a_panel
                    if width < COLUMNS:
                        for i in range(0, height, PANEL):
                            some = min(PANEL, height - i)
                            tiles(some, here, table, a_row, a_step, at, table, STRIP, 1, now, spare, STRIP, 0, 0)
                            take_edge(edge, some, width, out + i * c_row, c_row, shift, how)
                            here += a_panel
                    elif a_panel == PANEL * a_row:
                        tiles(height, here, table, a_row, a_step, at, table, pitch, 1, now, out, c_row, shift, how)
                    else:
                        for i in range(0, height, PANEL):
                            some, row = min(PANEL, height - i), out + i * c_row
                            tiles(some, here, table, a_row, a_step, at, table, pitch, 1, now, row, c_row, shift, how)
                            here += a_panel


@part
def empty_sum(m, n, c, c_row, bias, flags):
    for i in range(m):
        for j in range(n):
            at = c + i * c_row + 4 * j
            start = load(bias + 4 * j) if bias else np.float32(0)
            start = load(at) + start if flags & ADD else start
            store(at, np.float32(-0.0) if flags & RELU and start < 0 else start)


@symbol(types.void(*[types.int64] * 14), "pullback_multiply")
def multiply(m, n, depth, a, a_row, a_column, b, b_row, b_column, c, c_row, bias, work, flags):
    if depth == 0:
        empty_sum(m, n, c, c_row, bias, flags)
        return
    serial = m * n * depth < SERIAL
    free, panel = (work + 63) & -64, PANEL * a_row
    if a_row == 4 and depth <= SHALLOW:
        panel = 4 * PANEL
    elif a_column != 4 or (CROWDED and a_row % APART == 0 and m >= PANEL and n >= WIDE):
        count = (m + PANEL - 1) // PANEL
        parallel(panels, count, count if serial else GROUP, (a, a_row, a_column, depth, m, free))
        a, a_row, a_column, panel = free, 4, 4 * PANEL, depth * 4 * PANEL
        free += count * panel
    count = (n + COLUMNS - 1) // COLUMNS
    per_job = count if serial else max(1, min(8, count // 8))
    rows = m
    if m >= MANY and not serial:
        rows, per_job = TALL, count
        parallel(pack_all, count, min(count, 8), (n, depth, b, b_row, b_column, free))
    jobs = (count + per_job - 1) // per_job * ((m + rows - 1) // rows)
    operands = a, a_row, a_column, panel, b, b_row, b_column, c, c_row, bias, flags, per_job, rows, free
    parallel(strips, jobs, jobs if serial else 1, (m, n, depth, *operands))


@kernel
def matmul(a, b, c, bias, work, flags):
    (m, depth), n, shift = a.shape, b.shape[1], address(bias) if bias.size else 0
    left, right = (address(a), a.strides[0], a.strides[1]), (address(b), b.strides[0], b.strides[1])
    multiply(m, n, depth, *left, *right, address(c), c.strides[0], shift, address(work), flags)
