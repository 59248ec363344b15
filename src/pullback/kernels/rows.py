"""Rows of numbers, in a form that LLVM turns into vectors: what softmax and its kin have in common.

Passes work on whole vectors: what is left of a row at its end is copied, and filled up.
"""

import numpy as np

from pullback.kernels.compiled import part
from pullback.kernels.elementary import exp_of_negative, larger

f = np.float32
BLOCK = 64  # elements of the most vectors that a loop handles at a time
SHARE = 1 << 15  # elements that are worth a chunk of their own
PIECE = 1 << 12  # elements that are summed up in float32


@part
def room(n):
    """An array for a row of n elements."""
    return np.empty((n + BLOCK - 1) // BLOCK * BLOCK, f)


@part
def largest_of(row, sign, e):
    """The largest element of sign row (if one is nan, anything). What fills no vectors is left at the end of e."""
    whole = row.size // BLOCK * BLOCK
    end = e[whole:]
    end[:] = f(-np.inf)
    for j in range(row.size - whole):
        end[j] = sign * row[whole + j]
    return larger(largest(row[:whole], sign), largest(end, f(1)))


@part
def largest(x, sign):
    found = f(-np.inf)
    for j in range(x.size):
        found = larger(sign * x[j], found)
    return found


@part
def raised(row, sign, top, e):
    """e = exp(sign row - top), and 0 behind it, after `largest_of`."""
    whole = row.size // BLOCK * BLOCK
    x, start, end = row[:whole], e[:whole], e[whole:]
    for j in range(x.size):
        start[j] = exp_of_negative(sign * x[j] - top)
    for j in range(end.size):
        end[j] = exp_of_negative(end[j] - top)


@part
def total_of(e):
    """The sum, added up in parts."""
    total = 0.0
    for start in range(0, e.size, PIECE):
        now = e[start : start + PIECE]
        some = f(0)
        for j in range(now.size):
            some += now[j]
        total += some
    return total


@part
def log_of_sum(e):
    """log Σ e, where the largest e is 1: log1p of the others."""
    others, ties = 0.0, -1.0
    for start in range(0, e.size, PIECE):
        now = e[start : start + PIECE]
        some, many = f(0), f(0)
        for j in range(now.size):
            some += f(0) if now[j] == f(1) else now[j]
            many += f(1) if now[j] == f(1) else f(0)
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
