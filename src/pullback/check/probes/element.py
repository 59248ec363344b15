"""Which number of a large gradient is wrong? Its input is not moved number by number, but by halves.

Of a half that is wrong one half at least is wrong as well: some twenty steps lead to one number of a million.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import coordinate
from pullback.check.probes.values import Mismatch, tolerance
from pullback.check.problem import Problem
from pullback.check.rounding import HALFWAY
from pullback.check.truth import Truth

Array = NDArray[Any]

STEP, STEP_IN_SINGLE = 1e-4, 0.03
SLOW = 3.0  # seconds of work, after which it is not found


def element(problem: Problem, truth: Truth, mismatch: Mismatch) -> tuple[Mismatch, Truth]:
    """The mismatch in the worst of some single numbers, and the truth along these; what is given, if none is wrong."""
    part = mismatch.part
    some = candidates(problem, truth, mismatch)
    there = Truth(problem, truth.v, [coordinate(k) for k in some]).sharpened()
    g = np.where(there.smooth_rows, mismatch.g, 0)
    found, (wanted, doubt) = problem.b(truth.v, g)[some], there.pulled(g)
    bound = tolerance(problem) * np.max(abs(wanted)) + doubt + problem.rounding(g)
    gap = np.where(np.isfinite(found), abs(found - wanted), np.inf)
    k = int(np.argmax(gap / (bound + 1e-300)))
    if not gap[k] > bound[k]:
        return mismatch, truth
    return Mismatch(part, k, float(found[k]), float(wanted[k]), float(doubt[k]), g, mismatch.kind), there


def candidates(problem: Problem, truth: Truth, mismatch: Mismatch) -> list[int]:
    """Places in the flat vector: where no number is given, or else the largest, and where the halves lead to."""
    part = mismatch.part
    own = np.arange(part.begin, part.end)
    b = problem.b(truth.v, mismatch.g)
    if not mismatch.finite:
        return [int(own[np.argmin(np.isfinite(b[own]))])]
    largest = int(own[np.argmax(abs(b[own]))])
    along = (truth.directions or [])[mismatch.column].of(np.zeros(len(b)), 1.0)
    return [largest, *halved(problem, truth.v, mismatch, b, along, own[along[own] != 0])]


def halved(problem: Problem, v: Array, mismatch: Mismatch, b: Array, along: Array, places: Array) -> Sequence[int]:
    """The one place that is left of these, of each half the one that is more wrong; none if that takes too long."""
    begun = time.process_time()
    off = mismatch.found - mismatch.wanted
    while len(places) > 1:
        if time.process_time() - begun > SLOW:
            return []
        first, second = np.array_split(places, 2)
        t = np.zeros(len(v))
        t[first] = along[first]
        off_first = float(b @ t) - moved(problem, v, mismatch.g, t)
        places, off = (first, off_first) if abs(off_first) >= abs(off - off_first) else (second, off - off_first)
    return [int(places[0])]


def moved(problem: Problem, v: Array, g: Array, t: Array) -> float:
    """How ⟨g, forward⟩ moves along t."""
    h = STEP if problem.eps < HALFWAY else STEP_IN_SINGLE
    h *= max(1.0, float(np.max(abs(v * t))) / 100)
    asked = g != 0
    wide, narrow = (
        float(g[asked] @ (problem.f(v + s * t) - problem.f(v - s * t))[asked]) / (2 * s) for s in (h, h / 2)
    )
    return narrow + (narrow - wide) / 3
