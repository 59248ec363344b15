"""What the operators and functions of the language do, over four kinds of numbers."""

import ast
import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib import import_module
from itertools import repeat
from typing import Any

import numpy as np

from pullback.errors import MissingError
from pullback.handbook.derivation.dual import Dual, moved, value
from pullback.handbook.derivation.errors import NoValue
from pullback.handbook.derivation.polynomial import Polynomial


def wanted(package: str) -> Any:
    """A package that only those need who check derivations."""
    try:
        return import_module(package)
    except ImportError:
        words = f'derivations are checked with {package}, which is not installed: pip install "pullback[docs]"'
        raise MissingError(words) from None


class Field:
    """Floats: numbers, and the functions of them. `module` has pi, and all functions but sigmoid."""

    module: Any = math

    def number(self, v: Any) -> Any:
        return float(v)

    def rank(self, a: Any) -> Any:
        """By which it is compared with others."""
        return value(a)

    def array(self, name: str, a: Any) -> Any:
        """An array of such numbers; integers stay what they are."""
        a = np.asarray(a)
        convert = int if a.dtype.kind in "iub" else self.number
        return np.array([convert(v) for v in a.reshape(-1).tolist()], object).reshape(a.shape)

    def function(self, name: str) -> Callable[..., Any]:
        if name in WHOLE:
            return partial(WHOLE[name], self)
        f, slope = self.smooth(name), SLOPES[name]

        def applied(x: Any) -> Any:
            if isinstance(x, Dual):
                y = f(x.v)
                return Dual(y, slope(self.module, x.v, y) * x.e)
            return f(x)

        return applied

    def smooth(self, name: str) -> Callable[[Any], Any]:
        """A function that has a slope at every number."""
        if name == "sigmoid":
            return lambda x: 1 / (1 + self.module.exp(-x))
        return getattr(self.module, name)  # type: ignore[no-any-return]


class Digits(Field):
    """Numbers of fifty digits."""

    def __init__(self, digits: int = 50) -> None:
        self.module = wanted("mpmath").MPContext()
        self.module.dps = digits

    def number(self, v: Any) -> Any:
        return self.module.mpf(repr(v) if isinstance(v, float) else v)


class Symbols(Field):
    """SymPy's expressions: x[0,1] is the symbol x_0_1. They are compared by the numbers for which they stand."""

    def __init__(self) -> None:
        self.module = wanted("sympy")
        self.worth: dict[Any, Any] = {}

    def number(self, v: Any) -> Any:
        return self.module.Rational(repr(v)) if isinstance(v, float) else self.module.Integer(v)

    def array(self, name: str, a: Any) -> Any:
        a = np.asarray(a)
        if a.dtype.kind in "iub":
            return super().array(name, a)
        symbols = [self.module.Symbol("_".join([name, *map(str, key)]), real=True) for key in np.ndindex(a.shape)]
        self.worth |= zip(symbols, map(self.module.Float, a.reshape(-1).tolist()))
        return np.array(symbols, object).reshape(a.shape)

    def rank(self, a: Any) -> Any:
        v = value(a)
        return v.xreplace(self.worth).evalf() if isinstance(v, self.module.Expr) else v


class Letters(Symbols):
    """The same, where the value of a function is a symbol by itself, of which nothing is known but its slope."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: dict[Any, Any] = {}

    def smooth(self, name: str) -> Callable[[Any], Any]:
        f = super().smooth(name)

        def named(x: Any) -> Any:
            if not self.module.sympify(x).free_symbols:
                return f(x)
            if (name, x) not in self.letters:
                letter = self.letters[name, x] = self.module.Symbol(f"{name}_{len(self.letters)}", real=True)
                self.worth[letter] = self.rank(f(x))
            return self.letters[name, x]

        return named


class Polynomials(Field):
    """Letters for elements and for values of functions, as above, and what is made of them multiplied out at once.

    That is fast, and knows no division but by numbers.
    """

    def __init__(self) -> None:
        self.letters: dict[Any, Polynomial] = {}

    def number(self, v: Any) -> Any:
        return Fraction(repr(v) if isinstance(v, float) else v)

    def rank(self, a: Any) -> Any:
        v = value(a)
        return v.worth if isinstance(v, Polynomial) else v

    def array(self, name: str, a: Any) -> Any:
        a = np.asarray(a)
        if a.dtype.kind in "iub":
            return super().array(name, a)
        found = np.empty(a.shape, object)
        for key, worth in np.ndenumerate(a):
            found[key] = self.letter((name, key), float(worth))
        return found

    def smooth(self, name: str) -> Callable[[Any], Any]:
        f = super().smooth(name)
        return lambda x: self.letter((name, x), f(self.rank(x)))

    def letter(self, what: Any, worth: float) -> Polynomial:
        return self.letters.setdefault(what, Polynomial.letter(len(self.letters), worth))


SLOPES: dict[str, Callable[[Any, Any, Any], Any]] = {  # f', from the module, x and f(x)
    "exp": lambda m, x, y: y,
    "log": lambda m, x, y: 1 / x,
    "tanh": lambda m, x, y: 1 - y * y,
    "sigmoid": lambda m, x, y: y * (1 - y),
    "sqrt": lambda m, x, y: 1 / (2 * y),
    "sin": lambda m, x, y: m.cos(x),
    "cos": lambda m, x, y: -m.sin(x),
    "erf": lambda m, x, y: 2 / m.sqrt(m.pi) * m.exp(-x * x),
}


def each(op: Callable[..., Any], *operands: Any, **more: Any) -> Any:
    """Element by element where an operand is a group of indices."""
    if not any(isinstance(a, tuple) for a in operands):
        return op(*operands, **more)
    groups = [a if isinstance(a, tuple) else repeat(a) for a in operands]
    return tuple(op(*each_of, **more) for each_of in zip(*groups))


def divide(a: Any, b: Any, field: Field) -> Any:
    """Integers divided are exact, too."""
    exact = lambda v: field.number(v) if isinstance(v, int) else v
    w = value(b)
    quotient = exact(value(a)) / w
    if not isinstance(a, Dual) and not isinstance(b, Dual):
        return quotient
    return Dual(quotient, exact(moved(a) - quotient * moved(b)) / w)


def power(a: Any, b: Any, field: Field) -> Any:
    if isinstance(b, Dual):
        raise NoValue("an exponent that moves")
    v = value(a)
    if isinstance(v, int) and not (isinstance(b, int) and b >= 0):
        v = field.number(v)
    if not isinstance(a, Dual) or b == 0:
        return raised(v, b)
    return Dual(v**b, b * raised(v, b - 1) * a.e)


def raised(v: Any, b: Any) -> Any:
    """0⁰ is 1, which Decimal does not say."""
    return 1 if b == 0 else v**b


ARITHMETIC: dict[type, Callable[..., Any]] = {
    ast.Add: lambda a, b, field: a + b, ast.Sub: lambda a, b, field: a - b, ast.Mult: lambda a, b, field: a * b,
    ast.Div: divide, ast.Pow: power, ast.FloorDiv: lambda a, b, field: a // b, ast.Mod: lambda a, b, field: a % b,
}  # fmt: skip


def decided(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Field], bool]:
    """A comparison that holds if it holds for all elements."""

    def holds(a: Any, b: Any, field: Field) -> bool:
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) != len(b):
            raise NoValue(f"{a} and {b} cannot be compared")
        found = each(lambda v, w: bool(op(field.rank(v), field.rank(w))), a, b)
        return all(found) if isinstance(found, tuple) else found

    return holds


COMPARISONS: dict[type, Callable[[Any, Any, Field], bool]] = {
    ast.Eq: decided(lambda a, b: a == b), ast.Lt: decided(lambda a, b: a < b), ast.LtE: decided(lambda a, b: a <= b),
    ast.Gt: decided(lambda a, b: a > b), ast.GtE: decided(lambda a, b: a >= b),
    ast.NotEq: lambda a, b, field: not COMPARISONS[ast.Eq](a, b, field),
}  # fmt: skip


def size(field: Field, x: Any) -> Any:
    return each(lambda v: -v if field.rank(v) < 0 else v, x)


def sign(field: Field, x: Any) -> int:
    v = field.rank(x)
    return int(bool(v > 0)) - int(bool(v < 0))


def extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    return lambda field, *items: each(lambda *each_of: choose(each_of, key=field.rank), *items)


def place(field: Field, p: tuple[int, ...], n: tuple[int, ...]) -> int:
    """The number of element p in an array of shape n, counted row by row."""
    return int(np.ravel_multi_index(p, n)) if n else 0


def onto(field: Field, p: tuple[int, ...], n: tuple[int, ...]) -> tuple[int, ...]:
    """The element that stands for p in an array of shape n, which is repeated where an axis is missing or of size 1."""
    return tuple(0 if m == 1 else k for k, m in zip(p[len(p) - len(n) :], n))


WHOLE: dict[str, Callable[..., Any]] = {
    "abs": size, "sign": sign, "max": extreme(max), "min": extreme(min), "place": place, "onto": onto,
}  # fmt: skip
FLOATS = Field()
