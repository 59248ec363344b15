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


class Slopes(NamedTuple):
    """Derivatives [output, direction]: from both sides together, and from each side alone, with errors."""

    value: Array
    error: Array
    left: Array
    right: Array
    sides_error: Array


Move = Callable[[Array, float], Array]  # x, moved so far along a direction

COARSE, FINE = 4, 8  # how often the step is halved: where that settles it, and elsewhere
CELLS = 200_000  # of outputs along directions, at a time


def slopes(f: Callable[[Array], Array], x: Array, moves: Sequence[Move], steps: Array, eps: float) -> Slopes:
    """The derivative of `f(vector) -> vector` at x along every one of `moves`, each with a first step of its own.

    `eps` is the relative rounding error of f. An error is Ridders' estimate and what rounding makes of it: where a
    step is so small that the function does not move any more, the entries of the table agree perfectly, and are
    perfectly wrong. Small steps are taken along a direction only if larger ones leave something open there.
    """
    middle = f(x)
    block = max(1, CELLS // max(1, middle.size))
    with np.errstate(all="ignore"):
        found = [
            _along(f, x, middle, moves[k : k + block], steps[k : k + block], eps) for k in range(0, len(moves), block)
        ]
    return Slopes(*(np.concatenate(some).T for some in zip(*found)))


def _along(
    f: Callable[[Array], Array], x: Array, middle: Array, moves: Sequence[Move], steps: Array, eps: float
) -> list[Array]:
    """The fields of `Slopes` for a few directions: [direction, output]."""

    def sides(moves: Sequence[Move], steps: Array, levels: range) -> Array:
        """f on both sides: [side, level, direction, output]."""
        return np.array(
            [[[f(move(x, s / 2**k)) for s, move in zip(side, moves)] for k in levels] for side in (steps, -steps)]
        )

    first = sides(moves, steps, range(COARSE))
    coarse, settled = _tables(middle, first, steps, eps)
    rough = ~settled
    if rough.any():
        more = sides([move for move, each in zip(moves, rough) if each], steps[rough], range(COARSE, FINE))
        fine, _ = _tables(middle, np.concatenate([first[:, :, rough], more], 1), steps[rough], eps)
        for whole, part in zip(coarse, fine):
            whole[rough] = part
    return coarse


def _tables(middle: Array, sides: Array, steps: Array, eps: float) -> tuple[list[Array], Array]:
    """The fields of `Slopes` from what f is on both sides, and which directions are settled: nothing left to see."""
    up, down = sides
    s = steps[:, None] / 2.0 ** np.arange(len(up))[:, None, None]
    # Rounding goes with the size of the values, those that cancel in a sum included: take the largest.
    size = lambda a, axes: np.max(np.where(np.isfinite(a), abs(a), 0), axis=axes, initial=0)
    noise = eps * np.maximum(size(sides, (0, 1, 3)), size(middle, None))[:, None] / s
    value, error = _extrapolate((up - down) / (2 * s), noise)
    right, right_error = _extrapolate((up - middle) / s, noise, base=2.0)
    left, left_error = _extrapolate((middle - down) / s, noise, base=2.0)
    sides_error = np.maximum(left_error, right_error)

    rounding, scale = 4 * noise[-1], np.maximum(size(value, 1), size(left, 1))[:, None]
    bend = 1e-5 * (abs(left) + abs(right)) + 1e-6 * scale + rounding
    told = (error <= 1e-9 * scale + rounding) & (abs(right - left) <= bend) & (sides_error <= bend)
    return [value, error, left, right, sides_error], np.all(told | ~np.isfinite(middle), 1)


def _extrapolate(row: Any, noise: Any = None, base: float = 4.0) -> tuple[Array, Array]:
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
