"""What the derivative really is at one point, as far as it can be known: by differences, along chosen directions."""

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.differences import slopes
from pullback.check.moves import Move, coordinate
from pullback.check.precision import sharpened
from pullback.check.problem import Problem
from pullback.check.rounding import HALFWAY

Array = NDArray[Any]

FULL = 256  # so many inputs are moved one by one
CELLS = 2_000_000  # of a Jacobian
ROUGH = 1e-6  # of the largest derivative: a doubt that would cover faults


class Truth:
    """Derivatives of all outputs along directions: the columns of `value`, with `error`.

    Where everything is small the directions are the coordinates, and `value` is the Jacobian. An entry is a `kink` if
    the derivatives from its two sides differ, and `unknown` if there is none, or if it cannot be told.
    """

    def __init__(self, problem: Problem, v: Array, directions: Sequence[Move] | None = None, h: float = 0.02) -> None:
        self.problem, self.v, self.directions = problem, v, directions
        # no rounding of |x| may hide the step
        reach = np.array([move.reach(v) / 100 for move in self.moves])
        self.found = slopes(problem.f, v, [move.of for move in self.moves], h * np.maximum(1.0, reach), problem.eps)
        self.value, self.error, self.left, self.right, self.sides_error = self.found

    @cached_property
    def moves(self) -> Sequence[Move]:
        return [coordinate(k) for k in range(len(self.v))] if self.directions is None else self.directions

    def sharpened(self) -> "Truth":
        """With other steps, and other numbers, where these leave something in doubt."""
        with np.errstate(all="ignore"):
            rough = np.isfinite(self.value) & ~(20 * self.error <= ROUGH * self.size)
        doubtful = self.unknown | self.kink | rough
        if self.problem.eps > HALFWAY or not doubtful.any():
            return self
        other = copy(self)
        for name in ("size", "kink", "unknown", "smooth_rows"):
            other.__dict__.pop(name, None)
        other.found = sharpened(self.problem, self.v, list(self.moves), self.found, doubtful)
        other.value, other.error, other.left, other.right, other.sides_error = other.found
        return other

    @cached_property
    def size(self) -> float:
        """The largest known derivative."""
        return float(np.max(np.where(np.isfinite(self.value) & np.isfinite(self.error), abs(self.value), 0), initial=0))

    @cached_property
    def kink(self) -> Array:
        with np.errstate(all="ignore"):
            gap, known = abs(self.right - self.left), abs(self.right) + abs(self.left)
            differ = gap > 1e-4 * known + 20 * self.sides_error + 1e-6 * self.size + 1e-9  # less is noise
        return np.asarray(differ & np.isfinite(gap))

    @cached_property
    def unknown(self) -> Array:
        with np.errstate(all="ignore"):
            least = ROUGH if self.problem.eps < HALFWAY else 1e3 * ROUGH  # of a zero rounding leaves no more
            told = self.error <= 1e-3 * abs(self.value) + least * self.size + 1e-12
        return np.asarray(~(told & np.isfinite(self.value)) & ~self.kink)

    def says_nothing(self, columns: Array) -> bool:
        """Is no derivative along these directions known but for what does not move?"""
        unknown, kink = self.unknown[:, columns], self.kink[:, columns]
        known = ~(unknown | kink) & (self.value[:, columns] != 0)
        return bool(unknown.any() and not known.any() and not kink.any())

    @cached_property
    def smooth_rows(self) -> Array:
        """Outputs whose derivatives are all there and known."""
        return np.asarray(~(self.kink | self.unknown).any(1))

    def pulled(self, g: Array) -> tuple[Array, Array]:
        """gᵀ J along every direction, and how far to trust it."""
        with np.errstate(all="ignore"):
            used = np.where(g[:, None] != 0, self.value, 0)
            doubt = np.where(g[:, None] != 0, self.error, 0)
            return g @ used, 20 * (abs(g) @ doubt) + 1e-11 * (abs(g) @ abs(used))

    def measured(self, b: Array) -> Array:
        """The same of a gradient that somebody gives."""
        return b if self.directions is None else np.array([move.along(b) for move in self.directions])


def whole(problem: Problem, v: Array) -> Truth:
    """All derivatives at one place."""
    return problem.once("truth", v, lambda: Truth(problem, v).sharpened())


def implied(problem: Problem, v: Array) -> Array:
    """The Jacobian that the user's derivative implies: a row for every output (of a jvp: for every input)."""
    rows = lambda: np.stack([problem.b(v, e) for e in np.eye(problem.given_size)])
    return problem.once("implied", v, rows)


def fits(problem: Problem) -> bool:
    """Can the whole Jacobian be had?"""
    n_in, n_out = problem.sizes
    return n_in <= FULL and n_in * n_out <= CELLS
