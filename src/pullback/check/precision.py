"""Derivatives that differences of ordinary steps leave in doubt: smaller steps, and long double where forward takes it.

A function that turns within a step, or a small part of a large value, is too rough for one size of steps. What two
others find alike is believed. In long double a step may be two thousand times smaller before rounding drowns it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.differences import Slopes, slopes
from pullback.check.moves import Move, dense, dice
from pullback.check.problem import Problem

Array = NDArray[Any]

LONG = 4 * float(np.finfo(np.longdouble).eps)  # the rounding error of a value in long double, about
STEPS, LONG_STEPS = (1e-4, 1e-6, 1e-8), (2e-2, 4e-3, 1e-5, 1e-8)
TINY = 2.0**-55  # of a number: doubles do not see it
AGREE = 1e-4


def sharpened(problem: Problem, v: Array, moves: list[Move], found: Slopes, doubtful: Array) -> Slopes:
    """The same derivatives, with better ones in the doubtful places, as far as there are two that agree."""
    along = np.flatnonzero(doubtful.any(0))
    some = [moves[k] for k in along]
    reach = np.array([max(1.0, move.reach(v) / 100) for move in some])
    tried = [Slopes(*(np.asarray(each, float) for each in one)) for one in attempts(problem, v, some, reach)]
    fields = [np.array(each) for each in found]
    for column, k in enumerate(along):
        attempt = [[each[:, column] for each in one] for one in tried]
        best, known = agreed(np.array(attempt))
        known &= doubtful[:, k]
        for field, each in zip(fields, best):
            field[known, k] = each[known]
    return Slopes(*fields)


def attempts(problem: Problem, v: Array, moves: list[Move], reach: Array) -> Iterator[Slopes]:
    of = [move.of for move in moves]
    for h in STEPS:
        yield slopes(problem.f, v, of, h * reach, problem.eps)
    if problem.once("long double", problem.example, lambda: takes_long_double(problem)):
        for h in LONG_STEPS:
            yield slopes(problem.f, v.astype(np.longdouble), of, h * reach, LONG)


def agreed(attempts: Array) -> tuple[Array, Array]:
    """The fields of the most exact attempt for every output, and whether another one confirms it: [attempt, field,
    output] is given. Where nothing moves at small steps there may be jumps between them: nothing is said."""
    with np.errstate(all="ignore"):
        value, error, left, right, sides_error = attempts.swapaxes(0, 1)
        size = abs(value)
        smooth = (abs(right - left) <= AGREE * size) & (sides_error <= AGREE * size)
        good = (error <= AGREE * size) & smooth & (value != 0)
        best = np.argmin(np.where(good, error, np.inf), 0)
        chosen = np.take_along_axis(attempts, best[None, None], 0)[0]
        alike = good & (abs(value - chosen[0]) <= AGREE * abs(chosen[0]))
    return chosen, alike.sum(0) > 1


def takes_long_double(problem: Problem) -> bool:
    """Does forward really compute in it? One that casts inside, all or a part of it, does not see the smallest steps,
    or sees a part of them."""
    if LONG > 1e-18 or not problem.takes_double or any(p.width == 2 for p in (*problem.inputs, *problem.outputs)):
        return False
    v = problem.example.astype(np.longdouble)
    t = abs(problem.example) * dice(np.random.default_rng(6), len(v))
    try:
        with np.errstate(all="ignore"):
            y = problem.f(v)
            slope = slopes(problem.f, v, [dense(t).of], np.array([1e-6]), LONG).value[:, 0]
            size = np.max(abs(slope), initial=0)
            tiny = max(TINY, 100 * LONG * np.max(abs(y)) / size)  # what shows beside the rounding of large values
            moved = [(problem.f(v + k * tiny * t) - y) / (k * tiny) for k in (1, 2)]
    except Exception:  # whatever their code does with numbers that it was not written for
        return False
    alike = [bool(np.all(abs(each - slope) <= 0.05 * size)) for each in moved]
    return y.dtype == np.longdouble and size > 0 and all(alike)
