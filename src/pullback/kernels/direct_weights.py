"""The weight gradient of any convolution, as one product whose left operand lies scattered in x.

    gw[t c, o] = Σp  x[p + t, c] gy[p, o]         rows: weights (tap t, channel c),   sum: pixels

Jobs are blocks of pixels times strips of outputs; how many depends on sizes alone, so the bits do not depend on the
number of threads.
"""

from functools import lru_cache
from math import prod

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.direct import floats, taps
from pullback.kernels.images import framed, with_slack
from pullback.kernels.rowtile import ROWS, row_tile
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, WIDTH, address

UNIT = 128  # pixels that are added at once: what they need of x and gy stays in the first cache
JOBS = 16  # at least so many, if there is so much to do


def weigh(y, x, windows, groups, shape):
    """The transpose of `direct.correlate` in w, which has this shape, and that in b."""
    outs, ins = shape[0] // groups, shape[1]
    frame, rows, steps = weights(windows, groups * ins, ins)
    batch = y.size // (prod(windows.out) * shape[0])
    if outs % WIDTH:
        y = with_slack(y)
    x = framed(x, groups * ins, windows.n, windows.before, frame)
    gw, gb = empty(shape), np.empty(shape[0], np.float32)
    wide = min(windows.out[2], UNIT)
    high = min(windows.out[1], max(1, UNIT // wide))
    units = batch * windows.out[0] * -(-windows.out[1] // high) * -(-windows.out[2] // wide)
    strips = groups * -(-outs // COLUMNS)
    parts = min(units, -(-JOBS // strips))
    sums = empty((parts, strips, 1 + len(rows), COLUMNS))
    gather(
        x,
        y,
        rows,
        steps,
        np.array(windows.out),
        np.array([batch, high, wide, units]),
        sums,
        ins,
        outs,
        gw.reshape(gw.size),
        gb,
    )
    return gw, gb


@lru_cache(1024)
def weights(windows, channels, ins):
    """The frame, where every weight [t c] begins in it, in bytes, and the floats between pixels."""
    frame = windows.size
    inner = floats(frame, channels)
    places = [sum(i * d * f for i, d, f in zip(tap, windows.dilation, inner)) for tap in taps(windows)]
    rows = 4 * (np.array(places)[:, None] + np.arange(ins)).reshape(len(places) * ins)
    return frame, rows, np.array([prod(frame) * channels, *(s * f for s, f in zip(windows.stride, inner))])


@kernel
def gather(x, y, rows, steps, out, units, sums, ins, outs, gw, gb):
    parallel(weight_parts, sums.shape[0] * sums.shape[1], 1, (x, y, rows, steps, out, units, sums, ins, outs))
    parallel(add_parts, gb.size, 8, (sums, ins, outs, gw, gb))


@part
def weight_parts(lo, hi, x, y, rows, steps, out, units, sums, ins, outs):
    """Job (part, strip): some blocks of pixels, the weights of one strip of outputs.

    Row 0 of the sums is the bias, the weight of a 1.
    """
    batch, high, wide, count = units
    per_group = (outs + COLUMNS - 1) // COLUMNS
    strips, m = sums.shape[1], rows.size
    channels = strips // per_group * outs
    one, still = np.ones(1, np.float32), np.zeros(max(high, ROWS), np.int64)
    starts, places = np.empty(m + ROWS, np.int64), np.empty(m + ROWS, np.int64)
    for i in range(m + ROWS):
        starts[i], places[i] = rows[min(i, m - 1)], (min(i, m - 1) + 1) * STRIP
    for job in range(lo, hi):
        piece, strip = job // strips, job % strips
        g, o = strip // per_group, strip % per_group * COLUMNS
        mine = sums[piece, strip]
        mine[:] = np.float32(0)
        columns = COLUMNS if outs - o > WIDTH else WIDTH
        per_row, per_plane = (out[2] + wide - 1) // wide, (out[1] + high - 1) // high
        for unit in range(count * piece // sums.shape[0], count * (piece + 1) // sums.shape[0]):
            left, rest = unit % per_row * wide, unit // per_row
            top, rest = rest % per_plane * high, rest // per_plane
            d, image = rest % out[0], rest // out[0]
            width, height = min(wide, out[2] - left), min(high, out[1] - top)
            at, bt = np.arange(height) * (4 * steps[2]), np.arange(height) * (4 * out[2] * channels)
            a = address(x) + 4 * (image * steps[0] + d * steps[1] + top * steps[2] + left * steps[3] + g * ins)
            first = ((image * out[0] + d) * out[1] + top) * out[2] + left
            b = address(y) + 4 * (first * channels + g * outs + o)
            row_tile(
                address(one), address(still), address(still), 0, b, address(bt), 4 * channels, height, width,
                address(mine), address(still), columns, 0, ADD,
            )  # fmt: skip
            for i in range(0, m, ROWS):
                row_tile(
                    a, address(starts) + 8 * i, address(at), 4 * steps[3], b, address(bt), 4 * channels, height, width,
                    address(mine), address(places) + 8 * i, columns, 0, ADD,
                )  # fmt: skip


@part
def add_parts(lo, hi, sums, ins, outs, gw, gb):
    per_group = (outs + COLUMNS - 1) // COLUMNS
    taps = (sums.shape[2] - 1) // ins
    for o in range(lo, hi):
        strip, lane = o // outs * per_group + o % outs // COLUMNS, o % outs % COLUMNS
        mine = gw[o * ins * taps :][: ins * taps]
        gb[o], mine[:] = np.float32(0), np.float32(0)
        for piece in range(sums.shape[0]):
            found = sums[piece, strip]
            gb[o] += found[0, lane]
            for t in range(taps):
                for i in range(ins):
                    mine[i * taps + t] += found[1 + t * ins + i, lane]
