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
    """3 × 3, stride 2, whole strips of channels, weights at the points that stay in the second cache, enough tiles to
    pay for their transform, and lines so short that the tiles of a block lie together.

    Planes count as images: as many come out as go in.
    """
    return (
        groups == 1
        and windows.n[0] == windows.out[0]
        and windows.kernel == (1, 3, 3)
        and windows.stride == (1, 2, 2)
        and windows.dilation == (1, 1, 1)
        and channels % COLUMNS == outs % COLUMNS == 0
        and 36 * 4 * channels * outs <= SECOND
        and batch * windows.out[1] * windows.out[2] >= 256
        and windows.out[2] <= 4 * BLOCK
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

    In x, tiles begin at an odd place, counted from the padding on: one window meets it, with its middle tap. With that
    window they begin in y.
    """
    starts = [(before - 1) // 2 for before in windows.before[1:]]
    firsts = [before % 2 - 1 for before in windows.before[1:]]
    fits = filled([n - first for n, first in zip(windows.n[1:], firsts)], 8)
    return fits and run(y, w, b, x, windows.out, windows.n, starts, firsts, 0, True)


def run(x, w, b, y, n, out, starts, firsts, flags, back):
    """`starts`, `firsts`: where the first tile begins, in x and in y."""
    outs, ins = (w.shape[1], w.shape[0]) if back else (w.shape[0], w.shape[1])
    batch = x.size // (n[1] * n[2] * ins)
    u = empty((36 * (ins * outs + WIDTH),))
    shifts = np.zeros(outs, np.float32)
    if b is not None:
        shifts[:] = b
    threads = get_threads()
    work = empty((threads, 81 * (BLOCK * (ins + outs) + 2 * WIDTH)))
    sizes = np.array([batch, *n[1:], ins, *out[1:], outs, *starts, *firsts])
    taken = np.zeros(threads, np.int64)
    return convolve(x, w.reshape(w.size), shifts, y, sizes, back, flags, u, work, taken, POINTS, FIRST)


@kernel
def convolve(x, w, shifts, y, sizes, back, flags, u, work, taken, points, of):
    ins, outs = sizes[3], sizes[6]
    count = tiles_in(sizes, back)
    outside = np.zeros(max(ins, outs), np.float32)
    strange = np.zeros(1, np.int64)
    parallel(weights, outs // COLUMNS * ins, 32, (w, u, ins, outs, back))
    arguments = (count, x, u, shifts, y, sizes, back, flags, work, taken, points, of, outside, strange)
    parallel(blocks, (count + BLOCK - 1) // BLOCK, 1, arguments)
    return strange[0] == 0


@part
def grids(sizes, back):
    """How tiles lie in x and in y: how many from top to bottom and from left to right, how far apart, where the first
    one begins; and the image, with its channels."""
    _, rows, columns, ins, height, width, outs, start_h, start_w, first_h, first_w = sizes
    step, size = (4, 8) if back else (8, 4)
    down, across = (height - first_h + size - 1) // size, (width - first_w + size - 1) // size
    of_x = (down, across, step, start_h, start_w, rows, columns, ins)
    return of_x, (down, across, size, first_h, first_w, height, width, outs)


@part
def tiles_in(sizes, back):
    """How many there are."""
    grid, _ = grids(sizes, back)
    return sizes[0] * grid[0] * grid[1]


@part
def corner_of(grid, tile):
    """Its image, and where in it the tile begins."""
    down, across, step, top, left = grid[:5]
    return tile // (down * across), tile // across % down * step + top, tile % across * step + left


@part
def tile_places(table, n, grid, tile, x, outside):
    """Addresses of the n × n pixels from a tile's corner on."""
    image, top, left = corner_of(grid, tile)
    height, width, channels = grid[5:]
    places(table, n, address(x), image, top, left, height, width, channels, address(outside))


@part
def look_ahead(ahead, x, grid, first, end, parts):
    """Where in memory the rows of some tiles lie, with the row that the next ones share; how many lines for every part
    of the work."""
    step, (height, width, channels) = grid[2], grid[5:]
    if first >= end:
        return 0
    image, top, _ = corner_of(grid, first)
    last_image, bottom, _ = corner_of(grid, end - 1)
    begin, beyond = image * height + max(0, top), last_image * height + min(height, bottom + step + 1)
    return aim(ahead, x, begin * width * channels, beyond * width * channels) // parts + 1


@part
def weights(lo, hi, w, u, ins, outs, back):
    """w [outs ins 9] (back: [ins outs 9], taps reversed) -> u [36 strips ins COLUMNS]"""
    taps, pitch = np.zeros((9, WIDTH), np.float32), 4 * (ins * outs + WIDTH)
    for job in range(lo, hi):
        for first in range(0, COLUMNS, WIDTH):
            bring_taps(w, job // ins * COLUMNS + first, job % ins, ins, outs, back, taps)
            taps_to_points(address(taps), address(u) + job * STRIP + 4 * first, pitch)


@part
def blocks(lo, hi, count, x, u, shifts, y, sizes, back, flags, work, taken, points, of, outside, strange):
    ins, outs, strips = sizes[3], sizes[6], sizes[6] // COLUMNS
    of_x, of_y = grids(sizes, back)
    v_pitch, m_pitch, u_pitch = 4 * (BLOCK * ins + WIDTH), 4 * (BLOCK * outs + WIDTH), 4 * (ins * outs + WIDTH)
    table, nowhere = np.empty(81, np.int64), np.empty(outs, np.float32)
    desk = claim(taken)
    v = address(work[desk])
    m = v + 81 * v_pitch
    ahead = np.zeros((2, 2), np.int64)
    for job in range(lo, hi):
        first, end, beyond = job * BLOCK, min(count, (job + 1) * BLOCK), min(count, (job + 2) * BLOCK)
        for tile in range(first, end):
            here = v + 4 * (tile - first) * ins
            tile_places(table, 5 if back else 9, of_x, tile, x, outside)
            if back:
                back_inputs_to_points(address(table), here, v_pitch, ins // WIDTH)
            else:
                inputs_to_points(address(table), here, v_pitch, ins // WIDTH)
        lines_x = look_ahead(ahead[0], x, of_x, end, beyond, 81 * strips)
        lines_y = look_ahead(ahead[1], y, of_y, first, end, 81 * strips)
        for weight in range(36):
            for strip in range(strips):
                for point in points[of[weight] : of[weight + 1]]:
                    approach(ahead[0], lines_x)
                    approach(ahead[1], lines_y)
                    tiles(
                        end - first, v + point * v_pitch, unshifted(), 4 * ins, 4,
                        address(u) + weight * u_pitch + strip * ins * STRIP, unshifted(), STRIP, 1, ins,
                        m + point * m_pitch + strip * STRIP, 4 * outs, 0, 0,
                    )  # fmt: skip
        for tile in range(first, end):
            here, shift = m + 4 * (tile - first) * outs, address(shifts)
            tile_places(table, 8 if back else 4, of_y, tile, y, nowhere)
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
    count = batch * -(-windows.out[1] // 4) * -(-windows.out[2] // 4)
    threads = get_threads()
    work = empty((threads, 36 * (ins * outs + WIDTH) + 81 * (GRADIENT_BLOCK * (ins + outs) + 2 * WIDTH)))
    sums = empty((max(1, round(count / PIECE)), 1, outs // WIDTH, 9 * ins + 1, WIDTH))
    starts = [-before for before in windows.before[1:]]
    sizes = np.array([batch, *windows.n[1:], ins, *windows.out[1:], outs, *starts, 0, 0])
    gw, gb = empty(shape), np.empty(outs, np.float32)
    gather(x, y, sizes, work, np.zeros(threads, np.int64), POINTS, FIRST, sums, gw.reshape(gw.size), gb)
    return gw, gb


@kernel
def gather(x, y, sizes, work, taken, points, of, sums, gw, gb):
    ins, outs = sizes[3], sizes[6]
    outside = np.zeros(max(ins, outs), np.float32)
    arguments = (tiles_in(sizes, False), x, y, sizes, work, taken, points, of, sums, outside)
    parallel(pieces, len(sums), 1, arguments)
    parallel(add_pieces, outs, 4, (sums, ins, gw, gb))


@part
def pieces(lo, hi, count, x, y, sizes, work, taken, points, of, sums, outside):
    ins, outs = sizes[3], sizes[6]
    of_x, of_y = grids(sizes, False)
    v_pitch, w_pitch = 4 * (GRADIENT_BLOCK * ins + WIDTH), 4 * (GRADIENT_BLOCK * outs + WIDTH)
    u_pitch = 4 * (ins * outs + WIDTH)
    at, bt = points * v_pitch, points * w_pitch
    table, bias = np.empty(81, np.int64), np.empty(outs, np.float32)
    desk = claim(taken)
    u = address(work[desk])
    v = u + 36 * u_pitch
    g = v + 81 * v_pitch
    ahead = np.zeros((2, 2), np.int64)
    parts = 81 * (outs // COLUMNS) * ((ins + ROWS - 1) // ROWS)
    for piece in range(lo, hi):
        work[desk][: 36 * (ins * outs + WIDTH)] = np.float32(0)
        bias[:] = np.float32(0)
        start, stop = count * piece // len(sums), count * (piece + 1) // len(sums)
        for first in range(start, stop, GRADIENT_BLOCK):
            end, beyond = min(stop, first + GRADIENT_BLOCK), min(count, first + 2 * GRADIENT_BLOCK)
            for tile in range(first, end):
                tile_places(table, 4, of_y, tile, y, outside)
                here = g + 4 * (tile - first) * outs
                gradients_to_points(address(table), here, w_pitch, address(bias), outs // WIDTH)
                tile_places(table, 9, of_x, tile, x, outside)
                inputs_to_points(address(table), v + 4 * (tile - first) * ins, v_pitch, ins // WIDTH)
            lines_x = look_ahead(ahead[0], x, of_x, end, beyond, parts)
            lines_y = look_ahead(ahead[1], y, of_y, end, beyond, parts)
            for weight in range(36):
                mine, several = 8 * of[weight], of[weight + 1] - of[weight]
                for strip in range(0, outs, COLUMNS):
                    for i in range(0, ins, ROWS):
                        approach(ahead[0], lines_x * several)
                        approach(ahead[1], lines_y * several)
                        tiles(
                            min(ROWS, ins - i), v + 4 * i, address(at) + mine, 4, 4 * ins,
                            g + 4 * strip, address(bt) + mine, 4 * outs, several, end - first,
                            u + weight * u_pitch + 4 * (i * outs + strip), 4 * outs, 0, ADD,
                        )  # fmt: skip
        for vector in range(outs // WIDTH):
            found = sums[piece, 0, vector]
            for lane in range(WIDTH):
                found[9 * ins, lane] = bias[vector * WIDTH + lane]
            for i in range(ins):
                taps_from_points(u + 4 * (i * outs + vector * WIDTH), u_pitch, address(found[9 * i :]))
    leave(taken, desk)
