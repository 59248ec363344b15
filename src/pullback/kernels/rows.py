"""Rows of numbers, in a form that LLVM turns into vectors: what softmax and its kin have in common.

Passes work on whole blocks. What is left of a row at its end is done as a last block that overlaps the one before, and
of a row shorter than a block, in a copy that is filled up. While a row is raised, the next one is read for its largest
element: so memory never waits for arithmetic. Of long rows, two at once and what is made of one would not stay in the
cache: there the next one is read when this one is raised.
"""

import numpy as np

from pullback.kernels.compiled import part
from pullback.kernels.elementary import exact, exp_of_negative, larger

f = np.float32
BLOCK = 64  # elements of the most vectors that a loop handles at a time
SHARE = 1 << 15  # elements that are worth a chunk of their own
PIECE = 1 << 11  # elements that are summed up in float32
LONG = 1 << 13  # elements of a row that has to be alone in the cache


@part
def room(n):
    """An array for a row of n elements, and 0 behind them."""
    return np.zeros((n + BLOCK - 1) // BLOCK * BLOCK, f)


@part
def largest_of(row, sign):
    """The largest element of sign row; if one is nan, anything."""
    found = largest(row[: row.size // BLOCK * BLOCK], sign)
    return larger(largest(row[max(row.size - BLOCK, 0) :], sign), found)


@part
def largest(x, sign):
    found = f(-np.inf)
    for j in range(x.size):
        found = larger(sign * x[j], found)
    return found


@part
def raised(row, sign, top, e, ahead, own):
    """e = exp(sign row - top) but 0 at `own`; its sum, added up in parts; and the largest of the row ahead."""
    n, whole = row.size, row.size // BLOCK * BLOCK
    beside = row if n >= LONG else ahead
    total, found = 0.0, f(-np.inf)
    for start in range(0, whole, PIECE):
        stop = min(start + PIECE, whole)
        now = e[start:stop]
        some, most = raised_piece(row[start:stop], sign, top, now, beside[start:stop])
        if start <= own < stop:
            mine, e[own] = e[own], f(0)
            some = some - mine if mine < f(0.5) else sum_of(now)  # where others add up to 1, that loses no digit
        total, found = total + some, larger(most, found)
    if whole < n:
        if n < BLOCK:
            fill_up(row, sign, top, e)
            found = largest(beside, sign)
        else:
            last = raised_piece(row[n - BLOCK :], sign, top, e[n - BLOCK : n], beside[n - BLOCK :])
            found = larger(last[1], found)
        if own >= n - BLOCK:
            e[own] = f(0)
        total += sum_of(e[whole:])
    return total, largest_of(ahead, sign) if n >= LONG else found


@part
def raised_piece(x, sign, top, e, beside):
    total, found = f(0), f(-np.inf)
    for j in range(x.size):
        e[j] = exp_of_negative(sign * x[j] - top)
        total += e[j]
        found = larger(sign * beside[j], found)
    return total, found


@part
def fill_up(x, sign, top, e):
    e[:] = f(-np.inf)
    for j in range(x.size):
        e[j] = sign * x[j] - top
    for j in range(e.size):
        e[j] = exp_of_negative(e[j])


@part
def sum_of(e):
    total = f(0)
    for j in range(e.size):
        total += e[j]
    return total


@part
def scaled(e, scale, out):
    """out = scale e"""
    whole = out.size // BLOCK * BLOCK
    multiplied(e[:whole], scale, out[:whole])
    if whole < out.size:
        last = max(out.size - BLOCK, 0)
        multiplied(e[last : out.size], scale, out[last:])


@part
def multiplied(e, scale, out):
    for j in range(out.size):
        out[j] = e[j] * scale


@part
def scaled_in_place(e, scale):
    for j in range(e.size):
        e[j] *= scale


@part
def log_of_sum(e):
    """log Σ e, where the largest e is 1: log1p of the others."""
    others, ties = 0.0, -1.0
    for start in range(0, e.size, PIECE):
        now = e[start : start + PIECE]
        some, many = f(0), np.int32(0)
        for j in range(now.size):
            some += now[j] * f(now[j] != f(1))  # a choice between two numbers would not run in lanes
            many += np.int32(now[j] == f(1))
        others += some
        ties += many
    return np.log1p(others + ties)


@part
def shares_of_infinity(row, sign, e):
    """e = 1 where sign row is inf, else 0; their number, nan if an element is nan."""
    total = 0.0
    e[:] = f(0)
    for j in range(row.size):
        x = sign * row[j]
        e[j] = f(1) if x == np.inf else f(0)
        total += e[j] if x == x else f(np.nan)
    return total


@exact
def beside(g, taken, mean):
    """g less what was taken from all, less the mean of what is left: in this order, or nothing is left but rounding."""
    return (g - taken) - mean
