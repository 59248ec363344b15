"""A direct convolution, relu and max pooling of 2 × 2 in one pass: what lies between them stays in the first cache.

The tile may take its pixels in any order: here it takes the four of a window one after the other. Backwards, the
gradient of what lay between is written down for a band of lines, and summed to weights at once.
"""

from functools import lru_cache
from math import prod

import numpy as np

from pullback.kernels import conv, direct, direct_weights
from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.images import back, flat, framed, result, three
from pullback.kernels.pool_tile import largest_line, won_line
from pullback.kernels.rowtile import ROWS, filled, row_tile, strip_of
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, RELU, address

SEGMENT = 24  # windows whose pixels are computed together
UNIT = 256  # pixels that are added at once
SIZE = 2  # bytes of a place in the plane
TWICE = (2, 2)


def suits(rule, pool, x, w):
    """One group, windows of 2 × 2 side by side, and a convolution that nothing does better than direct.py."""
    if (rule.dims, rule.groups, pool.kernel_size) != (2, 1, TWICE) or pool.stride not in (None, TWICE):
        return False
    out = rule.out(rule.space(x), rule.space(w))
    plane = pool.dilation == (1, 1) and pool.padding == (0, 0) and not pool.ceil_mode and prod(out) <= 1 << 16
    windows = three(rule.windows(rule.space(x), w, out))
    return plane and out[1] <= UNIT and conv.directly(rule, windows, w, prod(rule.examples(x)))


def correlate(rule, pool, x, w, b):
    """The pool's outputs, and the places of their elements in the plane."""
    outs, ins = w.shape[:2]
    n = rule.out(rule.space(x), rule.space(w))
    windows, out = three(rule.windows(rule.space(x), w, n)), pool.out(n)
    y, answer = result(rule.examples(x), out, outs)
    index = empty((*rule.examples(x), *out, outs), np.uint16)
    batch = y.size // (prod(out) * outs)
    _, axes, order, at, bt, phases, *_ = direct.seen(windows, 1, ins, outs, batch, (1, 1, 2, n[1]))
    strips, shifts = direct.packed_weights(plain(w).reshape(w.size), b, order, 1, ins, outs)
    sizes = np.array([batch, *out, n[1], phases[0, 5], ins, w.size // outs, outs, strip_of(outs)])
    largest_products(flat(x, 2), strips, shifts, y, index.reshape(index.size), axes, at, bt, sizes)
    return answer, index.transpose(back(index.ndim, 2))


@kernel
def largest_products(x, strips, shifts, y, index, axes, at, bt, sizes):
    parallel(largest_rows, sizes[0] * sizes[1], 1, (x, strips, shifts, y, index, axes, at, bt, sizes))


@part
def largest_rows(lo, hi, x, strips, shifts, y, index, axes, at, bt, sizes):
    """Rows lo..hi of windows."""
    _, height, width, across, length, ins, depth, outs, wide = sizes
    size, begin, ahead = axes[4], np.zeros(4, np.int64), np.zeros(2, np.int64)
    per_pixel, own = axes[3, 2] * ins, np.empty(size[0] * size[1] * size[2] * ins, np.float32)
    per_line = axes[3, 1] * size[2] * ins
    rows, places = np.empty(4 * SEGMENT + ROWS, np.int64), np.arange(4 * SEGMENT + ROWS) * (4 * wide)
    between, four, numbers = np.empty((4 * SEGMENT, wide), np.float32), np.empty(4, np.int64), np.empty(4, np.int64)
    for job in range(lo, hi):
        image, h = job // height, job % height
        begin[0], begin[2] = image, 2 * h
        a = direct.bring_images(x, 1, begin, axes, ins, own)
        for first in range(0, width, SEGMENT):
            some = min(SEGMENT, width - first)
            for t in range(4):
                down, right = 2 * h + t // 2, 2 * first + t % 2
                four[t], numbers[t] = address(between) + 4 * t * wide, down * across + right
                start = 4 * (t // 2 * per_line + right * per_pixel)
                for p in range(some):
                    rows[4 * p + t] = start + 8 * p * per_pixel
            for i in range(4 * some, 4 * some + ROWS):  # the last tile repeats its last pixel
                rows[i], places[i] = rows[4 * some - 1], places[4 * some - 1]
            for o in range(0, outs, wide):
                strip = address(strips) + 4 * o * depth
                shift, columns = address(shifts) + 4 * o, min(wide, outs - o)
                direct.strip_product(
                    4 * some, a, address(rows), address(at), strip, address(bt), 4 * wide, at.size, length,
                    address(between), address(places), columns, shift, RELU, ahead, 0,
                )  # fmt: skip
                out = (job * width + first) * outs + o
                largest_line(
                    SIZE, address(four), address(numbers), 4, address(y) + 4 * out, address(index) + SIZE * out,
                    columns, some, 16 * wide, 4 * outs, SIZE * outs, 2, 0,
                )  # fmt: skip
            for i in range(4 * some, 4 * some + ROWS):
                places[i] = 4 * i * wide


def weigh(rule, gy, index, n, x, w):
    """The transpose in w, which has this shape, and that in b, of what came through relu."""
    outs, ins = w.shape[:2]
    windows, out = three(rule.windows(rule.space(x), w, n)), gy.shape[-2:]
    frame, rows, steps = weights(windows, ins)
    batch = gy.size // (prod(out) * outs)
    x = framed(flat(x, 2), ins, windows.n, windows.before, frame)
    high = max(2, UNIT // n[1])
    wide = strip_of(outs)
    units, strips = batch * -(-n[0] // high), -(-outs // wide)
    parts = min(units, -(-direct_weights.JOBS // strips))
    sums = empty((parts, strips, 1 + len(rows), wide))
    gw, gb = empty(w.shape), np.empty(outs, np.float32)
    sizes = np.array([*n, *out, ins, outs, high, units])
    gather(x, flat(gy, 2), flat(index, 2), rows, steps, sizes, sums, gw.reshape(gw.size), gb)
    return gw, gb


@lru_cache(1024)
def weights(windows, channels):
    """The frame, where every weight [t c] begins in it, in bytes, and the floats between pixels."""
    frame = windows.size
    inner = direct.floats(frame, channels)
    places = [sum(i * d * f for i, d, f in zip(tap, windows.dilation, inner)) for tap in direct.taps(windows)]
    rows = 4 * (np.array(places)[:, None] + np.arange(channels)).reshape(len(places) * channels)
    return frame, rows, np.array([prod(frame) * channels, *(s * f for s, f in zip(windows.stride, inner))])


@kernel
def gather(x, gy, index, rows, steps, sizes, sums, gw, gb):
    parallel(weight_parts, sums.shape[0] * sums.shape[1], 1, (x, gy, index, rows, steps, sizes, sums))
    direct_weights.add_up(sums, sizes[4], sizes[5], gw, gb)


@part
def weight_parts(lo, hi, x, gy, index, rows, steps, sizes, sums):
    """Job (part, strip), as in direct_weights.py."""
    height, width, out_h, out_w, _, outs, high, units = sizes
    m, strips, bands, wide = rows.size, sums.shape[1], (height + high - 1) // high, sums.shape[3]
    between = np.zeros((high, width, wide), np.float32)
    one, still = np.ones(1, np.float32), np.zeros(high + ROWS, np.int64)
    starts, places = np.empty(m + ROWS, np.int64), np.empty(m + ROWS, np.int64)
    for i in range(m + ROWS):
        starts[i], places[i] = rows[min(i, m - 1)], 4 * (min(i, m - 1) + 1) * wide
    at, bt = np.arange(high) * (4 * steps[2]), np.arange(high) * (4 * width * wide)
    for job in range(lo, hi):
        piece, o = job // strips, job % strips * wide
        mine = sums[piece, job % strips]
        mine[:] = np.float32(0)
        columns = min(wide, filled(outs - o))
        for unit in range(units * piece // sums.shape[0], units * (piece + 1) // sums.shape[0]):
            image, top = unit // bands, unit % bands * high
            some = min(high, height - top)
            for h in range(some):
                write_down(gy, index, image, top + h, o, sizes, between[h])
            a, b = address(x) + 4 * (image * steps[0] + top * steps[2]), address(between)
            row_tile(
                address(one), address(still), address(still), 0, b, address(bt), 4 * wide, some, width,
                address(mine), address(still), columns, 0, ADD,
            )  # fmt: skip
            for i in range(0, m, ROWS):
                row_tile(
                    a, address(starts) + 8 * i, address(at), 4 * steps[3], b, address(bt), 4 * wide, some, width,
                    address(mine), address(places) + 8 * i, columns, 0, ADD,
                )  # fmt: skip


@part
def write_down(gy, index, image, h, o, sizes, line):
    """The gradient of line h between convolution and pool, from output o on."""
    _, width, out_h, out_w, _, outs, _, _ = sizes
    wide = line.shape[1]
    if h >= 2 * out_h:  # no window reaches there
        line[:] = np.float32(0)
        return
    start = ((image * out_h + h // 2) * out_w) * outs + o
    here, winner = np.full(1, address(gy) + 4 * start), np.full(1, address(index) + SIZE * start)
    for right in range(2):
        won_line(
            SIZE, address(here), address(winner), 1, h * width + right, address(line[right:]),
            min(wide, outs - o), out_w, 4 * outs, SIZE * outs, 8 * wide, 2, 0, 0,
        )  # fmt: skip
