"""Scores that stand one per class at many places: at the pixels of an image, or in rows too short to fill vectors.

They lie as [examples classes after]: the classes of a place are `after` floats apart, which is 1 in a row. A block of
places is brought into the cache class by class, so that vectors go along the places; all that is asked of it is found
there, and taken from there. So memory is read once and written once. Behind the last place of a block lie zeros, up to
a whole number of vectors.
"""

from math import prod

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import part
from pullback.kernels.elementary import exp_of_negative, larger
from pullback.kernels.images import turn_block

f = np.float32
FEW = 63  # classes of a row that is too short to fill vectors
WIDE, NARROW = 256, 64  # places of a block: of few classes, and of so many that the cache would not hold it
MANY = 256  # classes
STRAIGHT = 32  # places in a line that are worth a block of their own
PIECE = 32  # classes that are summed up in float32
SQUARE = 8  # classes from which on rows are turned in squares
SHARE = 1 << 15  # elements that are worth a chunk of their own


def turned(x, axis):
    """Do classes lie last in memory, though they are not in x? Or should they, for there are few places in a line?"""
    axis %= x.ndim
    after = prod(x.shape[axis + 1 :])
    if after == 1 or (after >= STRAIGHT and x.flags.c_contiguous):
        return False
    return after < STRAIGHT or np.moveaxis(x, axis, -1).flags.c_contiguous


def seen(x, axis, last):
    """x as [examples classes after], or as rows if its classes are to be last."""
    classes, after = x.shape[axis], prod(x.shape[axis % x.ndim + 1 :])
    return plain(np.moveaxis(x, axis, -1)).reshape(-1, classes, 1) if last else plain(x).reshape(-1, classes, after)


def like(z, x, axis, last):
    """An array for a result, twice: as z, which was made of x, and as x."""
    y = empty(z.shape)
    return y, np.moveaxis(y.reshape(np.moveaxis(x, axis, -1).shape), -1, axis) if last else y.reshape(x.shape)


def short(z):
    """Are places better taken side by side than one after the other?"""
    return z.shape[2] > 1 or z.shape[1] <= FEW


@part
def wide(classes):
    return WIDE if classes <= MANY else NARROW


@part
def blocks(examples, classes, after):
    """How many there are."""
    size = wide(classes)
    return examples * ((after + size - 1) // size) if after > 1 else (examples * after + size - 1) // size


@part
def chunk(classes):
    return max(1, SHARE // (wide(classes) * classes))


@part
def block(job, examples, classes, after):
    """The first place of a block, and the one behind its last."""
    size = wide(classes)
    if after > 1:
        pieces = (after + size - 1) // size
        first = job % pieces * size
        start = job // pieces * after
        return start + first, start + min(first + size, after)
    return job * size, min(job * size + size, examples * after)


@part
def whole(count):
    """Places, with those behind the last one."""
    return (count + NARROW - 1) // NARROW * NARROW


@part
def start(first, classes, after):
    """Where a place begins."""
    return first // after * classes * after + first % after


@part
def bring(x, first, count, after, z):
    here = start(first, z.shape[0], after)
    if after > 1:
        for k in range(z.shape[0]):
            copied(x[here + k * after : here + k * after + count], z[k])
    else:
        to_columns(x[here : here + count * z.shape[0]].reshape((count, z.shape[0])), z)
    for k in range(z.shape[0]):
        for s in range(count, z.shape[1]):
            z[k, s] = f(0)


@part
def copied(line, out):
    for s in range(line.size):
        out[s] = line[s]


@part
def to_columns(rows, z):
    if z.shape[0] >= SQUARE:
        turn_block(rows, z, 0, z.shape[0])
    else:
        for k in range(z.shape[0]):
            line = z[k]
            for s in range(rows.shape[0]):
                line[s] = rows[np.uint64(s), np.uint64(k)]


@part
def take(z, scale, first, count, after, out):
    """out = scale z, place by place; z may be written to."""
    here = start(first, z.shape[0], after)
    for k in range(z.shape[0]):
        if after > 1:
            multiplied(z[k], scale, out[here + k * after : here + k * after + count])
        else:
            multiplied_in_place(z[k], scale)
    if after == 1:
        to_rows(z, out[here : here + count * z.shape[0]].reshape((count, z.shape[0])))


@part
def multiplied(line, scale, out):
    for s in range(out.size):
        out[s] = line[s] * scale[s]


@part
def multiplied_in_place(line, scale):
    for s in range(line.size):
        line[s] *= scale[s]


@part
def to_rows(z, rows):
    if z.shape[0] >= SQUARE:
        turn_block(z, rows, 0, rows.shape[0])
    else:
        for k in range(z.shape[0]):
            line = z[k]
            for s in range(rows.shape[0]):
                rows[np.uint64(s), np.uint64(k)] = line[s]


@part
def highest(z, top):
    """The largest score of each place; if one is nan, anything."""
    for s in range(top.size):
        top[s] = z[0, s]
    for k in range(1, z.shape[0]):
        meet(z[k], top)


@part
def meet(line, top):
    for s in range(top.size):
        top[s] = larger(line[s], top[s])


@part
def raise_others(z, top, own, some, total):
    """z = exp(z - top), and what all but its own class of each place add up to."""
    for s in range(top.size):
        total[s] = 0.0
    for begin in range(0, z.shape[0], PIECE):
        for s in range(top.size):
            some[s] = f(0)
        for k in range(begin, min(begin + PIECE, z.shape[0])):
            raise_line(z[k], top, own, np.uint32(k), some)
        for s in range(top.size):
            total[s] += np.float64(some[s])


@part
def raise_line(line, top, own, k, some):
    for s in range(top.size):
        e = exp_of_negative(line[s] - top[s])
        line[s] = e
        some[s] += f(0) if own[s] == k else e


@part
def raise_all(z, top, logs, some, ones, total):
    """What of e = exp(z - top) is not 1 added up, how often it is 1. z becomes z - top if logs are wanted, else e."""
    for s in range(top.size):
        total[s], ones[s] = 0.0, f(0)
    for begin in range(0, z.shape[0], PIECE):
        for s in range(top.size):
            some[s] = f(0)
        for k in range(begin, min(begin + PIECE, z.shape[0])):
            raise_apart(z[k], top, logs, some, ones)
        for s in range(top.size):
            total[s] += np.float64(some[s])


@part
def raise_apart(line, top, logs, some, ones):
    for s in range(top.size):
        rest = line[s] - top[s]
        e = exp_of_negative(rest)
        line[s] = rest if logs else e
        some[s] += f(0) if e == f(1) else e
        ones[s] += f(1) if e == f(1) else f(0)


@part
def share_infinity(x, after, sign, z):
    """z = 1 where sign x is inf, else 0, of one place; their number, nan if an element is nan."""
    total = 0.0
    for k in range(z.size):
        score = sign * x[k * after]
        z[k] = f(1) if score == np.inf else f(0)
        total += np.float64(z[k] if score == score else f(np.nan))
    return total
