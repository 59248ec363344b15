"""Pooling of images with their channels last: one pass over the output, all channels of a pixel at once.

Which elements a window sees follows from the axes one by one, and so does its transpose, in which windows an element
lies. With both as tables, every kind of pool is one of two loops, and the derivative gathers like the value:

    y[p] = max of x[q] over q in window p         gx[q] = Σ gy[p] over the windows p that q won
    y[p] = Σ share[p] x[q] over q in window p     gx[q] = Σ share[p] gy[p] over the windows p that q lies in

Every result is written once, by one thread.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.images import back, channels_last, flat, result
from pullback.kernels.pool_tile import largest_line, summed_line, won_line
from pullback.kernels.threads import parallel
from pullback.kernels.tile import address

JOB = 1 << 15  # results, enough to make up for what a job prepares


class Axis(NamedTuple):
    """Along one axis, what every place meets: `items[first[p] : first[p + 1]]`, each with a mark.

    Runs are places that meet the same with the same marks, every one `advance` further on than the one before:
    rows of (first place, how many, distance between them, advance).
    """

    first: np.ndarray
    items: np.ndarray
    marks: np.ndarray
    runs: np.ndarray

    @classmethod
    def of(cls, meetings, distance=1):
        """From a list of (item, mark) for every place; runs have this distance."""
        flat = [each for met in meetings for each in met]
        first = np.cumsum([0, *map(len, meetings)])
        items, marks = np.array([q for q, _ in flat], np.int64), np.array([m for _, m in flat], np.float64)
        runs = [run for start in range(min(distance, len(meetings))) for run in cls.runs_of(meetings, start, distance)]
        return cls(first, items, marks, np.array(runs, np.int64))

    @staticmethod
    def runs_of(meetings, start, distance):
        while start < len(meetings):
            here, count, advance = meetings[start], 1, 0
            while (next := start + count * distance) < len(meetings):
                ahead = meetings[next]
                if count == 1 and here and ahead:
                    advance = ahead[0][0] - here[0][0]
                if ahead != [(q + count * advance, mark) for q, mark in here]:
                    break
                count += 1
            yield start, count, distance, advance
            start += count * distance


def axes(meetings, distances):
    """Three of them, in one tuple."""
    some = [Axis.of([[(0, 1.0)]])] * (3 - len(meetings))
    return sum((*some, *(Axis.of(met, distance) for met, distance in zip(meetings, distances))), ())


def tables(windows, strides, n, shares=None):
    """From the windows of every axis, as ranges: what they see, and where elements are seen, marked by their shares."""
    shares = shares or [[1.0] * len(axis) for axis in windows]
    seen = [[[(q, share) for q in met] for met, share in zip(*axis)] for axis in zip(windows, shares)]
    back = [[[] for _ in range(size)] for size in n]
    for axis, places in zip(seen, back):
        for p, met in enumerate(axis):
            for q, share in met:
                places[q].append((p, share))
    return axes(seen, (1,) * len(n)), axes(back, strides)


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


def largest(x, dims, seen, out, clip=False):
    """The largest element of every window (`clip`: of relu(x)); its place in the plane, in as few bytes as will do."""
    n, shape = x.shape[x.ndim - dims :], (*x.shape[: x.ndim - dims], *out)
    x, batch, channels = channelled(x, dims)
    y, answer = result(batch, out, channels)
    index = empty((*batch, *out, channels), np.uint16 if prod(n) <= 1 << 16 else np.int32)
    sizes = np.array([prod(batch), channels, *(1,) * (3 - dims), *n])
    fill_largest(x, y, index.reshape(y.size), sizes, seen, clip)
    return answer.reshape(shape), index.transpose(back(index.ndim, dims)).reshape(shape)


def won(gy, index, dims, met, n, signs=None):
    """Every element collects from the windows that it won (with `signs`: unless its sign is negative)."""
    shape, out = (*gy.shape[: gy.ndim - dims], *n), gy.shape[gy.ndim - dims :]
    gy, batch, channels = channelled(gy, dims)
    gx, answer = result(batch, n, channels)
    index, _, _ = channelled(index, dims)
    sizes = np.array([prod(batch), channels, *(1,) * (3 - dims), *out])
    fill_won(gy, index, gx, sizes, met, gx[:0] if signs is None else channelled(signs, dims)[0])
    return answer.reshape(shape)


def summed(x, dims, meets, out):
    """Every place sums what it meets, times the marks."""
    n, shape = x.shape[x.ndim - dims :], (*x.shape[: x.ndim - dims], *out)
    x, batch, channels = channelled(x, dims)
    y, answer = result(batch, out, channels)
    sizes = np.array([prod(batch), channels, *(1,) * (3 - dims), *n])
    fill_summed(x, y, sizes, meets)
    return answer.reshape(shape)


@part
def gathered(table, numbers, here, step, space, d, h, w, meets):
    """Write down what place (d, h, w) meets in an image at `here`: addresses, and places in its plane; how many."""
    first_d, items_d, _, _, first_h, items_h, _, _, first_w, items_w, _, _ = meets
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
def products_of_marks(marks, d, h, w, meets):
    """In the same order."""
    first_d, _, marks_d, _, first_h, _, marks_h, _, first_w, _, marks_w, _ = meets
    found = 0
    for a in range(first_d[d], first_d[d + 1]):
        for b in range(first_h[h], first_h[h + 1]):
            for c in range(first_w[w], first_w[w + 1]):
                marks[found] = marks_d[a] * marks_h[b] * marks_w[c]
                found += 1


@part
def most(meets):
    """The longest table that will be needed."""
    found = 1
    for first in (meets[0], meets[4], meets[8]):
        longest = 1
        for p in range(first.size - 1):
            longest = max(longest, first[p + 1] - first[p])
        found *= longest
    return found


@part
def lines(meets):
    """How many rows of places there are in an image."""
    return (meets[0].size - 1) * (meets[4].size - 1)


@part
def line(row, meets):
    """Image, depth and height of a row."""
    along, down = meets[4].size - 1, meets[0].size - 1
    return row // along // down, row // along % down, row % along


@part
def rows_per_job(sizes, meets):
    return max(1, JOB // (sizes[1] * (meets[8].size - 1)))


@kernel
def fill_largest(x, y, index, sizes, meets, clip):
    parallel(largest_rows, sizes[0] * lines(meets), rows_per_job(sizes, meets), (x, y, index, sizes, meets, clip))


@part
def largest_rows(lo, hi, x, y, index, sizes, meets, clip):
    channels, space, runs = sizes[1], sizes[2:], meets[11]
    width, plane, size = meets[8].size - 1, space[0] * space[1] * space[2], index.itemsize
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    for row in range(lo, hi):
        image, d, h = line(row, meets)
        here = address(x) + 4 * image * plane * channels
        for r in range(len(runs)):
            first, count, distance, advance = runs[r]
            taps = gathered(table, places, here, 4 * channels, space, d, h, first, meets)
            out, step = (row * width + first) * channels, distance * channels
            largest_line(
                size, address(table), address(places), taps, address(y) + 4 * out, address(index) + size * out,
                channels, count, 4 * advance * channels, 4 * step, size * step, advance, clip,
            )  # fmt: skip


@kernel
def fill_won(gy, index, gx, sizes, meets, signs):
    parallel(won_rows, sizes[0] * lines(meets), rows_per_job(sizes, meets), (gy, index, gx, sizes, meets, signs))


@part
def won_rows(lo, hi, gy, index, gx, sizes, meets, signs):
    channels, space, runs = sizes[1], sizes[2:], meets[11]
    width, height, plane, size = meets[8].size - 1, meets[4].size - 1, space[0] * space[1] * space[2], index.itemsize
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    for row in range(lo, hi):
        image, d, h = line(row, meets)
        start = image * plane * channels
        for r in range(len(runs)):
            first, count, distance, advance = runs[r]
            taps = gathered(table, places, address(gy) + 4 * start, 4 * channels, space, d, h, first, meets)
            for t in range(taps):
                places[t] = address(index) + size * (start + places[t] * channels)
            out, number = 4 * (row * width + first) * channels, (d * height + h) * width + first
            step = advance * channels
            won_line(
                size, address(table), address(places), taps, number, address(gx) + out,
                channels, count, 4 * step, size * step, 4 * distance * channels, distance,
                address(signs) + out, signs.size,
            )  # fmt: skip


@kernel
def fill_summed(x, y, sizes, meets):
    parallel(summed_rows, sizes[0] * lines(meets), rows_per_job(sizes, meets), (x, y, sizes, meets))


@part
def summed_rows(lo, hi, x, y, sizes, meets):
    channels, space, runs = sizes[1], sizes[2:], meets[11]
    width, plane = meets[8].size - 1, space[0] * space[1] * space[2]
    table, places = np.empty(most(meets), np.int64), np.empty(most(meets), np.int64)
    factors = np.empty(most(meets), np.float32)
    for row in range(lo, hi):
        image, d, h = line(row, meets)
        here = address(x) + 4 * image * plane * channels
        for r in range(len(runs)):
            first, count, distance, advance = runs[r]
            taps = gathered(table, places, here, 4 * channels, space, d, h, first, meets)
            products_of_marks(factors, d, h, first, meets)
            out = address(y) + 4 * (row * width + first) * channels
            summed_line(
                address(table),
                address(factors),
                taps,
                out,
                channels,
                count,
                4 * advance * channels,
                4 * distance * channels,
            )
