"""Convolution with 3 × 3 kernels at stride 2 by polyphase Winograd: 81 multiplications for 144.

As in winograd.py, with tiles of 4 × 4 outputs: 81 points (see polyphase_tile.py), of which many have the same weights.

    forward   y tiles  = back of  Σc V[point, tile, c] U[weight, c, o]         9 × 9 inputs
    input     the same of gy, with the reversed taps: 5 × 5 pixels of gy to 8 × 8 of gx
    weight    gw       = back of  Σ points of the weight, tiles  V[point, tile, c] W[point, tile, o]

Rounding, and what is not finite: as in winograd.py.
"""

from math import prod

import numpy as np

from pullback.kernels.ahead import aim, approach
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.polyphase_tile import (
    back_inputs_to_points,
    back_outputs_from_points,
    gradients_to_points,
    inputs_to_points,
    outputs_from_points,
    taps_from_points,
    taps_to_points,
)
from pullback.kernels.threads import get_threads, parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, WIDTH, address, tiles, unshifted
from pullback.kernels.winograd import add_pieces, bring_taps, claim, leave, places

BLOCK, GRADIENT_BLOCK = 12, 16  # tiles: at 64 channels the points of a block fill a quarter of a second-level cache
SECOND = 700_000  # bytes of weights at the points, at most
PIECE = 64  # tiles that one job of a weight gradient adds
ROWS = 24  # of a product, between which what is read next comes nearer


def suits(windows, groups, channels, outs, batch):
    """3 × 3, stride 2, whole vectors of channels, weights at the points that stay in the second cache, and enough tiles
    to pay for their transform."""
    return (
        groups == 1
        and windows.kernel == (1, 3, 3)
        and windows.stride == (1, 2, 2)
        and windows.dilation == (1, 1, 1)
        and channels % WIDTH == outs % WIDTH == 0
        and 36 * 4 * channels * outs <= SECOND
        and batch * windows.out[1] * windows.out[2] >= 256
        and filled(windows.out[1:], 4)
    )


def filled(n, size):
    """Do tiles of this size cover so many pixels, and not many more?"""
    return prod(-(-each // size) * size for each in n) <= 1.15 * prod(n)


def shared():
    """The points of every weight, [81], and where those of a weight begin, [37]."""
    along = [[0], [1], [2], [3], [4], [5, 6, 7, 8]]
    points = [[9 * p + q for p in rows for q in columns] for rows in along for columns in along]
    return np.concatenate(points), np.cumsum([0, *map(len, points)])


POINTS, FIRST = shared()


def correlate(x, w, b, windows, y, flags=0):
    """direct.correlate; or False if something is not finite."""
    starts = [-before for before in windows.before[1:]]
    return run(x, w, b, y, windows.n, windows.out, starts, [0, 0], flags, False)


def spread(y, w, b, windows, x):
    """direct.spread; or False if tiles do not fit, or something is not finite.

    Tiles begin at the last odd place, counted from the padding on, that is not behind the first pixel: there the first
    tap does not reach, and the second one reads the window before.
    """
    starts = [(before - 1) // 2 for before in windows.before[1:]]
    firsts = [before % 2 - 1 for before in windows.before[1:]]
    fits = filled([n - first for n, first in zip(windows.n[1:], firsts)], 8)
    return fits and run(y, w, b, x, windows.out, windows.n, starts, firsts, 0, True)


def run(x, w, b, y, n, out, starts, firsts, flags, back):
    """`starts`, `firsts`: where the first tile begins, in x and in y."""
    outs, ins = (w.shape[1], w.shape[0]) if back else (w.shape[0], w.shape[1])
    batch = x.size // (n[1] * n[2] * ins)
    strips = -(-outs // COLUMNS)
    u = empty((36 * (strips * ins * COLUMNS + WIDTH),))
    shifts = np.zeros(strips * COLUMNS, np.float32)
    if b is not None:
        shifts[:outs] = b
    threads = get_threads()
    work = empty((threads, 81 * (BLOCK * (ins + strips * COLUMNS) + 2 * WIDTH)))
    sizes = np.array([batch, *n[1:], ins, *out[1:], outs, *starts, *firsts])
    taken = np.zeros(threads, np.int64)
    return convolve(x, w.reshape(w.size), shifts, y, sizes, back, flags, u, work, taken, POINTS, FIRST)


@kernel
def convolve(x, w, shifts, y, sizes, back, flags, u, work, taken, points, of):
    ins, outs = sizes[3], sizes[6]
    strips = shifts.size // COLUMNS
    down, across = tiles_of(sizes, 8 if back else 4)
    count = sizes[0] * down * across
    outside = np.zeros(max(ins, outs), np.float32)
    strange = np.zeros(1, np.int64)
    parallel(weights, strips * ins, 32, (w, u, ins, outs, strips, back))
    arguments = (count, x, u, shifts, y, sizes, back, flags, work, taken, points, of, outside, strange)
    parallel(blocks, (count + BLOCK - 1) // BLOCK, 1, arguments)
    return strange[0] == 0


@part
def tiles_of(sizes, size):
    """How many tiles of so many pixels there are, from top to bottom and from left to right."""
    return (sizes[4] - sizes[9] + size - 1) // size, (sizes[5] - sizes[10] + size - 1) // size


@part
def look_ahead(ahead, x, first, now, grid, step, start, span, n, channels, products):
    """Where in memory the lines of some tiles lie, which are `span` high and begin every `step`; how many for a tile of
    a product."""
    down, across, count = grid
    now = min(now, count - first)
    if now <= 0 or across > BLOCK:
        return 0  # they would bring whole lines of the image with them
    last = first + now - 1
    top, bottom = first // across % down * step + start, last // across % down * step + start + span
    begin = (first // (down * across) * n[0] + max(0, top)) * n[1] * channels
    end = (last // (down * across) * n[0] + min(n[0], bottom)) * n[1] * channels
    return aim(ahead, x, begin, end) // products + 1


@part
def weights(lo, hi, w, u, ins, outs, strips, back):
    """w [outs ins 9] (back: [ins outs 9], taps reversed) -> u [36 strips ins COLUMNS]"""
    taps = np.zeros((9, WIDTH), np.float32)
    pitch = 4 * (strips * ins * COLUMNS + WIDTH)
    for job in range(lo, hi):
        for first in range(0, COLUMNS, WIDTH):
            bring_taps(w, job // ins * COLUMNS + first, job % ins, ins, outs, back, taps)
            taps_to_points(address(taps), address(u) + job * STRIP + 4 * first, pitch)


@part
def blocks(lo, hi, count, x, u, shifts, y, sizes, back, flags, work, taken, points, of, outside, strange):
    batch, rows, columns, ins, height, width, outs, start_h, start_w, first_h, first_w = sizes
    step, size = (4, 8) if back else (8, 4)  # from tile to tile, in x and in y
    down, across = tiles_of(sizes, size)
    wide, strips = shifts.size, shifts.size // COLUMNS
    v_pitch, m_pitch, u_pitch = 4 * (BLOCK * ins + WIDTH), 4 * (BLOCK * wide + WIDTH), 4 * (ins * wide + WIDTH)
    table, nowhere = np.empty(81, np.int64), np.empty(outs, np.float32)
    desk = claim(taken)
    v = address(work[desk])
    m = v + 81 * v_pitch
    ahead = np.zeros((2, 2), np.int64)
    grid, span = (down, across, count), 5 if back else 9
    for job in range(lo, hi):
        first = job * BLOCK
        now = min(BLOCK, count - first)
        for tile in range(now):
            image, place = (first + tile) // (down * across), (first + tile) % (down * across)
            top, left = place // across * step + start_h, place % across * step + start_w
            there = v + 4 * tile * ins
            places(table, span, address(x), image, top, left, rows, columns, ins, address(outside))
            if back:
                back_inputs_to_points(address(table), there, v_pitch, ins // WIDTH)
            else:
                inputs_to_points(address(table), there, v_pitch, ins // WIDTH)
        of_x = look_ahead(ahead[0], x, first + BLOCK, BLOCK, grid, step, start_h, span, (rows, columns), ins, 81 * strips)
        of_y = look_ahead(ahead[1], y, first, BLOCK, grid, size, first_h, size, (height, width), outs, 81 * strips)
        for weight in range(36):
            for strip in range(strips):
                for point in points[of[weight] : of[weight + 1]]:
                    approach(ahead[0], of_x)
                    approach(ahead[1], of_y)
                    tiles(
                        now, v + point * v_pitch, unshifted(), 4 * ins, 4,
                        address(u) + weight * u_pitch + strip * ins * STRIP, unshifted(), STRIP, 1, ins,
                        m + point * m_pitch + strip * STRIP, 4 * wide, 0, 0,
                    )  # fmt: skip
        for tile in range(now):
            image, place = (first + tile) // (down * across), (first + tile) % (down * across)
            top, left = place // across * size + first_h, place % across * size + first_w
            here, shift = m + 4 * tile * wide, address(shifts)
            places(table, size, address(y), image, top, left, height, width, outs, address(nowhere))
            if back:
                check = back_outputs_from_points(here, m_pitch, shift, address(table), flags, outs // WIDTH)
            else:
                check = outputs_from_points(here, m_pitch, shift, address(table), flags, outs // WIDTH)
            if check != 0:
                strange[0] = 1
    leave(taken, desk)


def weigh(y, x, windows, shape):
    """direct_weights.weigh; gw is not finite if something is not."""
    outs, ins = shape[:2]
    batch = y.size // (windows.out[1] * windows.out[2] * outs)
    columns = -(-outs // COLUMNS) * COLUMNS
    count = batch * -(-windows.out[1] // 4) * -(-windows.out[2] // 4)
    threads = get_threads()
    work = empty((threads, 36 * (ins * columns + WIDTH) + 81 * (GRADIENT_BLOCK * (ins + columns) + 2 * WIDTH)))
    sums = empty((max(1, round(count / PIECE)), 1, columns // WIDTH, 9 * ins + 1, WIDTH))
    starts = [-before for before in windows.before[1:]]
    sizes = np.array([batch, *windows.n[1:], ins, *windows.out[1:], outs, *starts, 0, 0])
    gw, gb = empty(shape), np.empty(outs, np.float32)
    gather(x, y, sizes, work, np.zeros(threads, np.int64), POINTS, FIRST, sums, gw.reshape(gw.size), gb)
    return gw, gb


@kernel
def gather(x, y, sizes, work, taken, points, of, sums, gw, gb):
    ins, outs = sizes[3], sizes[6]
    down, across = tiles_of(sizes, 4)
    outside = np.zeros(max(ins, outs), np.float32)
    arguments = (sizes[0] * down * across, x, y, sizes, work, taken, points, of, sums, outside)
    parallel(pieces, len(sums), 1, arguments)
    parallel(add_pieces, outs, 4, (sums, ins, gw, gb))


@part
def pieces(lo, hi, count, x, y, sizes, work, taken, points, of, sums, outside):
    batch, rows, columns, ins, height, width, outs, start_h, start_w, _, _ = sizes
    down, across = tiles_of(sizes, 4)
    wide = sums.shape[2] * WIDTH
    v_pitch, w_pitch = 4 * (GRADIENT_BLOCK * ins + WIDTH), 4 * (GRADIENT_BLOCK * wide + WIDTH)
    u_pitch = 4 * (ins * wide + WIDTH)
    at, bt = points * v_pitch, points * w_pitch
    table, bias = np.empty(81, np.int64), np.empty(outs, np.float32)
    desk = claim(taken)
    u = address(work[desk])
    v = u + 36 * u_pitch
    g = v + 81 * v_pitch
    ahead, grid = np.zeros((2, 2), np.int64), (down, across, count)
    shares = 81 * ((ins + ROWS - 1) // ROWS) * (wide // COLUMNS)
    for piece in range(lo, hi):
        work[desk][: 36 * (ins * wide + WIDTH)] = np.float32(0)
        bias[:] = np.float32(0)
        start, end = count * piece // len(sums), count * (piece + 1) // len(sums)
        for first in range(start, end, GRADIENT_BLOCK):
            now, next = min(GRADIENT_BLOCK, end - first), first + GRADIENT_BLOCK
            for tile in range(now):
                image, place = (first + tile) // (down * across), (first + tile) % (down * across)
                top, left = place // across * 4, place % across * 4
                places(table, 4, address(y), image, top, left, height, width, outs, address(outside))
                gradients_to_points(address(table), g + 4 * tile * wide, w_pitch, address(bias), outs // WIDTH)
                top, left = 2 * top + start_h, 2 * left + start_w
                places(table, 9, address(x), image, top, left, rows, columns, ins, address(outside))
                inputs_to_points(address(table), v + 4 * tile * ins, v_pitch, ins // WIDTH)
            of_x = look_ahead(ahead[0], x, next, GRADIENT_BLOCK, grid, 8, start_h, 9, (rows, columns), ins, shares)
            of_y = look_ahead(ahead[1], y, next, GRADIENT_BLOCK, grid, 4, 0, 4, (height, width), outs, shares)
            for weight in range(36):
                mine, several = 8 * of[weight], of[weight + 1] - of[weight]
                for strip in range(0, outs, COLUMNS):
                    for i in range(0, ins, ROWS):
                        approach(ahead[0], of_x * several)
                        approach(ahead[1], of_y * several)
                        tiles(
                            min(ROWS, ins - i), v + 4 * i, address(at) + mine, 4, 4 * ins,
                            g + 4 * strip, address(bt) + mine, 4 * wide, several, now,
                            u + weight * u_pitch + 4 * (i * wide + strip), 4 * wide, 0, ADD,
                        )  # fmt: skip
        for vector in range(outs // WIDTH):
            found = sums[piece, 0, vector]
            for lane in range(WIDTH):
                found[9 * ins, lane] = bias[vector * WIDTH + lane]
            for i in range(ins):
                taps_from_points(u + 4 * (i * wide + vector * WIDTH), u_pitch, address(found[9 * i :]))
    leave(taken, desk)
