"""What the derivative really is at one point, as far as it can be known: by differences, along chosen directions."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.differences import slope
from pullback.check.problem import Problem

Array = NDArray[Any]

FULL = 256  # so many inputs are moved one by one
CELLS = 2_000_000  # of a Jacobian


class Truth:
    """Derivatives of all outputs along directions: the columns of `value`, with `error`.

    Where everything is small the directions are the coordinates, and `value` is the Jacobian. An entry is a `kink` if
    the derivatives from its two sides differ, and `unknown` if there is none, or if it cannot be told.
    """

    def __init__(self, problem: Problem, v: Array, directions: Array | None = None, h: float = 0.02) -> None:
        self.problem, self.v, self.directions = problem, v, directions
        moves = np.eye(len(v)) if directions is None else directions.T
        # no rounding of |x| may hide the step
        reach = lambda t: h * max(1.0, float(np.max(np.where(np.isfinite(v), abs(v * t), 0), initial=0)) / 100)
        with np.errstate(all="ignore"):
            slopes = [slope(lambda s, t=t: problem.f(v + s * t), problem.eps, reach(t)) for t in moves]  # type: ignore[misc]
        columns = zip(*slopes) if slopes else [[np.zeros(problem.sizes[1])] * 0] * 5
        stacked = [np.stack(column, 1) for column in columns]
        self.value, self.error, self.left, self.right, self.sides_error = stacked
        self.columns = len(moves)

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
            told = self.error <= 1e-3 * abs(self.value) + 1e-6 * self.size + 1e-12
        return np.asarray(~(told & np.isfinite(self.value)) & ~self.kink)

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
        return b if self.directions is None else b @ self.directions


def fits(problem: Problem) -> bool:
    """Can the whole Jacobian be had?"""
    n_in, n_out = problem.sizes
    return n_in <= FULL and n_in * n_out <= CELLS


def directions(problem: Problem, rng: np.random.Generator, each: int = 6) -> Array:
    """For what is large: per input two dense random directions, and some coordinates."""
    columns = []
    for part in problem.inputs:
        for _ in range(2):
            dense = np.zeros(len(problem.example))
            dense[part.begin : part.end] = rng.choice([-1.0, 1.0], part.end - part.begin)
            columns.append(dense)
        for k in rng.choice(np.arange(part.begin, part.end), min(each, part.end - part.begin), replace=False):
            columns.append(np.eye(1, len(problem.example), int(k))[0])
    return np.stack(columns, 1)
