"""Pooling of images with their channels last: one pass over the output, all channels of a pixel at once.

Which elements a window sees follows from the axes one by one, and so does its transpose, in which windows an element
lies. With both as tables every kind of pool is one of two loops, and the derivative gathers like the value:

    y[p] = max of x[q] over q in window p         gx[q] = Σ gy[p] over the windows p that q won
    y[p] = share[p] Σ x[q] over q in window p     gx[q] = Σ share[p] gy[p] over the windows p that q lies in

Every result is written once, by one thread.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.images import channels_last, flat, result
from pullback.kernels.pool_tile import largest_pixel, summed_pixel, won_pixel
from pullback.kernels.threads import parallel
from pullback.kernels.tile import address


class Meetings(NamedTuple):
    """Along one axis, what every place meets: `items[first[p] : first[p + 1]]`."""

    first: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, lists):
        first = np.cumsum([0, *map(len, lists)])
        return cls(first, np.array([q for each in lists for q in each], np.int64))


def tables(windows, n):
    """From the windows of every axis, as ranges: what windows see, and where elements are seen; over three axes."""
    windows = [[range(1)]] * (3 - len(n)) + windows
    seen = [Meetings.of(axis) for axis in windows]
    axes = zip(windows, (1,) * (3 - len(n)) + n)
    back = [Meetings.of([[p for p, met in enumerate(axis) if q in met] for q in range(size)]) for axis, size in axes]
    return sum(seen, ()), sum(back, ())


def ranges(windows):
    """The windows of a pool along every axis, without the padding."""

    def along(n, kernel, out, stride, dilation, before):
        starts = [stride * p - before for p in range(out)]
        return [range(s % dilation if s < 0 else s, min(n, s + dilation * kernel), dilation) for s in starts]

    return [along(*axis) for axis in zip(*windows)]


def channelled(x, dims):
    """x with an axis for its channels, in memory with the channels last: (flat, batch, channels)."""
    x = x[None] if x.ndim == dims else x
    return flat(channels_last(x, dims), dims), x.shape[: x.ndim - dims - 1], x.shape[x.ndim - dims - 1]


def largest(x, dims, seen, out):
    """The largest element of every window, and its place in the plane, in as few bytes as will do."""
    n, shape = x.shape[x.ndim - dims :], (*x.shape[: x.ndim - dims], *out)
    x, batch, channels = channelled(x, dims)
    y, answer = result(batch, out, channels)
    index = empty((*batch, *out, channels), np.uint16 if prod(n) <= 1 << 16 else np.int32)
    sizes = np.array([prod(batch), channels, *(1,) * (3 - dims), *n])
    fill_largest(x, y, index.reshape(y.size), sizes, seen)
    return answer.reshape(shape), np.moveaxis(index, -1, len(batch)).reshape(shape)


def won(gy, index, dims, back, n):
    """Every element collects from the windows that it won."""
    shape, out = (*gy.shape[: gy.ndim - dims], *n), gy.shape[gy.ndim - dims :]
    gy, batch, channels = channelled(gy, dims)
    gx, answer = result(batch, n, channels)
    index, _, _ = channelled(index, dims)
    sizes = np.array([prod(batch), channels, *(1,) * (3 - dims), *out])
    fill_won(gy, index, gx, sizes, back)
    return answer.reshape(shape)


def summed(x, dims, meets, before, after, out):
    """y[p] = after[p] Σ before[q] x[q]: forwards and backwards; no factor if there is none."""
    n, shape = x.shape[x.ndim - dims :], (*x.shape[: x.ndim - dims], *out)
    x, batch, channels = channelled(x, dims)
    y, answer = result(batch, out, channels)
    sizes = np.array([prod(batch), channels, *(1,) * (3 - dims), *n])
    fill_summed(x, y, before.reshape(before.size), after.reshape(after.size), sizes, meets)
    return answer.reshape(shape)


@part
def gathered(table, numbers, here, step, space, d, h, w, meets):
    """Write down what place (d, h, w) meets in an image at `here`: addresses, and places in its plane; how many."""
    first_d, items_d, first_h, items_h, first_w, items_w = meets
    found = 0
    for a in range(first_d[d], first_d[d + 1]):
        for b in range(first_h[h], first_h[h + 1]):
            start = (items_d[a] * space[1] + items_h[b]) * space[2]
            for c in range(first_w[w], first_w[w + 1]):
                place = start + items_w[c]
                table[found], numbers[found] = here + place * step, place
                found += 1
    return found


@part
def most(meets):
    """The longest table that will be needed."""
    found = 1
    for first in (meets[0], meets[2], meets[4]):
        longest = 1
        for p in range(first.size - 1):
            longest = max(longest, first[p + 1] - first[p])
        found *= longest
    return found


@kernel
def fill_largest(x, y, index, sizes, meets):
    parallel(largest_rows, sizes[0] * (meets[0].size - 1) * (meets[2].size - 1), 4, (x, y, index, sizes, meets))


@part
def largest_rows(lo, hi, x, y, index, sizes, meets):
    channels, space = sizes[1], sizes[2:]
    down, along, across = meets[0].size - 1, meets[2].size - 1, meets[4].size - 1
    plane, size = space[0] * space[1] * space[2], index.itemsize
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    for row in range(lo, hi):
        h, d, image = row % along, row // along % down, row // along // down
        for w in range(across):
            here, there = address(x) + 4 * image * plane * channels, (row * across + w) * channels
            taps = gathered(table, places, here, 4 * channels, space, d, h, w, meets)
            largest_pixel(
                address(table),
                address(places),
                taps,
                address(y) + 4 * there,
                address(index) + size * there,
                channels,
                size,
            )


@kernel
def fill_won(gy, index, gx, sizes, meets):
    parallel(won_rows, sizes[0] * (meets[0].size - 1) * (meets[2].size - 1), 4, (gy, index, gx, sizes, meets))


@part
def won_rows(lo, hi, gy, index, gx, sizes, meets):
    channels, space = sizes[1], sizes[2:]
    depth, height, width = meets[0].size - 1, meets[2].size - 1, meets[4].size - 1
    plane, size = space[0] * space[1] * space[2], index.itemsize
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    for row in range(lo, hi):
        h, d, image = row % height, row // height % depth, row // height // depth
        start = image * plane * channels
        for w in range(width):
            taps = gathered(table, places, address(gy) + 4 * start, 4 * channels, space, d, h, w, meets)
            for t in range(taps):
                places[t] = address(index) + size * (start + places[t] * channels)
            out, number = address(gx) + 4 * (row * width + w) * channels, (d * height + h) * width + w
            won_pixel(address(table), address(places), taps, number, out, channels, size)


@kernel
def fill_summed(x, y, before, after, sizes, meets):
    rows = sizes[0] * (meets[0].size - 1) * (meets[2].size - 1)
    parallel(summed_rows, rows, 4, (x, y, before, after, sizes, meets))


@part
def summed_rows(lo, hi, x, y, before, after, sizes, meets):
    channels, space = sizes[1], sizes[2:]
    down, along, across = meets[0].size - 1, meets[2].size - 1, meets[4].size - 1
    plane = space[0] * space[1] * space[2]
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    factors, share = np.ones(most(meets), np.float32), np.float32(1)
    for row in range(lo, hi):
        h, d, image = row % along, row // along % down, row // along // down
        for w in range(across):
            here, there = address(x) + 4 * image * plane * channels, address(y) + 4 * (row * across + w) * channels
            taps = gathered(table, places, here, 4 * channels, space, d, h, w, meets)
            if before.size:
                for t in range(taps):
                    factors[t] = before[places[t]]
            if after.size:
                share = after[(d * along + h) * across + w]
            summed_pixel(address(table), address(factors), taps, share, there, channels)
