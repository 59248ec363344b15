"""The little language of a rule's own texts: arithmetic and comparisons over axis sizes and hyperparameters.

    4*m    i/groups    o % groups == 0    0 <= padding <= kernel_size/2    padding in ('same', 'valid') or padding >= 0

A tuple is a vector: arithmetic goes element by element, and a comparison holds if it holds for all elements.
What cannot be compared (a text with a number, say) does not hold; nor does nan, so that `x <= inf` is all that x needs
to be a number, and `-inf < x < inf` to be a finite one.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cache
from itertools import repeat
from math import inf, prod
from typing import Any

import numpy as np

from pullback.errors import SignatureError

ARITHMETIC: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
ELEMENTWISE: dict[type, Callable[..., Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
WHOLE: dict[type, Callable[..., bool]] = {
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that arrays of these shapes have together, or None if they do not fit."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "prod": prod, "len": len, "broadcast": broadcast}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression; `names` maps names to numbers, tuples, texts, booleans or None."""
    return _value(_parsed(text), names)


@cache
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        raise SignatureError(f"cannot read {text!r} as an expression") from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name("inf"):
            return inf
        case ast.Name(name):
            return names[name]
        case ast.Tuple(items):
            return tuple(_value(item, names) for item in items)
        case ast.BinOp(a, op, b) if type(op) in ARITHMETIC:
            return _each(ARITHMETIC[type(op)], _value(a, names), _value(b, names))
        case ast.UnaryOp(ast.USub(), a):
            return _each(operator.mul, -1, _value(a, names))
        case ast.UnaryOp(ast.Not(), a):
            return not _value(a, names)
        case ast.BoolOp(ast.And(), parts):
            return all(_value(part, names) for part in parts)
        case ast.BoolOp(ast.Or(), parts):
            return any(_value(part, names) for part in parts)
        case ast.Compare(first, ops, rest):
            values = [_value(v, names) for v in (first, *rest)]
            return all(_holds(type(op), a, b) for op, a, b in zip(ops, values, values[1:]))
        case ast.Call(ast.Name(f), args) if f in FUNCTIONS:
            return FUNCTIONS[f](*(_value(arg, names) for arg in args))
    raise SignatureError(f"{ast.unparse(node)!r} is more than this little language can say")


def _each(op: Callable[..., Any], a: Any, b: Any) -> Any:
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return op(a, b)
    a, b = (v if isinstance(v, tuple) else repeat(v) for v in (a, b))
    return tuple(map(op, a, b))


def _holds(op: type, a: Any, b: Any) -> bool:
    if op in WHOLE:
        return WHOLE[op](a, b)
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) != len(b):
        return op is ast.NotEq
    try:
        found = _each(ELEMENTWISE[op], a, b)
    except TypeError:
        return False
    return all(found) if isinstance(found, tuple) else bool(found)
