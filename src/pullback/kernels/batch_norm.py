"""Batch normalisation: a channel's plane is in the cache while it is worked on; channels-last, rows go by together.

x is seen as [n c d], or, where channels are last in memory, as rows of channels. In both, the mean is subtracted in two
parts, as in `norm`. Kept are the inputs, and for each channel the mean's two parts and r.
"""

from math import gcd

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.norm import centred_at
from pullback.kernels.threads import parallel

f = np.float32
CHUNKS = 64  # of rows, whose sums are added up in the end
LEAST = 1 << 14  # elements that are worth a chunk of their own


def takes(rule, x, m, v, w, b):
    return 0 not in x.shape


# Planes: x[n c d].


@part
def planes(lo, hi, x, w, b, y, statistics, var, eps, training):
    n, _, d = x.shape
    for c in range(lo, hi):
        if training:
            total = 0.0
            for i in range(n):
                total += sum_of(x[i, c])
            mean = f(total / (n * d))
            total = square = 0.0
            for i in range(n):
                some, more = moments_of(x[i, c], mean)
                total += some
                square += more
            rest = total / (n * d)
            var[c] = square / (n * d) - rest * rest
            var[c] = 0.0 if var[c] < 0.0 else var[c]
            statistics[c, 0], statistics[c, 1], statistics[c, 2] = mean, f(rest), f(1.0 / np.sqrt(var[c] + eps))
        mean, rest, r = statistics[c, 0], statistics[c, 1], statistics[c, 2]
        for i in range(n):
            row, out = x[i, c], y[i, c]
            for j in range(d):
                out[j] = centred_at(row[j], mean, rest) * r * w[c] + b[c]


@part
def sum_of(x):
    total = f(0)
    for j in range(x.size):
        total += x[j]
    return total


@part
def moments_of(x, mean):
    some, more = f(0), f(0)
    for j in range(x.size):
        z = x[j] - mean
        some += z
        more += z * z
    return some, more


@part
def pulled_planes(lo, hi, gy, x, w, statistics, gx, gw, gb, training):
    n, _, d = x.shape
    for c in range(lo, hi):
        mean, rest, r = statistics[c, 0], statistics[c, 1], statistics[c, 2]
        straight = along = 0.0
        for i in range(n):
            g, row = gy[i, c], x[i, c]
            some, more = f(0), f(0)
            for j in range(d):
                some += g[j]
                more += g[j] * centred_at(row[j], mean, rest) * r
            straight += some
            along += more
        gw[c], gb[c] = along, straight
        scale, away, slope = w[c] * r, f(straight / (n * d)), f(along / (n * d))
        if not training:
            away = slope = f(0)
        for i in range(n):
            g, row, out = gy[i, c], x[i, c], gx[i, c]
            for j in range(d):
                out[j] = scale * (g[j] - (away + centred_at(row[j], mean, rest) * r * slope))


@kernel
def fill_planes(x, w, b, y, statistics, var, eps, training):
    chunk = max(1, LEAST * x.shape[1] // x.size)
    parallel(planes, x.shape[1], chunk, (x, w, b, y, statistics, var, eps, training))


@kernel
def pull_planes(gy, x, w, statistics, gx, gw, gb, training):
    chunk = max(1, LEAST * x.shape[1] // x.size)
    parallel(pulled_planes, x.shape[1], chunk, (gy, x, w, statistics, gx, gw, gb, training))


# Rows of channels: x[i c].


@part
def column_sums(lo, hi, x, mean, sums, step):
    """Σ (x - mean) and Σ (x - mean)², of each chunk."""
    for i in range(lo, hi):
        row, some, more = x[i], sums[0, i // step], sums[1, i // step]
        for c in range(row.size):
            z = np.float64(row[c] - mean[c])
            some[c] += z
            more[c] += z * z


@part
def columns(lo, hi, x, scale, b, y, mean, rest):
    for i in range(lo, hi):
        row, out = x[i], y[i]
        for c in range(row.size):
            out[c] = centred_at(row[c], mean[c], rest[c]) * scale[c] + b[c]


@part
def pulled_column_sums(lo, hi, gy, x, mean, rest, sums, step):
    """Σ gy and Σ gy (x - mean), of each chunk."""
    for i in range(lo, hi):
        g, row, some, more = gy[i], x[i], sums[0, i // step], sums[1, i // step]
        for c in range(row.size):
            some[c] += np.float64(g[c])
        for c in range(row.size):
            more[c] += np.float64(g[c] * centred_at(row[c], mean[c], rest[c]))


@part
def pulled_columns(lo, hi, gy, x, mean, rest, scale, away, slope, gx):
    for i in range(lo, hi):
        g, row, out = gy[i], x[i], gx[i]
        for c in range(row.size):
            out[c] = scale[c] * ((g[c] - away[c]) - centred_at(row[c], mean[c], rest[c]) * slope[c])


@kernel
def fill_columns(x, w, b, y, statistics, var, eps, training, step):
    """Rows of several pixels, side by side."""
    rows, wide = x.shape
    if training:
        count, sums = rows * wide // w.size, np.zeros((2, (rows + step - 1) // step, wide))
        parallel(column_sums, rows, step, (x, np.zeros(wide, f), sums, step))
        totals = added(sums, w.size)[0]
        for c in range(w.size):
            statistics[c, 0] = f(totals[c] / count)
        again = np.zeros_like(sums)
        parallel(column_sums, rows, step, (x, spelled(statistics[:, 0], wide), again, step))
        some, more = added(again, w.size)
        for c in range(w.size):
            rest = some[c] / count
            var[c] = more[c] / count - rest * rest
            var[c] = 0.0 if var[c] < 0.0 else var[c]
            statistics[c, 1], statistics[c, 2] = f(rest), f(1.0 / np.sqrt(var[c] + eps))
    mean, rest = spelled(statistics[:, 0], wide), spelled(statistics[:, 1], wide)
    scale = spelled(multiplied(statistics[:, 2], w), wide)
    parallel(columns, rows, step, (x, scale, spelled(b, wide), y, mean, rest))


@kernel
def pull_columns(gy, x, w, statistics, gx, gw, gb, training, step):
    rows, wide = x.shape
    count, sums = rows * wide // w.size, np.zeros((2, (rows + step - 1) // step, wide))
    mean, rest = spelled(statistics[:, 0], wide), spelled(statistics[:, 1], wide)
    parallel(pulled_column_sums, rows, step, (gy, x, mean, rest, sums, step))
    straight, along = added(sums, w.size)
    away, slope = np.zeros(w.size, f), np.zeros(w.size, f)
    for c in range(w.size):
        r = np.float64(statistics[c, 2])
        gw[c], gb[c] = along[c] * r, straight[c]
        if training:
            away[c], slope[c] = f(straight[c] / count), f(along[c] * r * r / count)
    scale = spelled(multiplied(statistics[:, 2], w), wide)
    given = gy, x, mean, rest, scale, spelled(away, wide), spelled(slope, wide), gx
    parallel(pulled_columns, rows, step, given)


# Loops, where NumPy would do without: Numba takes seconds to compile operations on whole arrays.


@part
def multiplied(a, b):
    out = np.empty(b.size, f)
    for c in range(b.size):
        out[c] = a[c] * b[c]
    return out


@part
def spelled(a, wide):
    """A number per channel, for every place in a row."""
    out = np.empty(wide, f)
    for j in range(0, wide, a.size):
        for c in range(a.size):
            out[j + c] = a[c]
    return out


@part
def added(sums, channels):
    """The two sums of each channel, over all chunks and all places of a row."""
    found = np.zeros((2, channels))
    for k in range(2):
        for i in range(sums.shape[1]):
            for j in range(0, sums.shape[2], channels):
                for c in range(channels):
                    found[k, c] += sums[k, i, j + c]
    return found


# What both share.


def channels_last(x):
    """x with its channels behind, if that is how it lies in memory; else None."""
    z = np.moveaxis(x, 1, -1)
    return z if z.flags.c_contiguous and z.shape[-1] > 1 else None


def in_rows(z):
    """How channels-last memory is seen: rows of several pixels side by side, where few channels make a short row; and
    how many rows make a chunk."""
    channels, count = z.shape[-1], z.size // z.shape[-1]
    times = gcd(count, max(1, 512 // channels))
    rows = count // times
    return (rows, times * channels), max(1, LEAST // (times * channels), -(-rows // CHUNKS))


def forward(rule, x, m, v, w, b):
    w, b = plain(w), plain(b)
    statistics, var = np.zeros((w.size, 3), f), np.empty(w.size)
    if not rule.training:
        statistics[:, 0], statistics[:, 2] = m, 1 / np.sqrt(v.astype(float) + rule.eps)
    z = channels_last(x)
    if z is None:
        z, y = plain(x).reshape(*x.shape[:2], -1), empty(x.shape)
        fill_planes(z, w, b, y.reshape(z.shape), statistics, var, rule.eps, rule.training)
    else:
        (shape, step), y = in_rows(z), empty(z.shape)
        fill_columns(z.reshape(shape), w, b, y.reshape(shape), statistics, var, rule.eps, rule.training, step)
        y = np.moveaxis(y, -1, 1)
    kept = (x, m, v, w, b, statistics)
    if not rule.training:
        return y, kept
    count, rate = x.size // w.size, rule.momentum
    mean = statistics[:, 0].astype(float) + statistics[:, 1]
    moved = (1 - rate) * m + rate * mean, (1 - rate) * v + rate * (var * (count / max(count - 1, 1)))
    return (y, *(a.astype(f) for a in moved)), kept


def vjp(rule, gy, x, m, v, w, b, statistics):
    z, gw, gb = channels_last(x), np.empty(w.size, f), np.empty(w.size, f)
    if z is None:
        shape = (*x.shape[:2], x.size // (x.shape[0] * x.shape[1]))
        gx = empty(x.shape)
        z, g = plain(x).reshape(shape), plain(gy).reshape(shape)
        pull_planes(g, z, w, statistics, gx.reshape(shape), gw, gb, rule.training)
        return gx, gw, gb
    (shape, step), gx = in_rows(z), empty(z.shape)
    g = plain(np.moveaxis(gy, 1, -1)).reshape(shape)
    pull_columns(g, z.reshape(shape), w, statistics, gx.reshape(shape), gw, gb, rule.training, step)
    return np.moveaxis(gx, -1, 1), gw, gb


def saved(rule, x, m, v, w, b, statistics):
    return rule.forward(x, m, v, w, b)[1]
