"""Numbers that carry a derivative along: a + b ε with ε² = 0, over any kind of real number."""

from typing import Any


class Dual:
    """The value `v`, and how it moves, `e`."""

    __slots__ = "e", "v"

    def __init__(self, v: Any, e: Any) -> None:
        self.v, self.e = v, e

    def __add__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.v + other.v, self.e + other.e)
        return Dual(self.v + other, self.e)

    def __mul__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.v * other.v, self.e * other.v + self.v * other.e)
        return Dual(self.v * other, self.e * other)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Dual":
        return Dual(-self.v, -self.e)

    def __sub__(self, other: Any) -> "Dual":
        return self + -other

    def __rsub__(self, other: Any) -> "Dual":
        return -self + other


def value(a: Any) -> Any:
    return a.v if isinstance(a, Dual) else a


def moved(a: Any) -> Any:
    """How it moves; what carries no derivative does not."""
    return a.e if isinstance(a, Dual) else 0
