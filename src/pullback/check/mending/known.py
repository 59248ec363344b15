"""What may stand in the place of something else: the arrays of a scene, no two alike, and its numbers."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.mending.scene import Scene, Source
from pullback.check.steps.changes import subsets
from pullback.check.steps.tape import Place

Array = NDArray[Any]

SIMPLE = 0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5


class Known:
    """For a step, what was there before it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.values: dict[Source, list[Array]] = {}
        self.seen: set[Any] = set()
        for source in scene.sources():
            values = scene.values(source)
            key = key_of(values)
            if values and key not in self.seen:
                self.seen.add(key)
                self.values[source] = values
        self.sizes = {n for values in self.values.values() for n in (*values[0].shape, values[0].size)}
        constants = {
            each for tape in (scene.forward, scene.tape) for steps in tape.steps.values() for each in steps[0].operands
            if type(each) in (int, float)
        }  # fmt: skip
        found = {*SIMPLE, *self.sizes, *constants, *(1 / n for n in self.sizes if n)}
        self.numbers = sorted(found, key=lambda n: (abs(n), n))
        problem = scene.problem
        self.axes = {n for part in (*problem.inputs, *problem.outputs) for n in part.shape}
        shapes = [part.shape for part in (*problem.inputs, *problem.outputs)]
        products = {prod(shape[axis] for axis in axes) for shape in shapes for axes in subsets(len(shape))}
        self.counts = {n for n in products | self.sizes if n > 1} - self.axes  # over several axes, or of other arrays

    def in_place_of_number(self, old: float) -> list[float]:
        """For a size, counts as well."""
        counts = self.counts if old in self.axes | self.counts else set()
        return [*self.numbers, *sorted(counts.difference(self.numbers))]

    def in_place_of(self, operand: Sequence[Array], place: Place) -> Iterator[Source]:
        """Of its shape, but for axes of one, and its kind."""
        like = operand[0]
        for source in self.before(place, len(operand)):
            other = self.values[source]
            if other[0].dtype.kind == like.dtype.kind:
                if bare(other[0]) == bare(like) and not identical(other, operand):
                    yield source
                if other[0].ndim == like.ndim == 2 and other[0].shape == like.shape[::-1] and min(like.shape) > 1:
                    yield source._replace(turned=True)

    def beside(self, result: Sequence[Array], place: Place, smaller: bool) -> Iterator[Source]:
        """Of its shape, or (`smaller`) such that it is broadcast to that."""
        shape = np.shape(result[0])
        for source in self.before(place, len(result)):
            own = self.values[source][0].shape
            goes = len(own) <= len(shape) and all(a in (1, b) for a, b in zip(own[::-1], shape[::-1]))
            if goes if smaller else own == shape:
                yield source

    def before(self, place: Place, turns: int) -> Iterator[Source]:
        """One array for all turns, or one for each."""
        order = self.scene.order
        for source, values in self.values.items():
            at = order.get(source.name, -1) if source.whose == "backward" else -1
            later = at > order[place] or at == order[place] and source.operand < 0
            if len(values) in (1, turns) and not later:
                yield source

    def called(self, arrays: Sequence[Array]) -> Source | None:
        """Which input, gradient or output these are."""
        if len(arrays) != 1:
            return None
        named = (source for source in self.values if source.whose in ("input", "above", "output"))
        return next((each for each in named if np.array_equal(self.values[each][0], arrays[0])), None)


def key_of(values: Sequence[Array]) -> Any:
    return tuple((each.shape, each.dtype.kind, each.tobytes()) for each in values)


def identical(some: Sequence[Array], others: Sequence[Array]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def bare(a: Array) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n > 1)
