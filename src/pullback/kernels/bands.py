"""A band of images in a job's own memory, with zeros around it.

The job reads it from the images in one go, and then again and again from its own cache. Images as a whole are never
copied.
"""

from math import gcd, prod

import numpy as np

from pullback.kernels.compiled import part
from pullback.kernels.images import move
from pullback.kernels.rowtile import ROWS
from pullback.kernels.tile import copy8, load, store

PIXELS = 128  # of a job, at most
ROOM = 1 << 16  # floats of a band, at most, where a job can be so small: half a second-level cache


def grid(windows):
    """Per axis: every how many elements of x windows meet at all; among these, the windows' step and their reach."""
    jump = tuple(gcd(s, d if k > 1 else 0) for s, d, k in zip(windows.stride, windows.dilation, windows.kernel))
    step = tuple(s // j for s, j in zip(windows.stride, jump))
    reach = tuple((k - 1) * d // j + 1 for k, d, j in zip(windows.kernel, windows.dilation, jump))
    return jump, step, reach


def dense(windows):
    """Does every element of x meet one window, its own?"""
    return windows.n == windows.out and set(windows.kernel + windows.stride) == {1} and not any(windows.before)


def band(counts, step, reach):
    """How many elements so many windows meet, per axis."""
    return tuple((c - 1) * s + r for c, s, r in zip(counts, step, reach))


def cut(batch, counts, step, reach, channels):
    """How many images, planes, lines and pixels of a line make a job: such that few rows of a tile are empty."""
    take = [1, 1, 1, 1]
    for axis in (3, 2, 1, 0):
        count, below = (batch, *counts)[axis], prod(take)
        found = []
        for m in range(1, min(count, PIXELS // below) + 1):
            images, *windows = *take[:axis], m, *take[axis + 1 :]
            if m == 1 or images * prod(band(windows, step, reach)) * channels <= ROOM:
                found.append((count // m * -(-m * below // ROWS) + -(-(count % m) * below // ROWS), -m))
        take[axis] = -min(found)[1]
        if take[axis] < count:
            break
    return tuple(take)


@part
def corner(axes, d, h, w):
    """Where in the input the band of this pixel begins, per axis (see direct.axes_of)."""
    return (
        d * axes[3, 0] * axes[2, 0] - axes[1, 0],
        h * axes[3, 1] * axes[2, 1] - axes[1, 1],
        w * axes[3, 2] * axes[2, 2] - axes[1, 2],
    )


@part
def bring(x, n, channels, some, q, first, jump, size, out):
    """[*n channels] at x -> [panels *size q] at out: every jump-th element from `first` on, of each some channels.

    The last panel is narrower, if it has to be.
    """
    left = min(size[2], max(0, -(first[2] // jump[2])))
    right = max(left, min(size[2], (n[2] - 1 - first[2]) // jump[2] + 1))
    pitch, step = 4 * size[0] * size[1] * size[2] * q, 4 * jump[2] * channels
    for z in range(size[0]):
        d = first[0] + z * jump[0]
        for r in range(size[1]):
            h, line = first[1] + r * jump[1], (z * size[1] + r) * size[2]
            outside = d < 0 or d >= n[0] or h < 0 or h >= n[1]
            low, high = (size[2], size[2]) if outside else (left, right)
            for c in range(0, some, q):
                width, here = min(q, some - c), out + c // q * pitch
                clear(here + 4 * line * width, low * width)
                clear(here + 4 * (line + high) * width, (size[2] - high) * width)
            if outside:
                continue
            source = x + 4 * ((d * n[1] + h) * n[2] + first[2] + left * jump[2]) * channels
            whole = some // q
            pixels(source, step, out + 4 * (line + left) * q, pitch, whole, q, right - left)
            pixels(
                source + 4 * whole * q,
                step,
                out + whole * pitch + 4 * (line + left) * (some - whole * q),
                0,
                1,
                some - whole * q,
                right - left,
            )


@part
def pixels(source, step, target, pitch, panels, q, count):
    """Pixels, `step` apart, to as many panels `pitch` apart, in which they stand one after the other."""
    if panels == 1 and step == 4 * q:  # none but these lie between
        move(target, source, count * q)
        return
    for i in range(count):
        for p in range(panels):
            here, there = source + i * step + 4 * p * q, target + p * pitch + 4 * i * q
            for k in range(0, q & ~7, 8):
                copy8(there + 4 * k, here + 4 * k)
            for k in range(q & ~7, q):
                store(there + 4 * k, load(here + 4 * k))


@part
def clear(target, count):
    for k in range(count):
        store(target + 4 * k, np.float32(0))
