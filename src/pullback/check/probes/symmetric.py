"""A matrix that is symmetric by its nature, such as a covariance: forward may read one half of it, or both for one.

Which of the two halves gets the gradient is a choice then. Libraries give each the same, and that is the derivative
along all changes that keep the matrix symmetric.
"""

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dense
from pullback.check.points import symmetric
from pullback.check.probes.values import tolerance
from pullback.check.problem import Part, Problem
from pullback.check.structure import same
from pullback.check.truth import Truth

Array = NDArray[np.float64]


def shared(problem: Problem, v: Array, part: Part) -> bool:
    """Is the gradient by a symmetric matrix symmetric, and the derivative along symmetric changes?"""
    if problem.mode == "jvp" or part.width == 2 or not symmetric(part.of(problem.example)):
        return False
    rng = np.random.default_rng(13)
    changes = [square + square.T for square in rng.normal(size=(2, *part.shape))]
    truth = Truth(problem, v, [dense(change.ravel(), part.begin) for change in changes]).sharpened()
    for g in np.where(truth.smooth_rows, rng.normal(size=(2, problem.given_size)), 0):
        b = problem.b(v, g)
        given, (wanted, doubt) = part.of(b), truth.pulled(g)
        near = tolerance(problem) * float(np.max(abs(wanted), initial=0)) + doubt
        if not same(given, given.T, tolerance(problem)) or (abs(truth.measured(b) - wanted) > near).any():
            return False
    return bool(truth.smooth_rows.any())
