"""Depthwise convolution, every channel by itself: no product of matrices, but lines of pixels with the channels last.

    y[p, c] = b[c] + Σ w[k, c] x[q, c]      over all q that window p sees, each with its tap k
    gx[q, c] =       Σ w[k, c] gy[p, c]     over all p whose windows see q
    gw[k, c] =       Σ x[q, c] gy[p, c]     over all p, and the q that its tap k sees

Taps that would meet padding are left out.
"""

from functools import lru_cache
from math import prod

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.depthwise_tile import (
    depthwise_gradient_line,
    depthwise_gradient_line_of_three,
    depthwise_line,
    depthwise_line_of_three,
)
from pullback.kernels.pools import axes, line, lines, most
from pullback.kernels.threads import parallel
from pullback.kernels.tile import address

PIECES = 16  # of a weight gradient, whatever the number of threads
JOB = 1 << 19  # products: where one job ends and the next is fetched, a thread waits for all that it has stored
LINES = 32  # of a job, at most: short ones take as long to prepare as to compute


def suits(groups, w):
    return w.shape[1] == 1 and groups == len(w) > 1


@lru_cache(1024)
def meetings(windows):
    """What windows see with which taps, and where elements are seen with which."""
    seen = [axis_meetings(*axis) for axis in zip(*windows)]
    back = [[[] for _ in range(n)] for n in windows.n]
    for axis, places in zip(seen, back):
        for p, met in enumerate(axis):
            for q, k in met:
                places[q].append((p, k))
    return axes(seen, (1, 1, 1)), axes(back, windows.stride)


def axis_meetings(n, kernel, out, stride, dilation, before):
    every = [[(stride * p + dilation * k - before, k) for k in range(kernel)] for p in range(out)]
    return [[(q, k) for q, k in met if 0 <= q < n] for met in every]


def correlate(x, w, b, windows, y):
    seen, _ = meetings(windows)
    each_tap(x, w, b, windows, windows.n, seen, y)


def spread(y, w, b, windows, x):
    _, back = meetings(windows)
    each_tap(y, w, b, windows, windows.out, back, x)


def each_tap(x, w, b, windows, n, meets, y):
    taps = np.ascontiguousarray(w.reshape(len(w), prod(windows.kernel)).T)
    shifts = np.zeros(len(w), np.float32) if b is None else b
    batch = x.size // (prod(n) * len(w))
    fill(x, taps, shifts, y, np.array([batch, len(w), *n]), np.array(windows.kernel), meets)


def weigh(y, x, windows, shape):
    channels, (seen, _) = shape[0], meetings(windows)
    batch = x.size // (prod(windows.n) * channels)
    sums = empty((min(PIECES, batch * windows.out[0] * windows.out[1]), 1 + prod(windows.kernel), channels))
    gather(x, y, sums, np.array([batch, channels, *windows.n]), np.array(windows.kernel), seen)
    total = sums.sum(0)
    return np.ascontiguousarray(total[1:].T).reshape(shape), total[0]


@part
def meeting(places, taps, here, weights, step, space, kernel, d, h, w, meets):
    """Write down where in memory place (d, h, w) meets which places of an image, and with which taps; how many."""
    first_d, items_d, taps_d, _, first_h, items_h, taps_h, _, first_w, items_w, taps_w, _ = meets
    met = 0
    for a in range(first_d[d], first_d[d + 1]):
        for b in range(first_h[h], first_h[h + 1]):
            row = here + (items_d[a] * space[1] + items_h[b]) * space[2] * step
            tap = weights + (np.int64(taps_d[a]) * kernel[1] + np.int64(taps_h[b])) * kernel[2] * step
            for c in range(first_w[w], first_w[w + 1]):
                places[met], taps[met] = row + items_w[c] * step, tap + np.int64(taps_w[c]) * step
                met += 1
    return met


@part
def in_threes(w, advance, meets):
    """Does place w meet three neighbours, which lie as far apart as what the next place meets?"""
    first, items = meets[8], meets[9]
    c = first[w]
    return first[w + 1] - c == 3 and items[c + 1] - items[c] == advance and items[c + 2] - items[c + 1] == advance


@kernel
def fill(x, taps, shifts, y, sizes, window, meets):
    products = sizes[1] * (meets[8].size - 1) * most(meets)  # of a line
    job = min(LINES, max(1, JOB // products))
    parallel(rows, sizes[0] * lines(meets), job, (x, taps, shifts, y, sizes, window, meets))


@part
def rows(lo, hi, x, taps, shifts, y, sizes, window, meets):
    channels, space, runs = sizes[1], sizes[2:], meets[11]
    width, plane = meets[8].size - 1, space[0] * space[1] * space[2]
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    for row in range(lo, hi):
        image, d, h = line(row, meets)
        here = address(x) + 4 * image * plane * channels
        for r in range(len(runs)):
            first, count, distance, advance = runs[r]
            met = meeting(table, places, here, address(taps), 4 * channels, space, window, d, h, first, meets)
            out = address(y) + 4 * (row * width + first) * channels
            steps = 4 * advance * channels, 4 * distance * channels
            where = address(table), address(places), met, address(shifts), out, channels, count
            if in_threes(first, advance, meets):
                depthwise_line_of_three(*where, *steps)
            else:
                depthwise_line(*where, *steps)


@kernel
def gather(x, y, sums, sizes, window, meets):
    parallel(pieces, len(sums), 1, (x, y, sums, sizes, window, meets))


@part
def pieces(lo, hi, x, y, sums, sizes, window, meets):
    channels, space, runs = sizes[1], sizes[2:], meets[11]
    width, plane, count_rows = meets[8].size - 1, space[0] * space[1] * space[2], sizes[0] * lines(meets)
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    for piece in range(lo, hi):
        bias, taps = sums[piece, 0], sums[piece, 1:]
        sums[piece] = np.float32(0)
        for row in range(count_rows * piece // len(sums), count_rows * (piece + 1) // len(sums)):
            image, d, h = line(row, meets)
            here = address(x) + 4 * image * plane * channels
            for r in range(len(runs)):
                first, count, distance, advance = runs[r]
                met = meeting(table, places, here, address(taps), 4 * channels, space, window, d, h, first, meets)
                out = address(y) + 4 * (row * width + first) * channels
                steps = 4 * advance * channels, 4 * distance * channels
                where = address(table), address(places), met, address(bias), out, channels, count
                if in_threes(first, advance, meets):
                    depthwise_gradient_line_of_three(*where, *steps)
                else:
                    depthwise_gradient_line(*where, *steps)
