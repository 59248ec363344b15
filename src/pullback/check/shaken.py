"""How far rounding alone may move a derivative: no less than moving all that goes in by a rounding does.

Code that computes in single precision gets numbers rounded to it, and rounds on its way. Of a layer that takes a large
mean from its inputs first, the right derivative itself moves by much more than a unit in the last place then, and so
does what the best of backwards gives.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import Move
from pullback.check.problem import Problem
from pullback.check.truth import Truth

Array = NDArray[Any]

DRAWS = 3  # of random signs
LEAST = 1e-6  # of a number: to smaller movements differences are blind, and so they are taken in proportion
FEW = 32  # roundings on the way


def digits(problem: Problem) -> float:
    """The unit in the last place of the user's numbers, beside 1."""
    return max(float(np.finfo(part.dtype).eps) for part in (*problem.inputs, *problem.outputs))


def rounding(problem: Problem, v: Array, move: Move) -> Array:
    """What a few roundings, of all that goes in, do to each output's derivative along a direction."""
    unit = max(digits(problem), problem.grain)
    return FEW * unit * sensitivity(problem, v, move, unit)


def sensitivity(problem: Problem, v: Array, move: Move, unit: float) -> Array:
    """How much each output's derivative along a direction moves, per unit by which all inputs and its gradient do."""
    reach, rng = max(unit, LEAST), np.random.default_rng(11)
    slope = lambda at: Truth(problem, at, [move]).value[:, 0]
    with np.errstate(all="ignore"):
        here = slope(v)
        moved = [slope(v * (1 + reach * rng.choice([-1.0, 1.0], len(v)))) for _ in range(DRAWS)]
        found = abs(here) + np.max([abs(each - here) for each in moved], 0) / reach
    return np.where(np.isfinite(found), found, 0)
