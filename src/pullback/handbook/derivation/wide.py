"""Two more kinds of numbers, for those who read: as mathematics has them, and as a program in float64 gets them.

A sum of exponentials that floats cannot hold, or 1 - σ(40), is a number like any other in `Wide`. `Doubles` are what
comes out if a line is computed as it stands: inf / inf is nan, and 1 - 1 is 0.
"""

import math
from collections.abc import Callable, Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from pullback.handbook.derivation.arithmetic import Field

FEWEST, MOST = 50, 1000  # digits
FAR = 12  # where two numbers may be multiplied and exponentiated, more of them would cost too much


def context(arrays: Iterable[Any]) -> Context:
    """With as many digits as 1 - exp(-x) needs, of these numbers and of products of two of them that are not large."""
    sizes = (abs(np.asarray(a)) for a in arrays if np.asarray(a).dtype.kind == "f")
    largest = max((float(a.max(initial=0, where=np.isfinite(a))) for a in sizes), default=0.0)
    digits = FEWEST + 2 * min(largest, FAR) ** 2 + min(largest, MOST) / 2
    return Context(prec=min(int(digits), MOST), Emax=MAX_EMAX, Emin=MIN_EMIN)


def of_decimals(f: Callable[[Decimal], Any]) -> Callable[[Any], Decimal]:
    """The function of whole numbers as well, and of one that answers in floats; no number is asked twice."""
    return cache(lambda x: Decimal(f(Decimal(x))))


def logarithm(x: Decimal) -> Decimal:
    if not x:
        raise ValueError("the logarithm of 0")
    return x.ln()


def tanh(x: Decimal) -> Decimal:
    e = (-2 * abs(x)).exp()
    return ((1 - e) / (1 + e)).copy_sign(x)


def erf(x: Decimal) -> Decimal:
    """Far from 0 by what it lacks to 1."""
    near = Decimal(math.erf(x)) if abs(x) < 1 else 1 - Decimal(math.erfc(abs(x)))
    return near.copy_sign(x)


class Wide(Field):
    """Numbers of many digits, whose exponents have no end worth mentioning. To be used within one context."""

    def __init__(self) -> None:
        functions = dict(
            exp=Decimal.exp, log=logarithm, sqrt=Decimal.sqrt, tanh=tanh, erf=erf, sin=math.sin, cos=math.cos
        )
        known = {name: of_decimals(f) for name, f in functions.items()}
        self.module = SimpleNamespace(pi=Decimal(math.pi), inf=Decimal("inf"), **known)

    def number(self, v: Any) -> Any:
        return Decimal(v) if isinstance(v, int) else Decimal(repr(float(v)))


class Doubles(Field):
    """Numbers of NumPy: nothing is an error."""

    module = SimpleNamespace(
        pi=np.pi, inf=np.inf, exp=np.exp, log=np.log, sqrt=np.sqrt, tanh=np.tanh, sin=np.sin, cos=np.cos,
        erf=lambda x: np.float64(math.erf(x)),
    )  # fmt: skip

    def number(self, v: Any) -> Any:
        return np.float64(v)
