"""Convolution with 3 × 3 kernels at stride 1 by Winograd's F(4×4, 3×3): a quarter of the multiplications.

Blocks of tiles of 4 × 4 outputs: the 6 × 6 inputs of every tile go to 36 points, at every point there is one small
product over the channels, and back. A block stays in the second-level cache all the while.

    forward   y tiles  = back of  Σc V[point, tile, c] U[point, c, o]         V inputs, U weights at the points
    input     the same of gy, with the flipped weights
    weight    gw       = back of  Σ tiles V[point, tile, c] W[point, tile, o]  W gradients at the points

Rounding: two to three times that of the direct sum, the largest four times. Of the root mean square of a result, errors
of normal numbers are below 2·10⁻⁶ in root mean square, and the largest below 3·10⁻⁵. inf and nan would spread over a
whole tile: where a result is not finite, the functions here say so, and the caller computes it directly.
"""

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import get_threads, parallel, put
from pullback.kernels.tile import ADD, COLUMNS, STRIP, WIDTH, address, tiles, unshifted
from pullback.kernels.winograd_tile import (
    gradients_to_points,
    inputs_to_points,
    outputs_from_points,
    taps_from_points,
    taps_to_points,
)

BLOCK, GRADIENT_BLOCK = 36, 48  # tiles: at 64 channels the points of a block fill half of a second-level cache
PIECE = 512  # tiles that one job of a weight gradient adds
DEPTH = 128  # channels of one sum; of more, sums are added up, for their rounding grows with their length


def suits(windows, groups, channels, outs, batch):
    """3 × 3, stride 1, whole vectors of channels, and enough tiles to pay for the transform of the weights.

    Planes count as images: as many come out as go in.
    """
    return (
        groups == 1
        and windows.n[0] == windows.out[0]
        and windows.kernel == (1, 3, 3)
        and windows.stride == windows.dilation == (1, 1, 1)
        and channels % WIDTH == outs % WIDTH == 0
        and batch * windows.out[1] * windows.out[2] >= 256
    )


def correlate(x, w, b, windows, y, flags=0, back=False):
    """direct.correlate; or False if something is not finite. `back`: with the weights' flipped transpose."""
    outs, ins = (w.shape[1], w.shape[0]) if back else (w.shape[0], w.shape[1])
    batch = x.size // (windows.n[1] * windows.n[2] * ins)
    strips = -(-outs // COLUMNS)
    u = empty((36 * (strips * ins * COLUMNS + WIDTH),))
    shifts = np.zeros(strips * COLUMNS, np.float32)
    if b is not None:
        shifts[:outs] = b
    threads = get_threads()
    work = empty((threads, 36 * (BLOCK * (ins + strips * COLUMNS) + 2 * WIDTH)))
    sizes = np.array([batch, *windows.n[1:], ins, *windows.out[1:], outs, *windows.before[1:]])
    return convolve(x, w.reshape(w.size), shifts, y, sizes, back, flags, u, work, np.zeros(threads, np.int64))


def spread(y, w, b, windows, x):
    """direct.spread; or False if something is not finite."""
    return correlate(y, w, b, turned(windows), x, back=True)


def turned(windows):
    """The windows of the transpose, at stride 1."""
    before = tuple(k - 1 - p for k, p in zip(windows.kernel, windows.before))
    return windows._replace(n=windows.out, out=windows.n, before=before)


@part
def claim(taken):
    """A desk that nobody works at."""
    while True:
        for desk in range(taken.size):
            if put(address(taken) + 8 * desk, 1) == 0:
                return desk


@part
def leave(taken, desk):
    put(address(taken) + 8 * desk, 0)


@kernel
def convolve(x, w, shifts, y, sizes, back, flags, u, work, taken):
    batch, _, _, ins, height, width, outs, _, _ = sizes
    strips, count = shifts.size // COLUMNS, batch * ((height + 3) // 4) * ((width + 3) // 4)
    outside = np.zeros(max(ins, outs), np.float32)
    strange = np.zeros(1, np.int64)
    parallel(weights, strips * ins, 32, (w, u, ins, outs, strips, back))
    arguments = (count, x, u, shifts, y, sizes, flags, work, taken, outside, strange)
    parallel(blocks, (count + BLOCK - 1) // BLOCK, 1, arguments)
    return strange[0] == 0


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
def bring_taps(w, first, i, ins, outs, back, taps):
    """The taps from input i to a vector of outputs; zeros where there are no outputs any more."""
    per_in, per_out = (outs * 9, 9) if back else (9, ins * 9)
    for lane in range(WIDTH):
        o = first + lane
        if o < outs:
            source = w[o * per_out + i * per_in :][:9]
            for t in range(9):
                taps[t, lane] = source[8 - t] if back else source[t]
        else:
            taps[:, lane] = np.float32(0)


@part
def places(table, n, base, image, top, left, height, width, channels, outside):
    """Addresses of the n × n pixels from (top, left) on; `outside` for those that are not there."""
    for i in range(n):
        for j in range(n):
            h, w = top + i, left + j
            inside = h >= 0 and h < height and w >= 0 and w < width
            table[n * i + j] = base + 4 * ((image * height + h) * width + w) * channels if inside else outside


@part
def blocks(lo, hi, count, x, u, shifts, y, sizes, flags, work, taken, outside, strange):
    batch, rows, columns, ins, height, width, outs, before_h, before_w = sizes
    across, down = (width + 3) // 4, (height + 3) // 4
    wide = shifts.size
    strips = wide // COLUMNS
    v_pitch, m_pitch, u_pitch = 4 * (BLOCK * ins + WIDTH), 4 * (BLOCK * wide + WIDTH), 4 * (ins * wide + WIDTH)
    table, nowhere = np.empty(36, np.int64), np.empty(outs, np.float32)
    desk = claim(taken)
    v = address(work[desk])
    m = v + 36 * v_pitch
    for job in range(lo, hi):
        first = job * BLOCK
        now = min(BLOCK, count - first)
        for tile in range(now):
            image, place = (first + tile) // (down * across), (first + tile) % (down * across)
            top, left = place // across * 4 - before_h, place % across * 4 - before_w
            places(table, 6, address(x), image, top, left, rows, columns, ins, address(outside))
            inputs_to_points(address(table), v + 4 * tile * ins, v_pitch, ins // WIDTH)
        for point in range(36):
            for strip in range(strips):
                weights_here = address(u) + point * u_pitch + strip * ins * STRIP
                for i in range(0, ins, DEPTH):
                    tiles(
                        now, v + point * v_pitch + 4 * i, unshifted(), 4 * ins, 4,
                        weights_here + i * STRIP, unshifted(), STRIP, 1, min(DEPTH, ins - i),
                        m + point * m_pitch + strip * STRIP, 4 * wide, 0, ADD if i > 0 else 0,
                    )  # fmt: skip
        for tile in range(now):
            image, place = (first + tile) // (down * across), (first + tile) % (down * across)
            top, left = place // across * 4, place % across * 4
            places(table, 4, address(y), image, top, left, height, width, outs, address(nowhere))
            check = outputs_from_points(
                m + 4 * tile * wide, m_pitch, address(shifts), address(table), flags, outs // WIDTH
            )
            if check != 0:
                strange[0] = 1
    leave(taken, desk)


def weigh(y, x, windows, shape):
    """direct_weights.weigh; what is not finite comes out so."""
    outs, ins = shape[:2]
    batch = y.size // (windows.out[1] * windows.out[2] * outs)
    strips = -(-outs // COLUMNS)
    wide = strips  # strips of one job
    while wide > 1 and 36 * 4 * ins * wide * COLUMNS > 700_000:
        wide = -(-wide // 2)
    parts = -(-strips // wide)
    count = batch * -(-windows.out[1] // 4) * -(-windows.out[2] // 4)
    pieces = max(1, round(count / PIECE))
    threads = get_threads()
    columns = wide * COLUMNS
    work = empty((threads, 36 * (ins * columns + GRADIENT_BLOCK * (ins + columns) + 3 * WIDTH)))
    sums = empty((pieces, parts, columns // WIDTH, 9 * ins + 1, WIDTH))
    sizes = np.array([batch, *windows.n[1:], ins, *windows.out[1:], outs, *windows.before[1:]])
    gw, gb = empty(shape), np.empty(outs, np.float32)
    gather(x, y, sizes, work, np.zeros(threads, np.int64), sums, gw.reshape(gw.size), gb)
    return gw, gb


@kernel
def gather(x, y, sizes, work, taken, sums, gw, gb):
    batch, _, _, ins, height, width, outs, _, _ = sizes
    count = batch * ((height + 3) // 4) * ((width + 3) // 4)
    outside = np.zeros(max(ins, outs), np.float32)
    parallel(pieces, sums.shape[0] * sums.shape[1], 1, (count, x, y, sizes, work, taken, sums, outside))
    parallel(add_pieces, outs, 4, (sums, ins, gw, gb))


@part
def pieces(lo, hi, count, x, y, sizes, work, taken, sums, outside):
    batch, rows, columns, ins, height, width, outs, before_h, before_w = sizes
    across, down = (width + 3) // 4, (height + 3) // 4
    parts, vectors = sums.shape[1], sums.shape[2]
    wide = vectors * WIDTH
    v_pitch, w_pitch, u_pitch = (
        4 * (GRADIENT_BLOCK * ins + WIDTH),
        4 * (GRADIENT_BLOCK * wide + WIDTH),
        4 * (ins * wide + WIDTH),
    )
    table, bias = np.empty(36, np.int64), np.empty(wide, np.float32)
    desk = claim(taken)
    u = address(work[desk])
    v = u + 36 * u_pitch
    g = v + 36 * v_pitch
    for job in range(lo, hi):
        piece, part = job // parts, job % parts
        some = min(wide, outs - part * wide) // WIDTH
        work[desk][: 36 * (ins * wide + WIDTH)] = np.float32(0)
        bias[:] = np.float32(0)
        start, end = count * piece // sums.shape[0], count * (piece + 1) // sums.shape[0]
        for first in range(start, end, GRADIENT_BLOCK):
            now = min(GRADIENT_BLOCK, end - first)
            for tile in range(now):
                image, place = (first + tile) // (down * across), (first + tile) % (down * across)
                top, left = place // across * 4, place % across * 4
                places(
                    table, 6, address(x), image, top - before_h, left - before_w, rows, columns, ins, address(outside)
                )
                inputs_to_points(address(table), v + 4 * tile * ins, v_pitch, ins // WIDTH)
                base = address(y) + 4 * part * wide
                places(table, 4, base, image, top, left, height, width, outs, address(outside))
                gradients_to_points(address(table), g + 4 * tile * wide, w_pitch, address(bias), some)
            for point in range(36):
                for strip in range(0, some * WIDTH, COLUMNS):
                    tiles(
                        ins, v + point * v_pitch, unshifted(), 4, 4 * ins,
                        g + point * w_pitch + 4 * strip, unshifted(), 4 * wide, 1, now,
                        u + point * u_pitch + 4 * strip, 4 * wide, 0, ADD,
                    )  # fmt: skip
        for vector in range(some):
            found = sums[piece, part, vector]
            for lane in range(WIDTH):
                found[9 * ins, lane] = bias[vector * WIDTH + lane]
            for i in range(ins):
                taps_from_points(u + 4 * (i * wide + vector * WIDTH), u_pitch, address(found[9 * i :]))
    leave(taken, desk)


@part
def add_pieces(lo, hi, sums, ins, gw, gb):
    per_part = sums.shape[2] * WIDTH
    for o in range(lo, hi):
        part, vector, lane = o // per_part, o % per_part // WIDTH, o % WIDTH
        mine = gw[o * ins * 9 :][: ins * 9]
        total = np.float32(0)
        mine[:] = np.float32(0)
        for piece in range(sums.shape[0]):
            found = sums[piece, part, vector]
            total += found[9 * ins, lane]
            for k in range(9 * ins):
                mine[k] += found[k, lane]
        gb[o] = total
