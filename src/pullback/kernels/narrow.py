"""Convolution from few channels to few: vectors run along the line, where the channels of a pixel would not fill one.

    forward   y[o, w] = Σ(i h) Σk w[o, i h, k] x[i h, w + k]            vectors of pixels w, for every line
    weight    gw[o, k i h] = Σw gy[w, o] s[w + k, i h]                  vectors of taps; s: all that stand in a column

Both are products as they stand: the tile finds the weights, and the gradients, where they lie. A job is a band of lines
of one image: what it writes down stays in the first cache. Vectors are written one over the tail of another: only the
last one of a line has to know where it ends.
"""

import numpy as np

from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, WIDTH, address, copy8, tiles, transpose8

BAND, UNIT = 32, 256  # lines of a job; pixels that a weight gradient adds at once
PIECES = 16  # of a weight gradient, whatever the number of threads
MOST = 8  # outputs, and taps down a column times channels: what one transpose, or one vector, moves


def suits(windows, groups, outs, ins):
    """Stride 1, half a vector would be empty, and the weights are more than a matrix."""
    return (
        groups == windows.kernel[0] == windows.n[0] == 1
        and windows.stride == windows.dilation == (1, 1, 1)
        and outs <= MOST <= WIDTH
        and windows.kernel[1] <= MOST
        and ins <= 4
        and min(windows.n[2], windows.out[2]) >= MOST
        and windows.kernel[2] > 1
    )


def correlate(x, w, b, windows, y):
    """direct.correlate"""
    shifts = np.zeros(len(w), np.float32) if b is None else b
    convolve(x, w.reshape(w.size), shifts, y, sizes(x, w.shape, windows))


def weigh(y, x, windows, shape):
    """direct_weights.weigh"""
    gw, gb = empty(shape), np.empty(shape[0], np.float32)
    gather(x, y, sizes(x, shape, windows), gw.reshape(*shape[:2], *windows.kernel[1:]), gb)
    return gw, gb


def sizes(x, shape, windows):
    """batch, outs, ins, and per axis: input, output, kernel, padding before."""
    (_, *n), (_, *out), (_, *before) = windows.n, windows.out, windows.before
    return np.array([x.size // (n[0] * n[1] * shape[1]), *shape[:2], *n, *out, *windows.kernel[1:], *before])


@part
def framed(x, image, i, top, sizes, lines):
    """Lines of channel i from `top` on, as the windows see them; around what is there, `lines` holds zeros."""
    _, _, ins, height, width, _, _, _, _, _, before = sizes
    for h in range(len(lines)):
        inside = lines[h, before:][:width]
        if top + h < 0 or top + h >= height:
            inside[:] = np.float32(0)
            continue
        source = x[(image * height + top + h) * width * ins + i :]
        if ins == 1:
            for w in range(0, width, MOST):
                here = 4 * min(w, width - MOST)
                copy8(address(inside) + here, address(source) + here)
        else:
            for w in range(width):
                inside[w] = source[w * ins]


@kernel
def convolve(x, w, b, y, sizes):
    jobs = sizes[0] * ((sizes[5] + BAND - 1) // BAND)
    parallel(forward_bands, jobs, max(1, jobs // 16), (x, w, b, y, sizes))


@part
def forward_bands(lo, hi, x, w, b, y, sizes):
    _, outs, ins, _, _, height, width, down, across, before, _ = sizes
    bands, strips = (height + BAND - 1) // BAND, (width + COLUMNS - 1) // COLUMNS
    lines = np.zeros((ins, min(height, BAND) + down - 1, strips * COLUMNS + across - 1), np.float32)
    found = np.zeros((MOST, COLUMNS), np.float32)
    at, bt = np.empty(ins * down, np.int64), np.empty(ins * down, np.int64)
    for t in range(ins * down):
        at[t], bt[t] = 4 * t * across, t // down * lines.strides[0] + t % down * lines.strides[1]
    for job in range(lo, hi):
        image, top = job // bands, job % bands * BAND
        high = min(BAND, height - top)
        for i in range(ins):
            framed(x, image, i, top - before, sizes, lines[i, : high + down - 1])
        for h in range(high):
            for strip in range(strips):
                here = address(lines) + h * lines.strides[1] + strip * STRIP
                tiles(
                    outs, address(w), address(at), 4 * ins * down * across, 4, here, address(bt), 4, ins * down, across,
                    address(found), STRIP, 0, 0,
                )  # fmt: skip
                first, start = strip * COLUMNS, (image * height + top) * width * outs
                here = y[start : start + high * width * outs][(h * width + first) * outs :]
                turn(found, b, here, min(COLUMNS, width - first))


@part
def turn(found, b, y, pixels):
    """[outs pixels] -> [pixels outs], + b; behind them y may be written to, as far as it goes."""
    outs, p = b.size, 0
    for o in range(outs):
        line, shift = found[o], b[o]
        for j in range(COLUMNS):
            line[j] += shift
    while p < pixels:
        first = min(p, pixels - MOST)
        if first >= 0 and (first + MOST - 1) * outs + MOST <= y.size:
            transpose8(address(found) + 4 * first, STRIP, address(y) + 4 * first * outs, 4 * outs)
            p += MOST
        else:
            pixel = y[p * outs :]
            for o in range(outs):
                pixel[o] = found[o, p]
            p += 1


@kernel
def gather(x, y, sizes, gw, gb):
    batch, outs, ins, _, _, height, width, down, across, _, _ = sizes
    units = batch * ((height + BAND - 1) // BAND)
    strips = (across * ins * down + COLUMNS - 1) // COLUMNS
    sums = np.zeros((min(PIECES, units), outs * strips * COLUMNS), np.float32)
    biases = np.zeros((len(sums), width * outs), np.float32)
    parallel(weight_pieces, len(sums), 1, (x, y, sizes, units, strips, sums, biases))
    for piece in range(1, len(sums)):
        add(sums[0], sums[piece])
        add(biases[0], biases[piece])
    found = sums[0].reshape(outs, strips * COLUMNS)
    for o in range(outs):
        gb[o] = biases[0, o::outs].sum()
        for k in range(across):
            for i in range(ins):
                for h in range(down):
                    gw[o, i, h, k] = found[o, (k * ins + i) * down + h]


@part
def weight_pieces(lo, hi, x, y, sizes, units, strips, sums, biases):
    _, outs, ins, _, _, height, width, down, across, before, _ = sizes
    bands, seen, high = (height + BAND - 1) // BAND, width + across - 1, min(height, BAND)
    lines = np.zeros((ins, -(-(high + down - 1) // MOST) * MOST, -(-seen // MOST) * MOST), np.float32)
    columns = np.zeros((ins, lines.shape[2], lines.shape[1] + MOST), np.float32)
    woven = np.zeros((high, seen * ins * down + COLUMNS), np.float32)
    at, bt = np.arange(high) * (4 * width * outs), np.arange(high) * woven.strides[0]
    some = max(1, UNIT // width)
    for piece in range(lo, hi):
        for unit in range(units * piece // len(sums), units * (piece + 1) // len(sums)):
            image, top = unit // bands, unit % bands * BAND
            high = min(BAND, height - top)
            for i in range(ins):
                framed(x, image, i, top - before, sizes, lines[i, : high + down - 1])
            weave(lines, high, seen, down, columns, woven)
            start = (image * height + top) * width * outs
            for h in range(high):
                add(biases[piece], y[start + h * width * outs :][: width * outs])
            for h in range(0, high, some):
                for strip in range(strips):
                    tiles(
                        outs, address(y) + 4 * start, address(at[h:]), 4, 4 * outs,
                        address(woven) + strip * STRIP, address(bt[h:]), 4 * ins * down, min(some, high - h), width,
                        address(sums[piece]) + strip * STRIP, strips * STRIP, 0, ADD,
                    )  # fmt: skip


@part
def weave(lines, high, seen, down, columns, woven):
    """[i h w] -> [h w (i t)], t the taps down from h on."""
    ins = len(lines)
    for i in range(ins):
        for h in range(0, lines.shape[1], MOST):
            for w in range(0, lines.shape[2], MOST):
                source, target = address(lines[i, h, w:]), address(columns[i, w, h:])
                transpose8(source, lines.strides[1], target, columns.strides[1])
    for h in range(high):
        target = address(woven[h])
        for w in range(seen):
            for i in range(ins):
                copy8(target, address(columns[i, w, h:]))
                target += 4 * down


@part
def add(total, some):
    for j in range(some.size):
        total[j] += some[j]
