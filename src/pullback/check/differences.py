"""Derivatives of any function by differences: the oracle that no formula has touched."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

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


def _extrapolate(row: Sequence[Array]) -> tuple[Array, Array]:
    best, error = row[-1], np.full_like(row[-1], np.inf)
    for order in range(1, len(row)):
        finer = [b + (b - a) / (4.0**order - 1) for a, b in zip(row, row[1:])]
        for a, b, new in zip(row, row[1:], finer):
            gap = np.maximum(abs(new - a), abs(new - b))
            best, error = np.where(gap < error, new, best), np.minimum(gap, error)
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
