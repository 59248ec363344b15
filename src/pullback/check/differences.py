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
CELLS = 100_000  # of outputs along directions, at a time: what is computed of them stays in a cache


def slopes(f: Callable[[Array], Array], x: Array, moves: Sequence[Move], steps: Array, eps: float) -> Slopes:
    """The derivative of `f(vector) -> vector` at x along every one of `moves`, each with a first step of its own.

    `eps` is the relative rounding error of f. An error is Ridders' estimate and what rounding makes of it: where a
    step is so small that the function does not move any more, the entries of the table agree perfectly, and are
    perfectly wrong. Small steps are taken along a direction only if larger ones leave something open there.
    """
    with np.errstate(all="ignore"):
        middle = f(x)
        found = np.empty((len(Slopes._fields), len(moves), middle.size), middle.dtype)
        block = max(1, CELLS // max(1, middle.size))
        for k in range(0, len(moves), block):
            some = slice(k, k + block)
            _along(f, x, middle, moves[some], steps[some], eps, found[:, some])
    return Slopes(*(each.T for each in found))


def _along(
    f: Callable[[Array], Array], x: Array, middle: Array, moves: Sequence[Move], steps: Array, eps: float, found: Array
) -> None:
    """Fill in the fields of `Slopes` for a few directions: [field, direction, output]."""

    def sides(which: Any, levels: Sequence[int], kept: Any = slice(None)) -> Array:
        """f on both sides along some of the directions: [side, level, direction, output], of the outputs kept."""
        some = np.arange(len(moves))[which]
        values = np.empty((2, len(levels), len(some), middle[kept].size), middle.dtype)
        for j, k in enumerate(levels):
            for d, (move, step) in enumerate((moves[each], steps[each] / 2**k) for each in some):
                values[0, j, d], values[1, j, d] = f(move(x, step))[kept], f(move(x, -step))[kept]
        return values

    coarse = np.empty((2, COARSE, len(moves), middle.size), middle.dtype)
    ends = coarse[:, :: COARSE - 1]
    ends[...] = sides(slice(None), (0, COARSE - 1))
    # Rounding goes with the size of the values, those that cancel in a sum included: take the largest.
    noise = eps * np.maximum(_largest(ends).max((0, 1)), _largest(middle))
    bent = ~_linear(middle, ends, noise)
    for k in range(1, COARSE - 1):
        coarse[:, k, ~bent] = middle + (ends[:, 0, ~bent] - middle) / 2**k
    if bent.any():
        coarse[:, 1:-1, bent] = sides(bent, range(1, COARSE - 1))
    _fill(found, middle, coarse, steps, noise)
    settled = _settled(found, 4 * noise / (steps / 2 ** (COARSE - 1))) | ~np.isfinite(middle)
    rough, left_open = np.flatnonzero(~settled.all(1)), np.flatnonzero(~settled.all(0))
    if rough.size:
        more = sides(rough, range(COARSE, FINE), left_open)
        finer = np.empty((len(found), len(rough), len(left_open)), found.dtype)
        both = np.concatenate([coarse[:, :, rough][..., left_open], more], 1)
        _fill(finer, middle[left_open], both, steps[rough], noise[rough])
        found[:, rough[:, None], left_open] = finer


def _linear(middle: Array, ends: Array, noise: Array) -> Array:
    """Along which directions f moves linearly, as far as its rounding shows: then steps in between show nothing."""
    (far, near), straight = (ends[:, 0], ends[:, 1]), 2.0 ** (COARSE - 1)
    bends = abs(near - middle - (far - middle) / straight).max((0, 2)), abs(far.sum(0) - 2 * middle).max(1)
    return np.asarray(np.maximum(*bends) <= 4 * noise)  # not where something is not finite


def _fill(found: Array, middle: Array, sides: Array, steps: Array, noise: Array) -> None:
    """The fields of `Slopes` from what f is on both sides, so many outputs at a time."""
    s = steps[:, None] / 2.0 ** np.arange(sides.shape[1])[:, None, None]
    noise = noise[:, None] / s
    width = max(1, CELLS // (sides.shape[1] * len(steps)))
    for k in range(0, middle.size, width):
        own = slice(k, k + width)
        (up, down), here = sides[..., own], middle[own]
        value, error = _extrapolate((up - down) / (2 * s), noise)
        from_one_side = np.stack([(here - down) / s, (up - here) / s], 1)
        (left, right), errors = _extrapolate(from_one_side, noise[:, None], base=2.0)
        for field, each in zip(found, (value, error, left, right, errors.max(0))):
            field[:, own] = each


def _settled(found: Array, rounding: Array) -> Array:
    """Is nothing left to see: [direction, output]?"""
    value, error, left, right, sides_error = found
    rounding = rounding[:, None]
    scale = np.maximum(_largest(value), _largest(left))[:, None]
    bend = 1e-5 * (abs(left) + abs(right)) + 1e-6 * scale + rounding
    known = (error <= 1e-9 * scale + rounding) & (abs(right - left) <= bend) & (sides_error <= bend)
    return np.asarray(known)


def _largest(a: Array) -> Array:
    """The largest size of what is finite along the last axis."""
    found = np.maximum(a.max(-1, initial=0), -a.min(-1, initial=0))
    finite = np.isfinite(found).all()
    return np.asarray(found if finite else np.max(np.where(np.isfinite(a), abs(a), 0), axis=-1, initial=0))


def _extrapolate(row: Any, noise: Array | None = None, base: float = 4.0) -> tuple[Array, Array]:
    """Steps halve, and errors are series in powers of `base`: 4 for central differences, 2 for those of one side."""
    row = np.asarray(row)
    entries, gaps = [row[-1:]], [np.full_like(row[-1:], np.inf)]
    for order in range(1, len(row)):
        finer = row[1:] + (row[1:] - row[:-1]) / (base**order - 1)
        floor = 0.0 if noise is None else noise[order:]
        gaps.append(np.maximum(abs(finer - row[:-1]), abs(finer - row[1:])) + floor)
        entries.append(finer)
        row = finer
    values, errors = np.concatenate(entries), np.concatenate(gaps)
    errors[np.isnan(errors)] = np.inf
    best = np.argmin(errors, 0)[None]
    return np.take_along_axis(values, best, 0)[0], np.take_along_axis(errors, best, 0)[0]


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
