"""The weight gradient of any convolution, as one product whose left operand lies scattered in x.

    gw[t c, o] = Σp  x[p + t, c] gy[p, o]         rows: weights (tap t, channel c),   sum: pixels

A job takes blocks of pixels, and as many strips of outputs as have sums that stay in its second cache. Of each block it
copies gy, a strip in one piece, and x, a panel of few channels in one piece: in the first cache they serve all taps.
How many jobs there are depends on sizes alone, so the bits do not depend on the number of threads.
"""

from functools import lru_cache
from math import prod

import numpy as np

from pullback.kernels.bands import ROOM, band, bring, grid
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.direct import floats, taps
from pullback.kernels.rowtile import ROWS, row_tile
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, WIDTH, address, clear_strip, copy_strip, load, store

UNIT = 128  # pixels that are added at once
PANELS = 8, 24  # channels of x that are copied at once: the weights of a panel shall fill the tiles
SUMS = 1 << 16  # floats of a job's sums, at most, where that is a strip or more
JOBS = 16  # at least so many, if there is so much to do


def weigh(y, x, windows, groups, shape):
    """The transpose of `direct.correlate` in w, which has this shape, and that in b."""
    outs, ins = shape[0] // groups, shape[1]
    count, strips = prod(windows.kernel) * ins, -(-outs // COLUMNS)
    some = min(strips, max(1, SUMS // ((1 + count) * COLUMNS)))
    wide = min(windows.out[2], UNIT)
    high = min(windows.out[1], max(1, UNIT // wide))
    batch = y.size // (prod(windows.out) * shape[0])
    units = batch * windows.out[0] * -(-windows.out[1] // high) * -(-windows.out[2] // wide)
    parts = groups * -(-strips // some)
    sums = empty((min(units, -(-JOBS // parts)), groups * strips, 1 + count, COLUMNS))
    gw, gb = empty(shape), np.empty(shape[0], np.float32)
    sizes = np.array([*windows.out, high, wide, units, parts, some, groups, ins, outs])
    gather(x, y, *panels(windows, ins, high, wide), sizes, sums, gw.reshape(gw.size), gb)
    return gw, gb


@lru_cache(1024)
def panels(windows, ins, lines, columns):
    """How x lies around a block (see direct.axes_of), and how many taps, how wide a panel; for a full panel and
    the last one, where each weight begins in it, and its row of the sums, in bytes."""
    jump, step, reach = grid(windows)
    size = band((1, lines, columns), step, reach)
    inner, far = floats(size, 1), [d // j for d, j in zip(windows.dilation, jump)]
    found = [sum(i * d * f for i, d, f in zip(tap, far, inner)) for tap in taps(windows)]
    wide = PANELS[len(found) * PANELS[0] % ROWS > 0]
    starts, places = np.zeros((2, 2, len(found) * wide + ROWS), np.int64)
    for q, start, row in zip((wide, ins % wide), starts, places):
        for i in range(len(found) * q + ROWS if q else 0):  # the last tile repeats its last row
            t, c = divmod(min(i, len(found) * q - 1), q)
            start[i], row[i] = 4 * (found[t] * q + c), (1 + t * ins + c) * STRIP
    return np.array([windows.n, windows.before, jump, step, size]), len(found), wide, starts, places


@kernel
def gather(x, y, axes, taps, wide, starts, places, sizes, sums, gw, gb):
    parallel(weight_parts, sums.shape[0] * sizes[6], 1, (x, y, axes, taps, wide, starts, places, sizes, sums))
    add_up(sums, sizes[9], sizes[10], gw, gb)


@part
def weight_parts(lo, hi, x, y, axes, taps, wide, starts, places, sizes, sums):
    """Job (piece, part): some blocks of pixels, the weights of some strips of outputs of one group.

    Row 0 of the sums is the bias, the weight of a 1.
    """
    _, _, _, lines, columns, units, parts, some, groups, ins, outs = sizes
    n, before, jump, step, size = axes
    per_group, channels = (outs + COLUMNS - 1) // COLUMNS, groups * ins
    one, still = np.ones(1, np.float32), np.zeros(ROWS, np.int64)
    whole = size[0] * size[1] * size[2]
    slab = min(ins, wide * max(1, ROOM // (whole * wide)))
    own = np.empty(whole * slab + COLUMNS, np.float32)
    strips = np.empty((some, lines * columns, COLUMNS), np.float32)
    at, bt = np.empty(lines, np.int64), np.empty(lines, np.int64)
    for job in range(lo, hi):
        piece, rest = job // parts, job % parts
        g, first = rest // (parts // groups), rest % (parts // groups) * some
        count = min(some, per_group - first)
        mine = sums[piece, g * per_group + first : g * per_group + first + count]
        mine[:] = np.float32(0)
        for unit in range(units * piece // sums.shape[0], units * (piece + 1) // sums.shape[0]):
            image, d, top, left, height, width = block(unit, sizes)
            bring_gradients(y, image, d, top, left, height, width, g * outs + first * COLUMNS, sizes, strips[:count])
            for s in range(count):
                row_tile(
                    address(one), address(still), address(still), 0, address(strips[s]), address(still), STRIP,
                    1, height * width, address(mine[s]), address(still), COLUMNS, 0, ADD,
                )  # fmt: skip
            corner = np.array([d, top, left]) * step * jump - before
            for c in range(0, ins, wide):
                q = min(wide, ins - c)
                kind = 0 if q == wide else 1
                if c % slab == 0:
                    source = address(x) + 4 * (image * n[0] * n[1] * n[2] * channels + g * ins + c)
                    bring(source, n, channels, min(slab, ins - c), wide, corner, jump, size, address(own))
                panel = address(own) + 4 * (c % slab) * whole
                line, pixel = 4 * step[1] * size[2] * q, 4 * step[2] * q
                together = line == width * pixel  # then the block is one run
                runs, length = (1, height * width) if together else (height, width)
                for r in range(runs):
                    at[r], bt[r] = r * line, r * width * STRIP
                for s in range(count):
                    out = address(mine[s]) + c * STRIP
                    vectors = COLUMNS if outs - (first + s) * COLUMNS > WIDTH else WIDTH
                    for i in range(0, taps * q, ROWS):
                        row_tile(
                            panel, address(starts[kind]) + 8 * i, address(at), pixel,
                            address(strips[s]), address(bt), STRIP, runs, length,
                            out, address(places[kind]) + 8 * i, vectors, 0, ADD,
                        )  # fmt: skip


@part
def block(unit, sizes):
    """Where a block of pixels begins, and how many lines and columns it has."""
    planes, lines, columns, high, wide = sizes[:5]
    across, down = (columns + wide - 1) // wide, (lines + high - 1) // high
    left, rest = unit % across * wide, unit // across
    top, rest = rest % down * high, rest // down
    return rest // planes, rest % planes, top, left, min(high, lines - top), min(wide, columns - left)


@part
def bring_gradients(y, image, d, top, left, height, width, o, sizes, strips):
    """The gradients of a block of pixels, from output o on, in strips; where there are none, zeros."""
    planes, lines, columns = sizes[:3]
    groups, outs = sizes[8], sizes[10]
    channels, end = groups * outs, (o // outs + 1) * outs
    for h in range(height):
        source = address(y) + 4 * ((((image * planes + d) * lines + top + h) * columns + left) * channels + o)
        for s in range(len(strips)):
            target, here = address(strips[s]) + h * width * STRIP, source + s * STRIP
            width_of_strip = min(COLUMNS, end - o - s * COLUMNS)
            for w in range(width):
                out, pixel = target + w * STRIP, here + 4 * w * channels
                if width_of_strip == COLUMNS:
                    copy_strip(out, pixel)
                else:
                    clear_strip(out)
                    for k in range(width_of_strip):
                        store(out + 4 * k, load(pixel + 4 * k))


@part
def add_up(sums, ins, outs, gw, gb):
    """All pieces of [piece strip weight column], to gw [outs ins taps] and gb."""
    parallel(add_pieces, sums.shape[1] * ins, 8, (sums, ins, outs, gw, gb))


@part
def add_pieces(lo, hi, sums, ins, outs, gw, gb):
    """Jobs (strip, channel of x)."""
    per_group, taps = (outs + COLUMNS - 1) // COLUMNS, (sums.shape[2] - 1) // ins
    total = np.empty(COLUMNS, np.float32)
    for job in range(lo, hi):
        strip, i = job // ins, job % ins
        o, count = strip // per_group * outs + strip % per_group * COLUMNS, outs - strip % per_group * COLUMNS
        for t in range(taps):
            add_row(sums[:, strip, 1 + t * ins + i], total)
            for lane in range(min(COLUMNS, count)):
                gw[((o + lane) * ins + i) * taps + t] = total[lane]
        if i == 0:
            add_row(sums[:, strip, 0], total)
            for lane in range(min(COLUMNS, count)):
                gb[o + lane] = total[lane]


@part
def add_row(rows, total):
    total[:] = np.float32(0)
    for piece in range(len(rows)):
        row = rows[piece]
        for lane in range(COLUMNS):
            total[lane] += row[lane]
