"""What is known of a gradient that is wrong: the right Jacobian J, and the one that backward implies, B."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.structure import nonzero, same

Array = NDArray[Any]
Says = str | None


@dataclass
class Evidence:
    """Both Jacobians [output, input] of one input at one point, and at another where there are such."""

    J: Array
    B: Array
    x: Array  # the input, in its shape
    y_shape: tuple[int, ...]
    at: Callable[[Array], Array | None]  # the right Jacobian with another x (flat), if there is one
    y: Array  # the output, flat
    other: tuple[Array, Array] | None = None  # J and B elsewhere
    f: Callable[[Array], Array] | None = None  # the output with another x (flat)
    outputs: tuple[tuple[str, slice], ...] = ()  # names of several outputs, and which rows are theirs

    @cached_property
    def elementwise(self) -> bool:
        return look.elementwise(self.J)

    @cached_property
    def windowed(self) -> bool:
        return look.windowed(self.J, self.x.shape, self.y_shape)

    @cached_property
    def pooled(self) -> bool:
        """A selection by the numbers themselves, as of the largest in a window."""
        return look.selection(self.J) and not self.fixed

    @cached_property
    def fixed(self) -> bool:
        """Does J stay where it is when x moves: is the layer linear in this input?"""
        if self.other is None or not same(self.J, self.other[0], 1e-4):
            return False
        turned = self.at(self.x.ravel()[::-1])  # of a sort or a maximum, J stays until the order changes
        return turned is None or same(self.J, turned, 1e-4)

    @cached_property
    def ratio(self) -> Array:
        with np.errstate(all="ignore"):
            return np.where(self.some, self.B / np.where(self.some, self.J, 1), np.nan)

    @cached_property
    def some(self) -> Array:
        return nonzero(self.J)

    @cached_property
    def equal(self) -> Array:
        size = np.max(abs(self.J), initial=0)
        return np.asarray(abs(self.B - self.J) <= 1e-5 * size)

    @cached_property
    def diagonals(self) -> tuple[Array, Array] | None:
        """Of an elementwise layer whose backward is elementwise too."""
        if not self.elementwise or not look.elementwise(self.B):
            return None
        return np.diag(self.J), np.diag(self.B)

    @cached_property
    def subset(self) -> bool:
        """Are some entries of J there, and right, and the others zero?"""
        given = nonzero(self.B)
        less = (given & self.some == given).all() and (given < self.some).any()
        return bool(given.any() and less and self.equal[given].all())

    @cached_property
    def beyond(self) -> bool:
        """Right where J has something, and something where it has nothing?"""
        extra = nonzero(self.B) & ~self.some
        return bool(extra.any() and self.some.any() and self.equal[self.some].all())
