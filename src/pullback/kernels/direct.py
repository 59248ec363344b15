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

from pullback.kernels import fewtile
from pullback.kernels.ahead import aim_at_band, approach
from pullback.kernels.bands import band, bring, corner, cut, grid
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.fewtile import few_tiles
from pullback.kernels.rowtile import ROWS, row_tile, strip_of
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, WIDTH, address

CHUNK = 1 << 15  # bytes of a strip of weights that are used at once
NONE = np.empty(0, np.int64)
SOON = 4 * ROWS  # pixels ahead of which lines are asked for, to be written


class Products(NamedTuple):
    """How the pixels are cut into jobs, and where in a job's band everything lies."""

    take: np.ndarray  # images, planes, lines, pixels of a job
    axes: np.ndarray  # what `axes_of` says
    order: np.ndarray  # the taps of all phases, by number, as they are packed
    at: np.ndarray  # [runs]: where a run of taps lies in the band, from the first pixel on, in bytes
    bt: np.ndarray  # [runs]: and its weights in a packed strip
    phases: np.ndarray  # what `phase` says of each
    inside: bool  # a band is a piece of the input as it stands
    few: np.ndarray  # [products]: where each factor lies in the band; empty where fewtile.py does not serve


def axes_of(n, before, jump, step, size):
    """Per axis: the input, the padding in front; from element to element of a band, in the input; from pixel to pixel,
    in the band; its size."""
    return n, before, jump, step, size


def phase(counts, first, runs, length, start, outer):
    """The pixels per axis; the first run of taps, how many there are, the floats of each; where in the output the first
    pixel lies, and how far apart they lie, in floats."""
    return *counts, first, runs, length, start, *outer


def correlate(x, w, b, windows, groups, y, flags=0):
    """y = w ∗ x + b; x is [batch *n c], y [batch *out o], both flat."""
    outs, ins = len(w) // groups, w.shape[1]
    products = seen(windows, groups, ins, outs, y.size // (prod(windows.out) * len(w)))
    run(x, w, b, y, products, windows.out, (groups, ins, outs), False, flags)


def spread(y, w, b, windows, groups, x, flags=0):
    """The transpose of `correlate` in its x, + b."""
    outs, ins = len(w) // groups, w.shape[1]
    products = met(windows, groups, ins, outs, y.size // (prod(windows.out) * len(w)))
    run(y, w, b, x, products, windows.n, (groups, outs, ins), True, flags)


def run(x, w, b, y, products, out, channels, back, flags):
    """`channels`: groups, and of each how many come in and go out."""
    groups, ins, outs = channels
    strips, shifts = packed_weights(w.reshape(w.size), b, products.order, *channels, back)
    image = prod(out) * groups * outs
    sizes = np.array([y.size // image, image, *channels, strip_of(outs), flags])
    multiply(x, strips, shifts, y, *products, sizes)


def packed_weights(w, b, order, groups, ins, outs, back=False):
    """The weights as the tile reads them, and the biases."""
    wide = strip_of(outs)
    count = groups * -(-outs // wide)
    strips = empty((count * len(order) * ins * wide,))
    shifts = np.empty(count * wide if b is not None else 0, np.float32)
    taps = w.size // (groups * ins * outs)
    pack(w, b if b is not None else shifts, order, strips, shifts, groups, ins, outs, wide, taps, back)
    return strips, shifts


@lru_cache(1024)
def seen(windows, groups, ins, outs, batch, take=None):
    """The windows of a convolution: one phase."""
    jump, step, reach = grid(windows)
    take = take or cut(batch, windows.out, step, reach, groups * ins)
    size = band(take[1:], step, reach)
    inner, outer = floats(size, groups * ins), floats(windows.out, groups * outs)
    far = [d // j for d, j in zip(windows.dilation, jump)]
    found = [sum(i * d * f for i, d, f in zip(tap, far, inner)) for tap in taps(windows)]
    per_tap = 4 * ins * strip_of(outs)
    together = in_a_run(windows.kernel[2], per_tap, groups == far[2] == 1)
    at, bt = 4 * np.array(found)[::together], np.arange(0, len(found), together) * per_tap
    only = phase(windows.out, 0, len(at), together * ins, 0, outer)
    axes = axes_of(windows.n, windows.before, jump, step, size)
    inside = windows.n == windows.out and not any(windows.before) and step == reach == jump == (1, 1, 1)
    few = 4 * np.add.outer(found, range(ins)).ravel() if fewtile.suits(len(found) * ins, groups, outs) else NONE
    return Products(np.array(take), np.array(axes), np.arange(len(found)), at, bt, np.array([only]), inside, few)


@lru_cache(1024)
def met(windows, groups, ins, outs, batch):
    """What every element of x meets in y, in the transpose.

    Element q of x meets window p with tap k where q = stride p + dilation k - before. So all q of one remainder of
    q + before to the stride meet the same taps, at distances that do not depend on q.
    """
    axes = [axis_phases(*each) for each in zip(*windows)]
    before = tuple(max(0, -min(low for *_, low, _ in axis)) for axis in axes)
    reach = tuple(max(high - count for _, count, *_, high in axis) + b + 1 for axis, b in zip(axes, before))
    most, still = tuple(axis[0][1] for axis in axes), (1, 1, 1)
    take = cut(batch, most, still, reach, groups * outs)
    size = band(take[1:], still, reach)
    inner, outer = floats(size, groups * outs), floats(windows.n, groups * ins)
    per_tap = 4 * outs * strip_of(ins)
    order, at, bt, phases = [], [], [], []
    for axis in product(*axes):
        firsts, counts, meets, *_ = zip(*axis)
        found = list(product(*meets))
        beside = groups == 1 and all(p - last == 1 for (_, last), (_, p) in pairwise(meets[2]))
        together = in_a_run(len(meets[2]) if found else 1, per_tap, beside)
        steps, start = [s * f for s, f in zip(windows.stride, outer)], sum(q * f for q, f in zip(firsts, outer))
        phases.append(phase(counts, len(at), len(found) // together, together * outs, start, steps))
        at += [4 * sum((p + b) * f for (_, p), b, f in zip(tap, before, inner)) for tap in found[::together]]
        bt += [(len(order) + t) * per_tap for t in range(0, len(found), together)]
        order += [np.ravel_multi_index([k for k, _ in tap], windows.kernel) for tap in found]
    numbers = take, axes_of(windows.out, before, still, still, size), order, at, bt, phases
    inside = most == windows.out and not any(before) and reach == still
    return Products(*(np.array(each, np.int64) for each in numbers), inside, NONE)


def in_a_run(count, per_tap, beside):
    """How many taps are one run of floats: all that lie side by side, if the chunks are not too long then."""
    return count if beside and count * per_tap <= CHUNK else 1


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
def pack(w, b, order, strips, shifts, groups, ins, outs, wide, taps, back):
    """w [groups outs ins taps] (back: [groups ins outs taps]) -> [groups strips order ins wide], zeros behind."""
    count = (outs + wide - 1) // wide
    for column in range(shifts.size):
        g, o = column // (count * wide), column % (count * wide)
        shifts[column] = b[g * outs + o] if o < outs else np.float32(0)
    parallel(packed, groups * count * order.size, 4, (w, order, strips, count, ins, outs, wide, taps, back))


@part
def packed(lo, hi, w, order, strips, count, ins, outs, wide, taps, back):
    per_in, per_out = (outs * taps, taps) if back else (taps, ins * taps)
    for job in range(lo, hi):
        strip, tap = job // order.size, order[job % order.size]
        g, o = strip // count, strip % count * wide
        start = g * ins * outs * taps + o * per_out + tap
        for i in range(ins):
            out, source = strips[(job * ins + i) * wide :][:wide], w[start + i * per_in :]
            for lane in range(min(wide, outs - o)):
                out[lane] = source[lane * per_out]
            out[min(wide, outs - o) :] = np.float32(0)


@kernel
def multiply(x, strips, shifts, y, take, axes, order, at, bt, phases, inside, few, sizes):
    jobs = 1
    for axis in range(4):
        jobs *= bands(phases, sizes, take, axis)
    parallel(blocks, jobs, 1, (x, strips, shifts, y, take, axes, order.size, at, bt, phases, inside, few, sizes))


@part
def bands(phases, sizes, take, axis):
    """How many there are along an axis: the first phase has as many pixels as any."""
    return ((phases[0, axis - 1] if axis else sizes[0]) + take[axis] - 1) // take[axis]


@part
def blocks(lo, hi, x, strips, shifts, y, take, axes, taps, at, bt, phases, inside, few, sizes):
    """Jobs lo..hi: a band of pixels, in all phases, all channels."""
    batch, y_image, groups, ins, outs, wide, flags = sizes
    per_group = (outs + wide - 1) // wide
    most = take[0] * take[1] * take[2] * take[3] + ROWS
    rows, places = np.empty(most, np.int64), np.empty(most, np.int64)
    own = np.empty(take[0] * axes[4, 0] * axes[4, 1] * axes[4, 2] * groups * ins, np.float32)
    begin, ahead = np.empty(4, np.int64), np.zeros(2, np.int64)
    depth = 0  # of all sums for a pixel
    for k in range(len(phases)):
        depth += phases[k, 4] * phases[k, 5] * groups * per_group
    for job in range(lo, hi):
        lines = look_ahead(job + 1, x, take, axes, phases, sizes, begin, ahead)
        begin_of(job, phases, sizes, take, begin)
        images = min(take[0], batch - begin[0])
        if inside:
            n = axes[0]
            pixel = ((begin[0] * n[0] + begin[1]) * n[1] + begin[2]) * n[2] + begin[3]
            a = address(x) + 4 * pixel * groups * ins
        else:
            a = bring_images(x, images, begin, axes, groups * ins, own)
        for k in range(len(phases)):
            m = place(phases[k], images, begin, take, axes, groups * ins, y_image, rows, places)
            first, runs, length = phases[k, 3:6]
            share = lines * ROWS * runs * length // (max(1, depth) * max(1, m))
            for strip in range(groups * per_group):
                g, o = strip // per_group, strip % per_group * wide
                if few.size:
                    approach(ahead, lines)
                    few_tiles(
                        a, address(rows), address(few), few.size, address(strips) + 4 * strip * few.size * wide,
                        address(y) + 4 * (begin[0] * y_image + o), address(places), (m + ROWS - 1) // ROWS,
                        4 * SOON * outs, address(shifts) + 4 * strip * wide if shifts.size else 0, flags,
                    )  # fmt: skip
                    continue
                strip_product(
                    m, a + 4 * g * ins, address(rows), address(at) + 8 * first,
                    address(strips) + 4 * strip * taps * ins * wide, address(bt) + 8 * first, 4 * wide, runs, length,
                    address(y) + 4 * (begin[0] * y_image + g * outs + o), address(places), min(wide, outs - o),
                    address(shifts) + 4 * strip * wide if shifts.size else 0, flags, ahead, share,
                )  # fmt: skip


@part
def look_ahead(job, x, take, axes, phases, sizes, begin, ahead):
    """Where in memory a job's band lies; how many lines."""
    if take[3] < phases[0, 2]:
        return 0  # no whole lines, and so much else would come with them
    begin_of(job, phases, sizes, take, begin)
    first = corner(axes, begin[1], begin[2], begin[3])
    return aim_at_band(ahead, x, begin[0], take[0], first, axes, sizes[2] * sizes[3])


@part
def begin_of(job, phases, sizes, take, begin):
    """The first image, plane, line and pixel of a job."""
    for axis in range(3, -1, -1):
        count = bands(phases, sizes, take, axis)
        begin[axis], job = job % count * take[axis], job // count


@part
def bring_images(x, images, begin, axes, channels, own):
    """The band of a job, in its own memory."""
    n, jump, size = axes[0], axes[2], axes[4]
    first = corner(axes, begin[1], begin[2], begin[3])
    for i in range(images):
        source = address(x) + 4 * (begin[0] + i) * n[0] * n[1] * n[2] * channels
        target = address(own) + 4 * i * size[0] * size[1] * size[2] * channels
        bring(source, n, channels, channels, channels, first, jump, size, target)
    return address(own)


@part
def place(phase, images, begin, take, axes, channels, y_image, rows, places):
    """Where the pixels of a job lie in its band, and in the output, from its first image on; the last tile repeats the
    last pixel. How many there are."""
    step, size = axes[3], axes[4]
    m, start, per_d, per_h, per_w = 0, phase[6], phase[7], phase[8], phase[9]
    _, d, h, w = begin
    for i in range(images):
        for z in range(d, min(d + take[1], phase[0])):
            for r in range(h, min(h + take[2], phase[1])):
                line = ((i * size[0] + (z - d) * step[0]) * size[1] + (r - h) * step[1]) * size[2]
                there = i * y_image + start + z * per_d + r * per_h
                for c in range(w, min(w + take[3], phase[2])):
                    rows[m] = 4 * channels * (line + (c - w) * step[2])
                    places[m] = 4 * (there + c * per_w)
                    m += 1
    for i in range(m, (m + ROWS - 1) // ROWS * ROWS):
        rows[i], places[i] = rows[m - 1], places[m - 1]
    return m


@part
def strip_product(m, a, rows, at, b, bt, pitch, runs, length, c, places, columns, shift, flags, ahead, share):
    """m pixels, one strip of outputs. Whole vectors can be added to: then the sum goes in chunks.

    Meanwhile, with every tile, `share` lines come nearer from `ahead`, divided by the chunks.
    """
    chunks = max(1, min(runs, (runs * length * pitch + CHUNK - 1) // CHUNK)) if columns % WIDTH == 0 else 1
    for chunk in range(chunks):
        low, high, last = runs * chunk // chunks, runs * (chunk + 1) // chunks, chunk == chunks - 1
        how = (flags if last else 0) | (ADD if chunk else 0)
        for i in range(0, m, ROWS):
            approach(ahead, share // chunks + 1)
            row_tile(
                a, rows + 8 * i, at + 8 * low, 4, b, bt + 8 * low, pitch, high - low, length,
                c, places + 8 * i, columns, shift if last else 0, how,
            )  # fmt: skip
