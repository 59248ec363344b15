"""The weight gradient of any convolution, as one product whose left operand lies scattered in x.

    gw[t c, o] = Σp  x[p + t, c] gy[p, o]         rows: weights (tap t, channel c),   sum: pixels

A job takes blocks of pixels, and as many strips of outputs as have sums that stay in its second cache. Of each block it
copies gy, a strip in one piece, and x, a panel of few channels in one piece: in the first cache they serve all taps.
Where one strip holds all outputs, or the first cache a whole block of them, gy is read where it stands, and so is x, if
one strip does and each of its elements meets one window.
How many jobs there are depends on sizes alone, so the bits do not depend on the number of threads.
"""

from functools import lru_cache
from math import prod

import numpy as np

from pullback.kernels.ahead import aim, aim_at_band, approach
from pullback.kernels.bands import ROOM, band, bring, clear, corner, dense, grid
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.direct import floats, taps
from pullback.kernels.edges import take
from pullback.kernels.images import move
from pullback.kernels.pixel_sums import add_pixels
from pullback.kernels.rowtile import ROWS, filled, row_tile, strip_of
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, WIDTH, address

UNIT = 128  # pixels that are added at once
PANELS = 8, 24  # channels of x that are copied at once: the weights of a panel shall fill the tiles
SUMS = 1 << 16  # floats of a job's sums, at most, where that is a strip or more
JOBS = 16  # at least so many, if there is so much to do
LEFT = 1 << 12  # floats of a block of gy, at most, that the first cache holds where they stand


def weigh(y, x, windows, groups, shape):
    """The transpose of `direct.correlate` in w, which has this shape, and that in b."""
    outs, ins = shape[0] // groups, shape[1]
    wide_strip = strip_of(outs)
    count, strips = prod(windows.kernel) * ins, -(-outs // wide_strip)
    some = min(strips, max(1, SUMS // ((1 + count) * wide_strip)))
    wide = min(windows.out[2], UNIT)
    high = min(windows.out[1], max(1, UNIT // wide))
    batch = y.size // (prod(windows.out) * shape[0])
    units = batch * windows.out[0] * -(-windows.out[1] // high) * -(-windows.out[2] // wide)
    parts = groups * -(-strips // some)
    sums = empty((min(units, -(-JOBS // parts)), groups * strips, 1 + count, wide_strip))
    gw, gb = empty(shape), np.empty(shape[0], np.float32)
    in_place = groups == 1 and outs == wide_strip and dense(windows)
    sizes = np.array([*windows.out, high, wide, units, parts, some, groups, ins, outs, in_place])
    gather(x, y, *panels(windows, ins, high, wide, wide_strip, in_place), sizes, sums, gw.reshape(gw.size), gb)
    return gw, gb


@lru_cache(1024)
def panels(windows, ins, lines, columns, strip, in_place):
    """How x lies around a block (see direct.axes_of), and how many taps, how wide a panel; for a full panel and
    the last one, where each weight begins in it, and its row of the sums, in bytes."""
    jump, step, reach = grid(windows)
    size = band((1, lines, columns), step, reach)
    inner, far = floats(size, 1), [d // j for d, j in zip(windows.dilation, jump)]
    found = [sum(i * d * f for i, d, f in zip(tap, far, inner)) for tap in taps(windows)]
    wide = ins if in_place else PANELS[len(found) * PANELS[0] % ROWS > 0]
    starts, places = np.zeros((2, 2, len(found) * wide + ROWS), np.int64)
    for q, start, row in zip((wide, ins % wide), starts, places):
        for i in range(len(found) * q + ROWS if q else 0):  # the last tile repeats its last row
            t, c = divmod(min(i, len(found) * q - 1), q)
            start[i], row[i] = 4 * (found[t] * q + c), 4 * (1 + t * ins + c) * strip
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
    _, _, across, lines, columns, units, parts, some, groups, ins, outs, in_place = sizes
    n, jump, step, size = axes[0], axes[2], axes[3], axes[4]
    strip = sums.shape[3]
    per_group, channels, whole = (outs + strip - 1) // strip, groups * ins, size[0] * size[1] * size[2]
    slab = min(ins, wide * max(1, ROOM // (whole * wide)))
    own = np.empty(0 if in_place else whole * slab, np.float32)
    as_it_stands = groups == 1 and (outs == strip or outs % strip == 0 and outs * lines * columns <= LEFT)
    next_strip, pitch = (4 * strip, 4 * outs) if as_it_stands else (4 * lines * columns * strip, 4 * strip)
    strips = np.empty((some, 0 if as_it_stands else lines * columns, strip), np.float32)
    at, bt = np.empty(lines, np.int64), np.empty(lines, np.int64)
    ahead = np.zeros((2, 2), np.int64)
    for job in range(lo, hi):
        piece, rest = job // parts, job % parts
        g, first = rest // (parts // groups), rest % (parts // groups) * some
        count = min(some, per_group - first)
        mine = sums[piece, g * per_group + first : g * per_group + first + count]
        mine[:] = np.float32(0)
        tiles = count * ((taps * ins + ROWS - 1) // ROWS)
        for unit in range(units * piece // sums.shape[0], units * (piece + 1) // sums.shape[0]):
            of_x, of_y = look_ahead(unit + 1, x, y, axes, sizes, ahead)
            image, d, top, left, height, width = block(unit, sizes)
            first_x = corner(axes, d, top, left)
            gradients, gy_line = address(strips), width * pitch
            if as_it_stands:
                here = pixel_of(image, d, top, left, sizes) * outs + first * strip
                gradients, gy_line = address(y) + 4 * here, across * pitch
            else:
                bring_gradients(y, image, d, top, left, height, width, g * outs + first * strip, sizes, strips[:count])
            for s in range(count):
                add_pixels(gradients + s * next_strip, gy_line, pitch, height, width, address(mine[s, 0]), strip)
            for c in range(0, ins, wide):
                q = min(wide, ins - c)
                kind = 0 if q == wide else 1
                if in_place:
                    panel = address(x) + 4 * (pixel_of(image, d, top, left, sizes) * channels + g * ins)
                    line, pixel = 4 * n[2] * channels, 4 * channels
                else:
                    if c % slab == 0:
                        source = address(x) + 4 * (image * n[0] * n[1] * n[2] * channels + g * ins + c)
                        bring(source, n, channels, min(slab, ins - c), wide, first_x, jump, size, address(own))
                    panel = address(own) + 4 * (c % slab) * whole
                    line, pixel = 4 * step[1] * size[2] * q, 4 * step[2] * q
                together = line == width * pixel and gy_line == width * pitch  # then the block is one run
                runs, length = (1, height * width) if together else (height, width)
                for r in range(runs):
                    at[r], bt[r] = r * line, r * gy_line
                for s in range(count):
                    out = address(mine[s]) + 4 * c * strip
                    vectors = min(strip, filled(outs - (first + s) * strip))
                    for i in range(0, taps * q, ROWS):
                        approach(ahead[0], of_x // tiles + 1)
                        approach(ahead[1], of_y // tiles + 1)
                        row_tile(
                            panel, address(starts[kind]) + 8 * i, address(at), pixel,
                            gradients + s * next_strip, address(bt), pitch, runs, length,
                            out, address(places[kind]) + 8 * i, vectors, 0, ADD,
                        )  # fmt: skip


@part
def look_ahead(unit, x, y, axes, sizes, ahead):
    """Where in memory a block lies; how many lines of x and of y there are."""
    if sizes[4] < sizes[2]:
        return 0, 0  # no whole lines, and so much else would come with them
    image, d, top, left, height, width = block(unit, sizes)
    outs, ins = sizes[8] * sizes[10], sizes[8] * sizes[9]
    pixel = pixel_of(image, d, top, left, sizes)
    of_y = aim(ahead[1], y, pixel * outs, (pixel + height * width) * outs)
    return aim_at_band(ahead[0], x, image, 1, corner(axes, d, top, left), axes, ins), of_y


@part
def pixel_of(image, d, top, left, sizes):
    """Its number among all outputs."""
    return ((image * sizes[0] + d) * sizes[1] + top) * sizes[2] + left


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
    wide = strips.shape[2]
    groups, outs = sizes[8], sizes[10]
    channels, end = groups * outs, (o // outs + 1) * outs
    for h in range(height):
        source = address(y) + 4 * ((((image * planes + d) * lines + top + h) * columns + left) * channels + o)
        for s in range(len(strips)):
            target, here = address(strips[s]) + 4 * h * width * wide, source + 4 * s * wide
            found = min(wide, end - o - s * wide)
            for w in range(width):
                out = target + 4 * w * wide
                move(out, here + 4 * w * channels, found)
                clear(out + 4 * found, wide - found)


@part
def add_up(sums, ins, outs, gw, gb):
    """All pieces of [piece strip weight column], to gw [outs ins taps] and gb."""
    parallel(add_pieces, sums.shape[1] * ins, 8, (sums, ins, outs, gw, gb))


@part
def add_pieces(lo, hi, sums, ins, outs, gw, gb):
    """Jobs (strip, channel of x)."""
    wide, taps = sums.shape[3], (sums.shape[2] - 1) // ins
    per_group, total = (outs + wide - 1) // wide, np.empty(wide, np.float32)
    for job in range(lo, hi):
        strip, i = job // ins, job % ins
        first = strip % per_group * wide
        o, count = strip // per_group * outs + first, min(wide, outs - first)
        for t in range(taps):
            add_row(sums[:, strip, 1 + t * ins + i], total)
            for lane in range(count):
                gw[((o + lane) * ins + i) * taps + t] = total[lane]
        if i == 0:
            add_row(sums[:, strip, 0], total)
            for lane in range(count):
                gb[o + lane] = total[lane]


@part
def add_row(rows, total):
    total[:] = np.float32(0)
    for piece in range(len(rows)):
        add_vectors(address(rows[piece]), total)


@part
def add_vectors(row, total):
    for lane in range(0, total.size, WIDTH):
        take(WIDTH, row + 4 * lane, address(total) + 4 * lane, 0, ADD)
