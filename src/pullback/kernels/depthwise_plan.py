"""What the places of an image meet and with which taps, in one array of whole numbers, which kernels read by address.

From a dozen arrays it took them a third as long to look up a line as to compute it.
"""

from math import prod

import numpy as np
from numba import types
from numba.extending import intrinsic

from pullback.kernels.compiled import part
from pullback.kernels.pools import Axis
from pullback.kernels.tile import I64, int64

AHEAD = 1 << 14  # bytes, at most: what is asked for too early has left the cache when it is needed

# The head: how many places there are by axes, the space they look into, the kernel, the longest table, where the starts
# of each axis stand, where what is met stands, how far behind it the taps are, where the runs are and how many.
OUT, SPACE, KERNEL, MOST, FIRST, ITEMS, TAPS, RUNS, COUNT, HEAD = 0, 3, 6, 9, 10, 13, 14, 15, 16, 17


def plan(meets, distances, n, kernel):
    """From lists of (place met, tap) for every place of every axis. Runs (see pools.Axis) are the last axis's."""
    axes = [Axis.of(met, distance) for met, distance in zip(meets, distances)]
    items, taps = (np.concatenate([axis[k] for axis in axes]) for k in (1, 2))
    ends = np.cumsum([axis.items.size for axis in axes])
    starts = [axis.first + end - axis.items.size for axis, end in zip(axes, ends)]
    at = HEAD + np.cumsum([0, *map(len, starts)])
    most, runs = prod(max(map(len, met), default=0) for met in meets), axes[2].runs
    head = [*map(len, meets), *n, *kernel, most, *at, items.size, at[3] + 2 * items.size, len(runs)]
    starts = np.concatenate(starts) + at[3]
    return np.concatenate([head, starts, items, taps, runs.ravel()]).astype(np.int64)


@intrinsic
def number(typing, table, k):
    """A whole number from a table at an address."""
    return int64(int64, int64), lambda c, b, s, a: b.load(b.gep(b.inttoptr(a[0], I64.as_pointer()), [a[1]]))


@intrinsic
def note(typing, table, k, value):
    """Write one there."""

    def emit(context, b, signature, a):
        b.store(a[2], b.gep(b.inttoptr(a[0], I64.as_pointer()), [a[1]]))
        return context.get_dummy_value()

    return types.void(int64, int64, int64), emit


@part
def tables(plan):
    """For addresses of places and of what is ahead, and for those of taps."""
    return np.empty(number(plan, MOST) + 2, np.int64), np.empty(number(plan, MOST), np.int64)


@part
def lines(plan):
    """How many lines of places there are in an image."""
    return number(plan, OUT) * number(plan, OUT + 1)


@part
def line(row, plan):
    """Image, depth and height of a line."""
    down, along = number(plan, OUT), number(plan, OUT + 1)
    return row // along // down, row // along % down, row % along


@part
def pixels(plan):
    """How many an image has that places look into."""
    return number(plan, SPACE) * number(plan, SPACE + 1) * number(plan, SPACE + 2)


@part
def met_by(place, axis, plan):
    """Where in the plan stands what a place of an axis meets: from here to there."""
    first = number(plan, FIRST + axis) + place
    return number(plan, first), number(plan, first + 1)


@part
def meeting(table, places, here, weights, step, d, h, w, plan):
    """Write down where in memory place (d, h, w) meets which places of an image, and with which taps; how many."""
    met, taps = 0, number(plan, TAPS)
    from_d, to_d = met_by(d, 0, plan)
    from_h, to_h = met_by(h, 1, plan)
    from_w, to_w = met_by(w, 2, plan)
    for a in range(from_d, to_d):
        for b in range(from_h, to_h):
            above, before = number(plan, a) * number(plan, SPACE + 1), number(plan, a + taps) * number(plan, KERNEL + 1)
            row = here + (above + number(plan, b)) * number(plan, SPACE + 2) * step
            tap = weights + (before + number(plan, b + taps)) * number(plan, KERNEL + 2) * step
            for c in range(from_w, to_w):
                note(table, met, row + number(plan, c) * step)
                note(places, met, tap + number(plan, c + taps) * step)
                met += 1
    return met


@part
def look_ahead(table, met, here, out, step, plan):
    """Write down behind them where the next line will meet what this one does not, and where its own places are."""
    last = number(table, met - 1) if met else here
    note(table, met, last + min(AHEAD, number(plan, SPACE + 2) * step))
    note(table, met + 1, out + min(AHEAD, number(plan, OUT + 2) * step))


@part
def in_threes(w, advance, plan):
    """Does place w meet three neighbours, which lie as far apart as what the next place meets?"""
    c, end = met_by(w, 2, plan)
    if end - c != 3:
        return False
    return number(plan, c + 1) - number(plan, c) == advance and number(plan, c + 2) - number(plan, c + 1) == advance
