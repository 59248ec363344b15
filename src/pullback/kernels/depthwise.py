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
from pullback.kernels.depthwise_plan import (
    COUNT,
    MOST,
    OUT,
    RUNS,
    in_threes,
    line,
    lines,
    look_ahead,
    meeting,
    number,
    pixels,
    plan,
    tables,
)
from pullback.kernels.depthwise_tile import (
    depthwise_gradient_line,
    depthwise_gradient_line_of_three,
    depthwise_line,
    depthwise_line_of_three,
)
from pullback.kernels.lent import returned
from pullback.kernels.threads import parallel
from pullback.kernels.tile import LINE, address

JOB = 1 << 19  # products: where one job ends and the next is fetched, a thread waits for all that it has stored
LINES = 32  # of a job, at most: short ones take as long to prepare as to compute
PIECES = 16  # of a weight gradient, whatever the number of threads
BAND = 1 << 16  # floats of an image that the second cache keeps, with as many of two others


@lru_cache(1024)
def meetings(windows):
    """What windows see with which taps, and where elements are seen with which."""
    seen = [axis_meetings(*axis) for axis in zip(*windows)]
    back = [[[] for _ in range(n)] for n in windows.n]
    for axis, places in zip(seen, back):
        for p, met in enumerate(axis):
            for q, k in met:
                places[q].append((p, k))
    forwards = plan(seen, (1, 1, 1), windows.n, windows.kernel)
    return forwards, plan(back, windows.stride, windows.out, windows.kernel)


def axis_meetings(n, kernel, out, stride, dilation, before):
    every = [[(stride * p + dilation * k - before, k) for k in range(kernel)] for p in range(out)]
    return [[(q, k) for q, k in met if 0 <= q < n] for met in every]


def correlate(x, w, b, windows, y):
    seen, _ = meetings(windows)
    each_tap(x, w, b, prod(windows.n), seen, y)


def spread(y, w, b, windows, x):
    _, back = meetings(windows)
    each_tap(y, w, b, prod(windows.out), back, x)


def each_tap(x, w, b, pixels, meets, y):
    fill(x, by_tap(w), np.zeros(len(w), np.float32) if b is None else b, y, x.size // (pixels * len(w)), meets)


def by_tap(w):
    """[channels 1 *kernel] -> [taps channels], from the beginning of a cache line on: they are loaded all the time."""
    taps = prod(w.shape[2:])
    block = np.empty(w.nbytes + LINE, np.uint8)
    found = np.ndarray((taps, len(w)), np.float32, block, -block.ctypes.data % LINE)
    found[...] = w.reshape(len(w), taps).T
    return found


def weigh(y, x, windows, shape):
    return summed(y, x, windows, np.empty((shape[0], 1, 0), np.float32), shape, x[:0])


def weigh_and_spread(y, x, windows, w, gx):
    """The gradients of the weights and of the bias, and that of x in gx: every element of y is read once for all."""
    return summed(y, x, windows, w, w.shape, gx)


def summed(y, x, windows, w, shape, gx):
    channels, (seen, back) = shape[0], meetings(windows)
    batch = x.size // (prod(windows.n) * channels)
    sums = empty((min(PIECES, batch * windows.out[0] * windows.out[1]), 1 + prod(windows.kernel), channels))
    gather(x, y, sums, batch, seen, by_tap(w), np.zeros(channels, np.float32), gx, back)
    total = sums.sum(0)
    return np.ascontiguousarray(total[1:].T).reshape(shape), total[0]


@kernel
def fill(x, taps, shifts, y, batch, plan):
    at, channels = address(plan), shifts.size
    products = channels * number(at, OUT + 2) * number(at, MOST)  # of a line
    job = min(LINES, max(1, JOB // max(1, products)))
    parallel(filled, batch * lines(at), job, (x, taps, shifts, y, at))


@part
def filled(lo, hi, x, taps, shifts, y, plan):
    own = tables(plan)
    fill_lines(lo, hi, x, taps, shifts, y, plan, address(own[0]), address(own[1]))
    returned(own)


@part
def fill_lines(lo, hi, x, taps, shifts, y, plan, table, places):
    channels, width = shifts.size, number(plan, OUT + 2)
    for row in range(lo, hi):
        image, d, h = line(row, plan)
        here = address(x) + 4 * image * pixels(plan) * channels
        for r in range(number(plan, COUNT)):
            first, count, distance, advance = run(r, plan)
            met = meeting(table, places, here, address(taps), 4 * channels, d, h, first, plan)
            out = address(y) + 4 * (row * width + first) * channels
            look_ahead(table, met, here, out, 4 * channels, plan)
            where = table, places, met, address(shifts), out, channels, count
            steps = 4 * advance * channels, 4 * distance * channels
            if in_threes(first, advance, plan):
                depthwise_line_of_three(*where, *steps)
            else:
                depthwise_line(*where, *steps)


@part
def run(r, plan):
    at = number(plan, RUNS) + 4 * r
    return number(plan, at), number(plan, at + 1), number(plan, at + 2), number(plan, at + 3)


@kernel
def gather(x, y, sums, batch, seen, taps, shifts, gx, back):
    parallel(pieces, len(sums), 1, (x, y, sums, batch, address(seen), taps, shifts, gx, address(back)))


@part
def pieces(lo, hi, x, y, sums, batch, seen, taps, shifts, gx, back):
    """A band of lines at a time: for gx, if it is wanted, and for the sums, while the cache still has y.

    Each band has sums of its own, for a long sum is more exact in parts.
    """
    own, own_back, room = tables(seen), tables(back), np.empty(sums[0].size + LINE // 4, np.float32)
    some = room[-address(room) % LINE // 4 :][: sums[0].size]
    count, count_back = batch * lines(seen), batch * lines(back)
    bands = max(1, max(x.size, y.size) // (len(sums) * BAND))
    every = bands * len(sums)
    for band in range(lo * bands, hi * bands):
        if gx.size:
            first, last = count_back * band // every, count_back * (band + 1) // every
            fill_lines(first, last, y, taps, shifts, gx, back, address(own_back[0]), address(own_back[1]))
        some[:] = np.float32(0)
        first, last = count * band // every, count * (band + 1) // every
        add_lines(first, last, x, y, address(some), shifts.size, seen, address(own[0]), address(own[1]))
        put(some, sums[band // bands].reshape(some.size), band % bands > 0)
    returned(own)
    returned(own_back)


@part
def put(some, total, more):
    """Put them there, or add them."""
    for k in range(some.size):
        total[k] = total[k] + some[k] if more else some[k]


@part
def add_lines(lo, hi, x, y, sums, channels, plan, table, places):
    """To the sums of the bias, and of the taps behind them."""
    taps, width = sums + 4 * channels, number(plan, OUT + 2)
    for row in range(lo, hi):
        image, d, h = line(row, plan)
        here = address(x) + 4 * image * pixels(plan) * channels
        for r in range(number(plan, COUNT)):
            first, count, distance, advance = run(r, plan)
            met = meeting(table, places, here, taps, 4 * channels, d, h, first, plan)
            out = address(y) + 4 * (row * width + first) * channels
            look_ahead(table, met, here, out, 4 * channels, plan)
            where = table, places, met, sums, out, channels, count
            steps = 4 * advance * channels, 4 * distance * channels
            if in_threes(first, advance, plan):
                depthwise_gradient_line_of_three(*where, *steps)
            else:
                depthwise_gradient_line(*where, *steps)
