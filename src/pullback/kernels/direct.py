"""Convolution as one product whose left operand lies scattered in x (implicit GEMM): any stride, dilation, groups.

    forward   y[p, o]  = Σt Σc  x[p + t, c] w[t, c, o]      rows: pixels,    sum: taps t and channels
    input     the same, of gy: one such product for every remainder of the position to the stride

Nothing is unfolded: the row tile reads every window where it lies.
"""

from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.images import framed
from pullback.kernels.rowtile import ROWS, row_tile
from pullback.kernels.threads import parallel
from pullback.kernels.tile import COLUMNS, STRIP, address

BLOCK = 96  # pixels of one job: its windows stay in the first cache


class Phase(NamedTuple):
    """One product: where its pixels begin in a frame of the input and in the output, and the taps that it sums."""

    counts: tuple  # pixels per axis
    order: np.ndarray  # the taps, by their number in w
    at: np.ndarray  # [runs]: where they lie in the frame, from the first pixel on, in floats
    run: int  # taps in a run that lie, and are packed, one after the other
    steps: np.ndarray  # floats between pixels, per axis, in the frame and in the output
    start: int  # where the first pixel lies in the output, in floats


def correlate(x, w, b, windows, groups, y, flags=0):
    """y = w ∗ x + b; x is [batch *n c], y [batch *out o], both flat."""
    outs, ins = len(w), w.shape[1]
    frame, phase = seen(windows, groups, groups * ins, outs)
    x = framed(x, groups * ins, windows.n, windows.before, frame)
    run(x, w.reshape(w.size), b, y, (phase,), frame, windows.out, groups, ins, outs // groups, False, flags)


def spread(y, w, b, windows, groups, x, flags=0):
    """The transpose of `correlate` in its x, + b."""
    outs, ins = len(w), w.shape[1]
    frame, before, phases = spread_phases(windows, groups, outs, groups * ins)
    y = framed(y, outs, windows.out, before, frame)
    run(y, w.reshape(w.size), b, x, phases, frame, windows.n, groups, outs // groups, ins, True, flags)


def run(x, w, b, y, phases, frame, out, groups, ins, outs, back, flags):
    batch = y.size // (prod(out) * groups * outs)
    for phase in phases:
        strips, shifts = packed_weights(w, b, phase, groups, ins, outs, back)
        images = prod(frame) * groups * ins, prod(out) * groups * outs
        pixels = batch * prod(phase.counts), len(phase.order), phase.run
        sizes = np.array([*pixels, *images, phase.start, ins, outs, groups, flags])
        products(x, strips, shifts, y, np.array(phase.counts), phase.steps, phase.at, sizes)


def packed_weights(w, b, phase, groups, ins, outs, back=False):
    """The weights of a phase as the tile reads them, and the biases."""
    count = groups * -(-outs // COLUMNS)
    strips = empty((count * len(phase.order) * ins * COLUMNS,))
    shifts = np.empty(count * COLUMNS if b is not None else 0, np.float32)
    taps = w.size // (groups * ins * outs)
    pack(w, b if b is not None else shifts, phase.order, strips, shifts, groups, ins, outs, taps, back)
    return strips, shifts


@lru_cache(1024)
def seen(windows, groups, channels, outs):
    """The frame that the windows of a convolution reach over, and its one phase."""
    frame = windows.size
    inner, outer = floats(frame, channels), floats(windows.out, outs)
    places = [sum(i * d * f for i, d, f in zip(tap, windows.dilation, inner)) for tap in taps(windows)]
    run = windows.kernel[2] if groups == 1 and windows.dilation[2] == 1 else 1
    steps = np.array([*(s * f for s, f in zip(windows.stride, inner)), *outer])
    return frame, Phase(windows.out, np.arange(len(places)), np.array(places)[::run].copy(), run, steps, 0)


@lru_cache(1024)
def spread_phases(windows, groups, channels, outs):
    """The frame around gy, what stands before gy in it, and the phases.

    Element q of x meets window p with tap k where q = stride p + dilation k - before. So all q of one remainder of
    q + before to the stride meet the same taps, at distances that do not depend on q.
    """
    axes = [axis_phases(*each) for each in zip(*windows)]
    before = tuple(max(0, -min(low for *_, low, _ in axis)) for axis in axes)
    frame = tuple(max(high for *_, high in axis) + b for axis, b in zip(axes, before))
    frame = tuple(max(f, b + n) for f, b, n in zip(frame, before, windows.out))
    inner, outer = floats(frame, channels), floats(windows.n, outs)
    phases = []
    for axis in product(*axes):
        firsts, counts, meets, *_ = zip(*axis)
        found = []
        for tap in product(*meets):
            number = np.ravel_multi_index([k for k, _ in tap], windows.kernel)
            found.append((number, sum((p + b) * f for (_, p), b, f in zip(tap, before, inner))))
        order, at = (np.array([each[i] for each in found], np.int64) for i in (0, 1))
        run = len(meets[2]) if groups == 1 and len(found) and windows.dilation[2] == windows.stride[2] == 1 else 1
        steps = np.array([*inner, *(s * f for s, f in zip(windows.stride, outer))])
        phases.append(Phase(counts, order, at[::run].copy(), run, steps, sum(q * f for q, f in zip(firsts, outer))))
    return frame, before, tuple(phases)


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
def products(x, strips, shifts, y, counts, steps, at, sizes):
    at, bt = 4 * at, np.arange(at.size) * (sizes[2] * sizes[6] * STRIP)
    parallel(pixel_rows, (sizes[0] + BLOCK - 1) // BLOCK, 1, (x, strips, shifts, y, counts, steps, at, bt, sizes))


@part
def pixel_rows(lo, hi, x, strips, shifts, y, counts, steps, at, bt, sizes):
    """Blocks lo..hi of pixels, all channels."""
    pixels, taps, run, x_image, y_image, start, ins, outs, groups, flags = sizes
    rows, places = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    per_group = (outs + COLUMNS - 1) // COLUMNS
    for block in range(lo, hi):
        first = block * BLOCK
        m = min(BLOCK, pixels - first)
        w, rest = first % counts[2], first // counts[2]
        h, rest = rest % counts[1], rest // counts[1]
        d, image = rest % counts[0], rest // counts[0]
        for i in range(m):
            rows[i] = 4 * (image * x_image + d * steps[0] + h * steps[1] + w * steps[2])
            places[i] = 4 * (image * y_image + d * steps[3] + h * steps[4] + w * steps[5] + start)
            w += 1
            if w == counts[2]:
                w, h = 0, h + 1
                if h == counts[1]:
                    h, d = 0, d + 1
                    if d == counts[0]:
                        d, image = 0, image + 1
        for i in range(m, (m + ROWS - 1) // ROWS * ROWS):  # the last tile repeats its last pixel
            rows[i], places[i] = rows[m - 1], places[m - 1]
        for strip in range(groups * per_group):
            g, o = strip // per_group, strip % per_group * COLUMNS
            a, c = address(x) + 4 * g * ins, address(y) + 4 * (g * outs + o)
            b = address(strips) + strip * taps * ins * STRIP
            shift = address(shifts) + strip * STRIP if shifts.size else 0
            for i in range(0, m, ROWS):
                row_tile(
                    a, address(rows) + 8 * i, address(at), 4, b, address(bt), STRIP, at.size, run * ins,
                    c, address(places) + 8 * i, min(COLUMNS, outs - o), shift, flags,
                )  # fmt: skip
