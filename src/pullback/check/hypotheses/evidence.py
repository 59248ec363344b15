"""What is known of a gradient that is wrong: the right Jacobian J, and the one that backward implies, B."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.exchange import Exchange
from pullback.check.mending import Mend
from pullback.check.steps import Mistake
from pullback.check.structure import nonzero, same

Array = NDArray[Any]
Says = str | None

NOTHING_SIMPLE = "nothing simple explains the difference, and this is what is wrong most often then"


@dataclass
class Evidence:
    """Both Jacobians [output, input] of one input at one point, and at another where there are such."""

    J: Array
    B: Array
    x: Array  # the input, in its shape
    y_shape: tuple[int, ...]
    at: Callable[[Array], Array | None]  # the right Jacobian with another x (flat), if there is one
    y: Array  # the output, flat
    both_at: Callable[[Array], tuple[Array, Array] | None] = lambda x: None  # J and B with another x (flat)
    alike_at: Callable[[Array, Array], bool] = lambda x, M: False  # is M the right Jacobian with another x (flat)?
    elsewhere: Callable[[], tuple[Array, Array] | None] = lambda: None  # J and B at another place
    f: Callable[[Array], Array] | None = None  # the output with another x (flat)
    outputs: tuple[tuple[str, slice], ...] = ()  # names of several outputs, and which rows are theirs
    name: str = ""  # of the input
    arguments: dict[str, Array] = field(default_factory=dict)  # all arrays that forward takes, by name
    results: dict[str, Array] = field(default_factory=dict)  # and all that it gives
    fits_with: Callable[[dict[str, Array]], bool] = lambda changes: False  # is B right with these arguments instead?
    right_with: Callable[[dict[str, Array]], bool] = lambda changes: False  # is backward right at these arguments?
    away: Array | None = None  # this input elsewhere, flat
    others: tuple["Evidence", ...] = ()  # the same input at other shapes
    right_at: list[str] = field(default_factory=list)  # shapes where backward is right
    moves_with: Callable[[str], tuple[bool, bool]] = lambda name: (False, False)  # do J and B, with another argument?
    scales_with: Callable[[str], bool] = lambda name: False  # is J a multiple of another argument?
    shares: Callable[[str], tuple[Array, Array] | None] = lambda name: None  # how they move with each of its numbers
    causal: Callable[[], bool] = lambda: False  # does the output look as if it took steps, one after the other?
    hands_on: Callable[[], bool | None] = lambda: None  # does a turn read what an earlier one wrote, if that is seen?
    complex_within: Callable[[], bool] = lambda: False  # does forward compute with complex numbers?
    sliding: Callable[[], bool] = lambda: False  # does it read another input in windows that slide?
    mistakes: Callable[[], Sequence[Mistake]] = lambda: ()  # in one step of forward, that explain B
    exchanges: Callable[[], Exchange | None] = lambda: None  # which array in the place of which makes B right
    mend: Callable[[], Mend | None] = lambda: None  # a change of one step of backward with which it is right
    back: Callable[[Array], Array | None] = lambda x: None  # what backward gives for ones, with another x (flat)

    @cached_property
    def other(self) -> tuple[Array, Array] | None:
        """J and B at another place, if they can be had."""
        return self.elsewhere()

    @cached_property
    def in_steps(self) -> Sequence[Mistake]:
        """Mistakes in one step of forward that explain B."""
        return self.mistakes()

    @property
    def in_time(self) -> bool:
        """May there be steps of time? Not in code that is seen, and hands nothing on."""
        return self.hands_on() is not False

    def recurrent(self) -> bool:
        """Does the layer take steps, one after the other?"""
        return self.causal() and self.in_time

    @cached_property
    def elementwise(self) -> bool:
        return look.elementwise(self.J)

    @cached_property
    def windows(self) -> bool:
        return look.windowed(self.J, self.x.shape, self.y_shape)

    @property
    def windowed(self) -> bool:
        """Does it show here, or at half of the other shapes, that the layer reads windows that slide? Of a kernel, it
        shows in the data."""
        votes = [other.windows for other in self.others]
        return self.windows or 2 * sum(votes) >= len(votes) > 0 or self.windows_beside

    @cached_property
    def windows_beside(self) -> bool:
        return not self.elementwise and not look.broadcast(self.J) and self.sliding()

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
    def steady(self) -> bool:
        """Does J stay where it is when this input moves and the others do not: is the layer linear in it?"""
        there = None if self.away is None else self.at(self.away)
        return there is not None and same(self.J, there, 1e-4)

    @cached_property
    def silent(self) -> float:
        """The share of elements that should have a gradient and never get one."""
        reached = self.some.any(0)
        return float((reached & ~nonzero(self.B).any(0)).sum() / max(reached.sum(), 1))

    @property
    def where(self) -> str:
        """At which shape."""
        return f"{self.name} {self.x.shape}"

    @property
    def partners(self) -> dict[str, Array]:
        """The other arguments."""
        return {name: array for name, array in self.arguments.items() if name != self.name and np.size(array)}

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
