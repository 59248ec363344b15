"""What the numbers in an array may be: told from the name of the parameter, where it says so."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import is_shape

Shape = tuple[int, ...]


def integers(*shape: int, below: int) -> Any:
    """The first stands there once more, at the end: `=` for `+=` shows where indices repeat."""
    found = np.random.default_rng(0).integers(0, below, shape)
    found.flat[-1] = found.flat[0]
    return found


def probabilities(*shape: int) -> Any:
    return np.random.default_rng(0).uniform(0.1, 0.9, shape)


def positive(*shape: int) -> Any:
    return np.random.default_rng(0).uniform(0.5, 2.0, shape)


def definite(size: int) -> Any:
    """A matrix that is symmetric and positive definite."""
    found = np.random.default_rng(0).normal(size=(size, size))
    return found @ found.T + np.eye(size)


def one_hot(*shape: int, axis: int = -1, seed: int = 0) -> Any:
    """A 1 in every line along the axis."""
    n, rest = shape[axis], [size for k, size in enumerate(shape) if k != axis % len(shape)]
    labels = np.random.default_rng(seed).integers(0, n, rest)
    return np.ascontiguousarray(np.moveaxis(np.eye(n)[labels], -1, axis))


def flags(*shape: int) -> Any:
    return np.random.default_rng(0).random(shape) < 0.7


# Of everything else the numbers may be any: a shape stands for them.
NAMED = (
    (r"p|q|prob\w*|y_?hat|AL", probabilities),
    (r"tau|temp(erature)?|sigma|std|\w*var(iance)?|precision|lam(bda)?_?", positive),
    (r"masks?|keep|flags", flags),
    (r"(seq_?)?(lengths?|lens?)", lambda *shape: 1 + integers(*shape, below=2)),
    (r"labels?|idxs?|ind(ex|ices)|ids?|tokens?|classes|positions?", lambda *shape: integers(*shape, below=3)),
)


def kind(name: str) -> Callable[..., Any] | None:
    """What makes an array of this name, where that tells its numbers."""
    return next((make for pattern, make in NAMED if re.fullmatch(pattern, name)), None)


def drawn(name: str, value: Any) -> Any:
    """The array of this name and shape, where the name tells its numbers; a single number is a scale, above 0."""
    if not is_shape(value):
        return value
    make = kind(name) or (None if value else positive)
    return value if make is None else make(*value)


def numeric(value: Any) -> Any:
    """Flags as numbers, 0 or 1."""
    return value.astype(float) if isinstance(value, np.ndarray) and value.dtype == bool else value


def inside(value: Any) -> Any:
    """The same array with numbers between 0 and 1, where nearly everything is defined, in dicts and lists too; what is
    there already stays, such as targets that are 0 or 1."""
    if is_shape(value):
        return probabilities(*value)
    if isinstance(value, dict):
        copy = value.copy()
        copy.update({name: inside(item) for name, item in value.items()})
        return copy
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.all((value >= 0) & (value <= 1)):
        return probabilities(*value.shape)
    return value
