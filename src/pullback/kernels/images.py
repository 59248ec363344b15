"""Batches of images in memory with the channels last, whatever their shape says.

Outside, an image is [... c *n]; inside, it is [batch d h w c] in one piece: the channels of a pixel are one vector,
and what a window sees is a few straight runs. The two are views of one memory, so that a chain of convolutions and
pools copies nothing. One or two spatial axes count as three.
"""

from functools import cache
from math import prod

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel
from pullback.kernels.tile import COLUMNS, address, copy_strip, load, store, transpose8


@cache
def order(axes, dims):
    """The channels behind the space."""
    return *range(axes - dims - 1), *range(axes - dims, axes), axes - dims - 1


@cache
def back(axes, dims):
    return *range(axes - dims - 1), axes - 1, *range(axes - dims - 1, axes - 1)


def channels_last(x, dims):
    """x, or a copy of it, with the channels last in memory: its shape stays [... c *n]."""
    found = x.transpose(order(x.ndim, dims))
    if found.flags.c_contiguous and found.flags.aligned:
        return x
    batch, (channels, *space) = x.shape[: x.ndim - dims - 1], x.shape[x.ndim - dims - 1 :]
    flat, y = result(batch, space, channels)
    turn(plain(x).reshape(prod(batch), channels, prod(space)), flat.reshape(prod(batch), prod(space), channels))
    return y


def flat(x, dims):
    """What `channels_last` made, as it lies in memory."""
    return x.transpose(order(x.ndim, dims)).reshape(x.size)


def result(batch, space, channels):
    """An array for a result, twice: as it lies in memory, and with the shape [... c *n] that the user sees."""
    y = empty((*batch, *space, channels))
    return y.reshape(y.size), y.transpose(back(y.ndim, len(space)))


@kernel
def turn(x, y):
    blocks = (x.shape[2] + 63) // 64
    parallel(turned, x.shape[0] * blocks, 8, (x, y, blocks))


@part
def turned(lo, hi, x, y, blocks):
    """[n c p] -> [n p c], 64 pixels a time."""
    for job in range(lo, hi):
        image, first = job // blocks, job % blocks * 64
        turn_block(x[image], y[image], first, min(first + 64, x.shape[2]))


@part
def turn_block(x, y, first, last):
    channels = x.shape[0]
    here, there, whole = address(x), address(y), channels & ~7
    even = first + ((last - first) & ~7)
    for p in range(first, even, 8):
        for c in range(0, whole, 8):
            source, target = here + c * x.strides[0] + 4 * p, there + p * y.strides[0] + 4 * c
            transpose8(source, x.strides[0], target, y.strides[0])
    for p in range(first, last):
        for c in range(whole if p < even else 0, channels):
            store(there + p * y.strides[0] + 4 * c, load(here + c * x.strides[0] + 4 * p))


def three(windows):
    """The same windows over three axes."""
    missing = 3 - len(windows.n)
    return type(windows)(*((one,) * missing + tuple(each) for one, each in zip((1, 1, 1, 1, 1, 0), windows)))


def framed(x, channels, n, before, size):
    """[batch *n c] -> [batch *size c] with zeros around, both flat: x itself where nothing is added.

    Behind the copy are as many floats of slack as a strip has, so that whole vectors can be read.
    """
    if n == size:
        return x
    batch = x.size // (channels * prod(n))
    out = empty((batch * prod(size) * channels + COLUMNS,))
    frame(x.reshape(batch, *n, channels), out[: batch * prod(size) * channels].reshape(batch, *size, channels), *before)
    return out


@kernel
def frame(x, y, d, h, w):
    parallel(framed_rows, y.shape[0] * y.shape[1] * y.shape[2], 16, (x, y, d, h, w))


@part
def framed_rows(lo, hi, x, y, d, h, w):
    depth, height, width, channels = y.shape[1:]
    inside = x.shape[3] * channels
    for row in range(lo, hi):
        i, rest = row // (depth * height), row % (depth * height)
        z, r = rest // height - d, rest % height - h
        out = address(y) + 4 * row * width * channels
        first, last = w * channels, w * channels + inside
        if z < 0 or z >= x.shape[1] or r < 0 or r >= x.shape[2]:
            first, last = width * channels, 0
        else:
            move(out + 4 * first, address(x) + 4 * (((i * x.shape[1] + z) * x.shape[2]) + r) * inside, inside)
        for k in range(first):
            store(out + 4 * k, np.float32(0))
        for k in range(last, width * channels if last else 0):
            store(out + 4 * k, np.float32(0))


@part
def move(target, source, count):
    """Copy floats, a strip at a time."""
    whole = count // COLUMNS * COLUMNS
    for k in range(0, whole, COLUMNS):
        copy_strip(target + 4 * k, source + 4 * k)
    for k in range(whole, count):
        store(target + 4 * k, load(source + 4 * k))
