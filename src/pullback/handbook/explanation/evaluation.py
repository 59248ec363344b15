"""Expressions of a derivation, evaluated on the reader's numbers."""

import ast
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np

from pullback.handbook.explanation.formula import tree

STEP = 1e-40  # along the imaginary axis nothing is subtracted, so a step may be as small as that
PATIENCE = 300_000  # parts of expressions, for a whole derivation: about a second
FUNCTIONS: dict[str, Callable[..., Any]] = {"exp": np.exp, "log": np.log, "tanh": np.tanh, "sqrt": np.sqrt}
BINARY: dict[type, Callable[..., Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b,
}  # fmt: skip


class Unreadable(ValueError):
    """An expression that has no value here, or one that would take too long to compute."""


class Values:
    """Arrays and sizes by name, the sizes of indices, and definitions: name -> (indices, text)."""

    def __init__(
        self, arrays: Mapping[str, Any], sizes: Mapping[str, int], index: Mapping[str, int],
        lets: Mapping[str, tuple[tuple[str, ...], str]],
    ) -> None:  # fmt: skip
        self.arrays = {name: np.asarray(a, complex) for name, a in arrays.items()}
        self.sizes, self.index = dict(sizes), dict(index)
        self.lets = {name: (indices, tree(text)) for name, (indices, text) in lets.items()}
        self.patience = PATIENCE

    def at(self, node: ast.expr, env: Mapping[str, int]) -> float:
        """The value of an expression for these values of its indices."""
        try:
            with np.errstate(all="ignore"):
                return float(np.real(self.value(node, env)))
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, AttributeError):
            raise Unreadable(ast.unparse(node)) from None

    def value(self, node: ast.expr, env: Mapping[str, int]) -> Any:
        self.patience -= 1
        if self.patience < 0:
            raise Unreadable(ast.unparse(node))
        match node:
            case ast.Constant(number):
                return number
            case ast.Name(name):
                return env[name] if name in env else self.sizes[name] if name in self.sizes else self.lookup(name, ())
            case ast.BinOp(a, by, b):
                return BINARY[type(by)](self.value(a, env), self.value(b, env))
            case ast.UnaryOp(ast.USub(), a):
                return -self.value(a, env)
            case ast.Compare(a, [ast.Eq()], [b]):
                return int(self.value(a, env) == self.value(b, env))
            case ast.Subscript(ast.Name(name), key):
                return self.lookup(name, tuple(self.value(k, env) for k in parts(key)))
            case ast.Call(ast.Name("sum"), [*indices, body]):
                return sum(self.value(body, inner) for inner in self.points(indices, env))
            case ast.Call(ast.Name("d"), [a, b]):
                return self.derivative(a, b, env)
            case ast.Call(ast.Name(function), arguments):
                return FUNCTIONS[function](*(self.value(a, env) for a in arguments))
        raise Unreadable(ast.unparse(node))

    def points(self, indices: list[ast.expr], env: Mapping[str, int]) -> list[dict[str, int]]:
        names = [ast.unparse(i) for i in indices]
        return [{**env, **dict(zip(names, place))} for place in product(*(range(self.index[n]) for n in names))]

    def lookup(self, name: str, key: tuple[int, ...]) -> Any:
        """An element of an array, or of a definition."""
        if name in self.lets:
            indices, body = self.lets[name]
            return self.value(body, dict(zip(indices, key)))
        return self.arrays[name][key]

    def derivative(self, a: ast.expr, b: ast.expr, env: Mapping[str, int]) -> Any:
        """∂a/∂b, where b is an element of an input: a is evaluated a little beside the real axis."""
        assert isinstance(b, ast.Subscript) and isinstance(b.value, ast.Name)
        array, key = self.arrays[b.value.id], tuple(self.value(k, env) for k in parts(b.slice))
        kept = array[key]
        array[key] = kept + 1j * STEP
        try:
            return np.imag(self.value(a, env)) / STEP
        finally:
            array[key] = kept


def parts(key: ast.expr) -> list[ast.expr]:
    return key.elts if isinstance(key, ast.Tuple) else [key]
