"""Convolution as one product whose left operand lies scattered in x (implicit GEMM): any stride, dilation, groups.

    forward   y[p, o]  = Σt Σc  x[p + t, c] w[t, c, o]      rows: pixels,    sum: taps t and channels
    input     the same, of gy: one such product, a phase, for every remainder of the position to the stride

Nothing is unfolded: the row tile reads every window where it lies. A job is a block of pixels of all phases, so that
what it reads, and the lines that it writes, stay in the cache from one phase to the next. The sum goes in chunks whose
weights stay in the first cache.
"""

from functools import lru_cache
from itertools import pairwise, product
from math import prod
from typing import NamedTuple

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.images import framed
from pullback.kernels.rowtile import ROWS, row_tile
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, WIDTH, address

BLOCK = 16  # tiles of pixels in a job, of each phase
CHUNK = 1 << 14  # bytes of a strip of weights that are used at once


class Products(NamedTuple):
    """Where everything lies, for one size of images."""

    frame: tuple  # the input with zeros around it
    before: tuple  # how many stand in front
    order: np.ndarray  # the taps of all phases, by number, as they are packed
    at: np.ndarray  # [runs]: where a run of taps lies in the frame, from the first pixel on, in bytes
    bt: np.ndarray  # [runs]: and its weights in a packed strip
    phases: np.ndarray  # what `phase` says of each


def phase(counts, first, runs, length, inner, start, outer):
    """The pixels per axis; the first run of taps, how many there are, the floats of each; how far apart pixels lie in
    the frame; where the first one lies in the output, and how far apart they lie there. The last three in floats."""
    return *counts, first, runs, length, *inner, start, *outer


def correlate(x, w, b, windows, groups, y, flags=0):
    """y = w ∗ x + b; x is [batch *n c], y [batch *out o], both flat."""
    outs, ins = len(w) // groups, w.shape[1]
    run(x, w, b, y, seen(windows, groups, ins, outs), windows.n, windows.out, (groups, ins, outs), False, flags)


def spread(y, w, b, windows, groups, x, flags=0):
    """The transpose of `correlate` in its x, + b."""
    outs, ins = len(w) // groups, w.shape[1]
    run(y, w, b, x, met(windows, groups, ins, outs), windows.out, windows.n, (groups, outs, ins), True, flags)


def run(x, w, b, y, products, n, out, channels, back, flags):
    """`channels`: groups, and of each how many come in and go out."""
    groups, ins, outs = channels
    frame, before, order, at, bt, phases = products
    strips, shifts = packed_weights(w.reshape(w.size), b, order, *channels, back)
    x = framed(x, groups * ins, n, before, frame)
    images = prod(frame) * groups * ins, prod(out) * groups * outs
    sizes = np.array([y.size // images[1], *images, len(order), *channels, flags])
    multiply(x, strips, shifts, y, phases, at, bt, sizes)


def packed_weights(w, b, order, groups, ins, outs, back=False):
    """The weights as the tile reads them, and the biases."""
    count = groups * -(-outs // COLUMNS)
    strips = empty((count * len(order) * ins * COLUMNS,))
    shifts = np.empty(count * COLUMNS if b is not None else 0, np.float32)
    taps = w.size // (groups * ins * outs)
    pack(w, b if b is not None else shifts, order, strips, shifts, groups, ins, outs, taps, back)
    return strips, shifts


@lru_cache(1024)
def seen(windows, groups, ins, outs):
    """The windows of a convolution: one phase."""
    frame = windows.size
    inner, outer = floats(frame, groups * ins), floats(windows.out, groups * outs)
    found = [sum(i * d * f for i, d, f in zip(tap, windows.dilation, inner)) for tap in taps(windows)]
    together = in_a_run(windows.kernel[2], ins, groups == windows.dilation[2] == 1)
    steps = [s * f for s, f in zip(windows.stride, inner)]
    only = phase(windows.out, 0, len(found) // together, together * ins, steps, 0, outer)
    at, bt = 4 * np.array(found)[::together], np.arange(0, len(found), together) * (ins * STRIP)
    return Products(frame, windows.before, np.arange(len(found)), at, bt, np.array([only]))


@lru_cache(1024)
def met(windows, groups, ins, outs):
    """What every element of x meets in y, in the transpose.

    Element q of x meets window p with tap k where q = stride p + dilation k - before. So all q of one remainder of
    q + before to the stride meet the same taps, at distances that do not depend on q.
    """
    axes = [axis_phases(*each) for each in zip(*windows)]
    before = tuple(max(0, -min(low for *_, low, _ in axis)) for axis in axes)
    frame = tuple(max(high for *_, high in axis) + b for axis, b in zip(axes, before))
    frame = tuple(max(f, b + n) for f, b, n in zip(frame, before, windows.out))
    inner, outer = floats(frame, groups * outs), floats(windows.n, groups * ins)
    order, at, bt, phases = [], [], [], []
    for axis in product(*axes):
        firsts, counts, meets, *_ = zip(*axis)
        found = list(product(*meets))
        beside = groups == 1 and all(p - last == 1 for (_, last), (_, p) in pairwise(meets[2]))
        together = in_a_run(len(meets[2]) if found else 1, outs, beside)
        steps, start = [s * f for s, f in zip(windows.stride, outer)], sum(q * f for q, f in zip(firsts, outer))
        phases.append(phase(counts, len(at), len(found) // together, together * outs, inner, start, steps))
        at += [4 * sum((p + b) * f for (_, p), b, f in zip(tap, before, inner)) for tap in found[::together]]
        bt += [(len(order) + t) * outs * STRIP for t in range(0, len(found), together)]
        order += [np.ravel_multi_index([k for k, _ in tap], windows.kernel) for tap in found]
    return Products(frame, before, *(np.array(each, np.int64) for each in (order, at, bt, phases)))


def in_a_run(count, channels, beside):
    """How many taps are one run of floats: all that lie side by side, if the chunks are not too long then."""
    return count if beside and count * channels * STRIP <= CHUNK else 1


def axis_phases(n, kernel, out, stride, dilation, before):
    """Along one axis, every phase: first q, how many, [(tap, p of the first q)] by p, least p, p beyond the last."""
    found = []
    for first in range(min(stride, n)):
        count = -(-(n - first) // stride)
        meets = [
            ((first + before - dilation * k) // stride, k)
            for k in range(kernel)
            if (first + before - dilation * k) % stride == 0
        ]
        meets = [(k, p) for p, k in sorted(meets) if p < out and p + count > 0]
        places = [p for _, p in meets] or [0]
        found.append((first, count, meets, min(places), max(places) + count))
    return found


def floats(size, channels):
    """How far apart neighbours lie, per axis."""
    return size[1] * size[2] * channels, size[2] * channels, channels


def taps(windows):
    return product(*map(range, windows.kernel))


@kernel
def pack(w, b, order, strips, shifts, groups, ins, outs, taps, back):
    """w [groups outs ins taps] (back: [groups ins outs taps]) -> [groups strips order ins COLUMNS], zeros behind."""
    count = (outs + COLUMNS - 1) // COLUMNS
    for column in range(shifts.size):
        g, o = column // (count * COLUMNS), column % (count * COLUMNS)
        shifts[column] = b[g * outs + o] if o < outs else np.float32(0)
    parallel(packed, groups * count * order.size, 4, (w, order, strips, count, ins, outs, taps, back))


@part
def packed(lo, hi, w, order, strips, count, ins, outs, taps, back):
    per_in, per_out = (outs * taps, taps) if back else (taps, ins * taps)
    for job in range(lo, hi):
        strip, tap = job // order.size, order[job % order.size]
        g, o = strip // count, strip % count * COLUMNS
        start = g * ins * outs * taps + o * per_out + tap
        for i in range(ins):
            out, source = strips[(job * ins + i) * COLUMNS :][:COLUMNS], w[start + i * per_in :]
            for lane in range(min(COLUMNS, outs - o)):
                out[lane] = source[lane * per_out]
            out[min(COLUMNS, outs - o) :] = np.float32(0)


@kernel
def multiply(x, strips, shifts, y, phases, at, bt, sizes):
    jobs = 0
    for k in range(len(phases)):
        jobs = max(jobs, (tiles_of(phases[k], sizes) + BLOCK - 1) // BLOCK)
    parallel(pixel_blocks, jobs, 1, (x, strips, shifts, y, phases, at, bt, sizes, jobs))


@part
def tiles_of(phase, sizes):
    return (sizes[0] * phase[0] * phase[1] * phase[2] + ROWS - 1) // ROWS


@part
def pixel_blocks(lo, hi, x, strips, shifts, y, phases, at, bt, sizes, jobs):
    """Blocks lo..hi of pixels, in all phases, all channels."""
    batch, x_image, y_image, taps, groups, ins, outs, flags = sizes
    rows, places = np.empty(BLOCK * ROWS, np.int64), np.empty(BLOCK * ROWS, np.int64)
    per_group = (outs + COLUMNS - 1) // COLUMNS
    for job in range(lo, hi):
        for k in range(len(phases)):
            here, tiles = phases[k], tiles_of(phases[k], sizes)
            first, end = tiles * job // jobs * ROWS, tiles * (job + 1) // jobs * ROWS
            place(here, first, min(end, batch * here[0] * here[1] * here[2]), x_image, y_image, rows, places)
            begin, runs, length = here[3:6]
            table, beside = address(at) + 8 * begin, address(bt) + 8 * begin
            for strip in range(groups * per_group):
                g, o = strip // per_group, strip % per_group * COLUMNS
                strip_product(
                    end - first, address(x) + 4 * g * ins, address(rows), table,
                    address(strips) + strip * taps * ins * STRIP, beside, runs, length,
                    address(y) + 4 * (g * outs + o), address(places), min(COLUMNS, outs - o),
                    address(shifts) + strip * STRIP if shifts.size else 0, flags,
                )  # fmt: skip


@part
def strip_product(m, a, rows, at, b, bt, runs, length, c, places, columns, shift, flags):
    """m pixels, one strip of outputs. Whole vectors can be added to: then the sum goes in chunks."""
    chunks = max(1, min(runs, (runs * length * STRIP + CHUNK - 1) // CHUNK)) if columns % WIDTH == 0 else 1
    for chunk in range(chunks):
        low, high, last = runs * chunk // chunks, runs * (chunk + 1) // chunks, chunk == chunks - 1
        how = (flags if last else 0) | (ADD if chunk else 0)
        for i in range(0, m, ROWS):
            row_tile(
                a, rows + 8 * i, at + 8 * low, 4, b, bt + 8 * low, STRIP, high - low, length,
                c, places + 8 * i, columns, shift if last else 0, how,
            )  # fmt: skip


@part
def place(phase, first, end, x_image, y_image, rows, places):
    """Where pixels first..end of a phase lie in the frame and in the output; the last tile repeats the last pixel."""
    w, rest = first % phase[2], first // phase[2]
    h, rest = rest % phase[1], rest // phase[1]
    d, image = rest % phase[0], rest // phase[0]
    m = end - first
    for i in range(m):
        rows[i] = 4 * (image * x_image + d * phase[6] + h * phase[7] + w * phase[8])
        places[i] = 4 * (image * y_image + phase[9] + d * phase[10] + h * phase[11] + w * phase[12])
        w += 1
        if w == phase[2]:
            w, h = 0, h + 1
            if h == phase[1]:
                h, d = 0, d + 1
                if d == phase[0]:
                    d, image = 0, image + 1
    for i in range(m, (m + ROWS - 1) // ROWS * ROWS):
        rows[i], places[i] = rows[m - 1], places[m - 1]
