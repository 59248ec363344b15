"""Numbers of sixty digits, for NumPy code that is made of arithmetic: where a derivative is 1e-18, differences of
doubles say nothing. NumPy calls the method `exp` of an object for `np.exp`, and so on; what is not here raises."""

from collections.abc import Callable
from decimal import Context, Decimal
from functools import total_ordering
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = Context(prec=60)
STEP = Decimal("1e-20")

Array = NDArray[Any]


@total_ordering
class Digits:
    """A real number, exactly that of a double, and what arithmetic makes of it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value if isinstance(value, Decimal) else Decimal(float(value))

    def __add__(self, other: Any) -> "Digits":
        return Digits(EXACT.add(self.value, plain(other)))

    def __sub__(self, other: Any) -> "Digits":
        return Digits(EXACT.subtract(self.value, plain(other)))

    def __rsub__(self, other: Any) -> "Digits":
        return Digits(EXACT.subtract(plain(other), self.value))

    def __mul__(self, other: Any) -> "Digits":
        return Digits(EXACT.multiply(self.value, plain(other)))

    def __truediv__(self, other: Any) -> "Digits":
        return Digits(EXACT.divide(self.value, plain(other)))

    def __rtruediv__(self, other: Any) -> "Digits":
        return Digits(EXACT.divide(plain(other), self.value))

    def __pow__(self, other: Any) -> "Digits":
        return Digits(EXACT.power(self.value, plain(other)))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Digits":
        return Digits(EXACT.minus(self.value))

    def __abs__(self) -> "Digits":
        return Digits(EXACT.abs(self.value))

    def __eq__(self, other: Any) -> bool:
        return self.value == plain(other)

    def __lt__(self, other: Any) -> bool:
        return self.value < plain(other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __float__(self) -> float:
        raise TypeError("what becomes a float on the way does not move by 1e-20 any more")

    def exp(self) -> "Digits":
        return Digits(EXACT.exp(self.value))

    def expm1(self) -> "Digits":
        return self.exp() - 1

    def log(self) -> "Digits":
        return Digits(EXACT.ln(self.value))

    def log1p(self) -> "Digits":
        return (self + 1).log()

    def sqrt(self) -> "Digits":
        return Digits(EXACT.sqrt(self.value))

    def tanh(self) -> "Digits":
        e = (self * -2).exp()
        return (1 - e) / (1 + e)

    def sinh(self) -> "Digits":
        return (self.exp() - (-self).exp()) / 2

    def cosh(self) -> "Digits":
        return (self.exp() + (-self).exp()) / 2


def plain(value: Any) -> Decimal:
    return value.value if isinstance(value, Digits) else Decimal(float(value))


def exact_jacobian(f: Callable[[Array], Array], v: Array) -> Array | None:
    """J of `f(vector of Digits) -> vector of them`, rounded to doubles; zero where two steps disagree.

    None if f is not made of arithmetic alone.
    """
    try:
        one, other = (np.array([difference(f, v, k, step) for k in range(len(v))]).T for step in (STEP, STEP / 10))
    except Exception:  # whatever the code does with objects that it was not written for
        return None
    return np.where(abs(one - other) <= 1e-9 * abs(one), one, 0)


def difference(f: Callable[[Array], Array], v: Array, k: int, step: Decimal) -> list[float]:
    up, down = (np.array([Digits(x) for x in v], object) for _ in range(2))
    up[k], down[k] = up[k] + Digits(step), down[k] - Digits(step)
    return [float(EXACT.divide(plain(a) - plain(b), 2 * step)) for a, b in zip(f(up), f(down))]
