"""Does the error come little by little? A layer that iterates to a fixed point, and whose backward is that of the fixed
point, is right as far as the iteration converges. At special inputs it may not: then error grows with a high power of
the way there, over many digits. A branch, a tie or a threshold that was forgotten is wrong from some place on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dense, dice
from pullback.check.points import Point
from pullback.check.probes.values import Mismatch
from pullback.check.problem import Problem
from pullback.check.truth import Truth

Array = NDArray[Any]

NONE, IN_SINGLE, LITTLE = -12, -5, -1  # powers of ten of relative errors that are seen to grow from one to the other
MANY, FEWEST = 0.45, 4  # of the powers between, and how many there have to be
RIGHT = 1e-8, 1e-4  # in double precision and in single
HALVES = 12  # of the way from the example
HIGH = (
    4  # power of the way with which the error grows: that of a formula which holds near 0 alone grows with a lower one
)
STEP = 0.93  # from one place to the next on the way back
SOON, MORE = 3, 12  # steps within which it may end, and places that are looked at there


def gradual(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Is the gradient right near the example and wrong here, and does that begin nowhere?"""
    if problem.mode == "jvp" or mismatch.kind != "smooth" or not mismatch.finite:
        return False
    at = lambda t: error(problem, problem.example + t * (point.v - problem.example), mismatch.g)
    right = next((t for t in 0.5 ** np.arange(1, HALVES) if at(t) < RIGHT[problem.single]), None)
    if right is None:
        return False
    way = STEP ** np.arange(1 + np.log(right) / np.log(STEP))
    errors = np.array([at(t) for t in way])
    fine = (k for k, each in enumerate(errors) if each < RIGHT[problem.single])
    ends = next(fine, len(way) - 1)  # from here on it is right: how does it become so?
    closer = np.geomspace(way[max(ends - SOON, 0)], way[ends], 2 * MORE)[1::2]
    way, errors = np.append(way, closer), np.append(errors, [at(t) for t in closer])
    if not grows(way, errors, RIGHT[problem.single]):
        return False
    least, most = IN_SINGLE if problem.single else NONE, min(LITTLE, np.ceil(np.log10(errors[0])))
    powers = {int(power) for power in np.floor(np.log10(errors + 1e-99)) if least <= power < most}
    return bool(most - least >= FEWEST and len(powers) >= MANY * (most - least))


def grows(way: Array, errors: Array, right: float) -> bool:
    """Steeply, from where it is right to where it is wrong?"""
    last_right = np.max(way[errors < right], initial=way[-1])
    first_wrong = np.min(way[errors >= min(10.0**LITTLE, errors[0])], initial=1.0)
    return bool(np.log10(errors[0] / right) >= HIGH * np.log10(max(first_wrong / last_right, 1.0)))


def error(problem: Problem, v: Array, g: Array) -> float:
    """Relative, along one direction in which all moves; infinite where it is not known."""
    t = dense(dice(np.random.default_rng(9), len(v)))
    try:
        with np.errstate(all="ignore"):
            truth = Truth(problem, v, [t])
            wanted, given = truth.pulled(g)[0][0], t.along(problem.b(v, g))
            size = np.sum(abs(g) * abs(truth.value[:, 0]))
    except Exception:  # on the way there lie inputs that are not the user's
        return np.inf
    found = abs(given - wanted) / size if size else np.inf
    return float(found) if np.isfinite(found) and truth.smooth_rows.all() else np.inf
