"""What a number is: in the words of forward's code, or made of a size of the inputs."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from math import prod
from typing import NamedTuple

import numpy as np

from pullback.check.mending.scene import Scene
from pullback.check.mending.words import placed
from pullback.check.steps.changes import subsets
from pullback.check.steps.source import code
from pullback.check.steps.tape import Place, is_step

LITERAL = re.compile(r"`-?[\d.e+-]+`")


Of = Callable[[Scene], float]
Named = tuple[str, Of, bool]  # and whether forward's code has it
ROOT = "np.sqrt("


class Factor(NamedTuple):
    """In words, what it is in a scene, which may have other sizes, and whether forward's code has it."""

    says: str
    of: Of
    written: bool

    @property
    def root(self) -> bool:
        return ROOT in self.says


def factors(scene: Scene, number: float) -> list[Factor]:
    """What this number may be, the words of forward before sizes."""
    return [
        Factor(f"{word} {text}", each, in_code)
        for text, of, in_code in chain(written(scene), sizes(scene)) if of(scene)
        for word, each in (("times", of), ("divided by", partial(inverse, of))) if np.isclose(each(scene), number)
    ]  # fmt: skip


def inverse(of: Of, scene: Scene) -> float:
    return 1 / of(scene)


def written(scene: Scene) -> Iterator[Named]:
    """What a step of forward takes beside arrays, if it is no mere number in the code."""
    for place, steps in scene.forward.steps.items():
        for i, operand in enumerate(steps[0].operands if is_step(place) else ()):
            text = code(place, i, len(steps[0].operands)) if is_number(operand) else ""
            if text and not LITERAL.fullmatch(text):
                yield placed(text, place, scene.forward), partial(operand_of, place, i), True


def is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def operand_of(place: Place, i: int, scene: Scene) -> float:
    return float(scene.forward.steps[place][0].operands[i])


def sizes(scene: Scene) -> Iterator[Named]:
    """Of the axes of the inputs, their products, their roots, and what makes a mean of n that of n - 1."""
    for k, (name, array) in enumerate(zip(scene.problem.names, scene.problem.arrays)):
        for axes in subsets(array.ndim):
            text = " * ".join(f"{name}.shape[{axis}]" for axis in axes)
            yield f"`{text if len(axes) < max(2, array.ndim) else f'{name}.size'}`", partial(size_of, k, axes, 1), False
            if len(axes) == 1:
                yield f"`{ROOT}{text})`", partial(size_of, k, axes, 0.5), False
                yield f"`{text} / ({text} - 1)`", partial(one_less, k, axes[0]), False


def counts(scene: Scene) -> Iterator[Named]:
    """Of the axes of arrays that have a name in backward's code, and of the inputs."""
    for place, steps in scene.steps.items():
        for i, operand in enumerate(steps[0].operands):
            text = code(place, i, len(steps[0].operands)) if np.ndim(operand) else ""
            if text.strip("`").isidentifier():
                for axis in range(np.ndim(operand)):
                    yield f"{text[:-1]}.shape[{axis}]`", partial(axis_of, place, i, axis), False
    yield from (each for each in sizes(scene) if ROOT not in each[0] and "/" not in each[0])


def axis_of(place: Place, i: int, axis: int, scene: Scene) -> float:
    return float(np.shape(scene.steps[place][0].operands[i])[axis])


def size_of(k: int, axes: tuple[int, ...], power: float, scene: Scene) -> float:
    shape = scene.problem.arrays[k].shape
    return float(prod(shape[axis] for axis in axes) ** power)


def one_less(k: int, axis: int, scene: Scene) -> float:
    n = float(scene.problem.arrays[k].shape[axis])
    return n / (n - 1)
