"""Derivatives of any function by differences: the oracle that no formula has touched."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def difference(
    f: Callable[..., Any], x: Sequence[Array], t: Sequence[Array], h: float = 0.02, levels: int = 6
) -> list[tuple[Array, Array]]:
    """The derivative along t of `f(*x) -> array or tuple`, and how far to trust it: one (value, error) per output.

    Ridders (1982): halve the step, extrapolate to step zero, keep for every element the entry that agrees best with
    its neighbours. A fixed step would accuse right rules wherever the function bends sharply.
    """

    def at(k: float) -> tuple[Array, ...]:
        found = f(*(xi + k * ti for xi, ti in zip(x, t)))
        return found if isinstance(found, tuple) else (found,)

    rows = [[(a - b) / (2 * s) for a, b in zip(at(s), at(-s))] for s in h / 2.0 ** np.arange(levels)]
    return [_extrapolate(column) for column in zip(*rows)]


class Slope(NamedTuple):
    """The derivative of a function of one number: from both sides together, and from each side alone, with errors."""

    value: Array
    error: Array
    left: Array
    right: Array
    sides_error: Array


def slope(along: Callable[[float], Array], eps: float, h: float = 0.02, levels: int = 8) -> Slope:
    """The derivative of `along(s) -> vector` at s = 0; `eps` is the relative rounding error of its values.

    An error is Ridders' estimate and what rounding makes of it: where a step is so small that the function does not
    move any more, the entries of the table agree perfectly, and are perfectly wrong.
    """
    steps = h / 2.0 ** np.arange(levels)
    middle, up, down = along(0.0), [along(s) for s in steps], [along(-s) for s in steps]
    with np.errstate(all="ignore"):
        # Rounding goes with the size of the values, those that cancel in a sum included: take the largest.
        sizes = [np.max(np.where(np.isfinite(a), abs(a), 0), initial=0) for a in (middle, *up, *down)]
        noise = eps * max(sizes) / steps
        value, error = _extrapolate([(u - d) / (2 * s) for u, d, s in zip(up, down, steps)], noise)
        right, right_error = _extrapolate([(u - middle) / s for u, s in zip(up, steps)], noise, base=2.0)
        left, left_error = _extrapolate([(middle - d) / s for d, s in zip(down, steps)], noise, base=2.0)
    return Slope(value, error, left, right, np.maximum(left_error, right_error))


def _extrapolate(row: Sequence[Array], noise: Any = None, base: float = 4.0) -> tuple[Array, Array]:
    """Steps halve, and errors are series in powers of `base`: 4 for central differences, 2 for those of one side."""
    best, error = row[-1], np.full_like(row[-1], np.inf)
    rounding = np.zeros(len(row)) if noise is None else noise
    for order in range(1, len(row)):
        finer = [b + (b - a) / (base**order - 1) for a, b in zip(row, row[1:])]
        for a, b, new, floor in zip(row, row[1:], finer, rounding[order:]):
            gap = np.maximum(abs(new - a), abs(new - b)) + floor
            best, error = np.where(gap < error, new, best), np.fmin(gap, error)
        row = finer
    return best, error


def inner(a: Iterable[Array], b: Iterable[Array]) -> float:
    """⟨a, b⟩ over several arrays."""
    return sum(float(np.sum(u * v)) for u, v in zip(a, b, strict=True))


def away_from(kinks: Any, x: Array, gap: float = 0.15) -> Array:
    """Move x off the kinks, where no derivative exists, to their right; for "ties", keep all elements apart."""
    if kinks == "ties":
        return gap * (np.argsort(np.argsort(x, axis=None)).reshape(x.shape) - x.size // 2)
    for kink in kinks:
        x = np.where(abs(x - kink) < gap, kink + gap, x)
    return x
