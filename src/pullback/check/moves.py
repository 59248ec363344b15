"""Directions in which inputs are moved. Few of them are known number by number: a coordinate is a place and a 1."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.problem import Problem

Array = NDArray[Any]


class Move(NamedTuple):
    """A flat vector that is zero but for some pieces: (places, amounts), which are added up."""

    pieces: tuple[tuple[Any, Any], ...]

    def of(self, v: Array, step: float) -> Array:
        """v, moved so far."""
        moved = v.copy()
        for places, amounts in self.pieces:
            moved[places] += step * amounts
        return moved

    def along(self, gradient: Array) -> float:
        """⟨gradient, this direction⟩."""
        return float(sum(np.sum(gradient[places] * amounts) for places, amounts in self.pieces))

    def reach(self, v: Array) -> float:
        """The largest |v| that it moves, weighted by how much."""
        sizes = [abs(v[places] * amounts) for places, amounts in self.pieces]
        return max(float(np.max(np.where(np.isfinite(size), size, 0), initial=0)) for size in sizes)

    def coordinate(self) -> int | None:
        """The one number that it moves, if it is one."""
        places = [place for place, _ in self.pieces]
        return int(places[0]) if len(places) == 1 and not isinstance(places[0], slice) else None

    def moves(self, begin: int, end: int) -> bool:
        """Does it move any of these numbers?"""
        first = [place.start if isinstance(place, slice) else int(place) for place, _ in self.pieces]
        last = [place.stop if isinstance(place, slice) else int(place) + 1 for place, _ in self.pieces]
        return any(a < end and begin < b for a, b in zip(first, last))

    def __add__(self, other: Any) -> "Move":
        return Move(self.pieces + other.pieces)

    def __neg__(self) -> "Move":
        return Move(tuple((places, -amounts) for places, amounts in self.pieces))


def coordinate(k: int) -> Move:
    return Move(((int(k), 1.0),))


def dense(vector: Array, begin: int = 0) -> Move:
    return Move(((slice(begin, begin + len(vector)), vector),))


def combined(moves: Sequence[Move]) -> Move:
    return Move(tuple(piece for move in moves for piece in move.pieces))


def sample(problem: Problem, rng: np.random.Generator) -> list[Move]:
    """For what is large: a dense random direction of every input, which no element escapes, and some coordinates."""
    found = []
    for part in problem.inputs:
        found.append(dense(dice(rng, part.end - part.begin), part.begin))
        found += [coordinate(k) for k in rng.integers(part.begin, part.end, min(COORDINATES, part.end - part.begin))]
    return found


def few(problem: Problem, rng: np.random.Generator, special: Sequence[int]) -> list[Move]:
    """Some special coordinates, and one direction through the rest of every input, or of the others together."""
    some = list(special[:2])
    rest = dice(rng, len(problem.example))
    rest[some] = 0
    own = [part for part in problem.inputs if not some or part.begin <= some[0] < part.end]
    through = [dense(rest[part.begin : part.end], part.begin) for part in problem.inputs]
    alone = [move for move, part in zip(through, problem.inputs) if part in own]
    others = combined([move for move, part in zip(through, problem.inputs) if part not in own])
    return [*map(coordinate, some), *(move for move in [*alone, others] if any(a.any() for _, a in move.pieces))]


def dice(rng: np.random.Generator, n: int) -> Array:
    """Random numbers far from zero, of which no two are alike: elements that are exchanged make a difference."""
    return np.asarray(rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.5, n))


COORDINATES = 2  # of every input that is large
