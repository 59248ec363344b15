"""Whose gradient is it, where backward gives fewer than there are inputs, and several inputs have its shape?

Of a loss, the prediction's: `mse_prime(y_true, y_pred)` has one gradient, and it is not that of its first argument. So
what is called a target has none if another input may have it. Where names do not tell, numbers do: a gradient of a loss
that is right for one of the inputs belongs to that one. What no input is right for belongs to the first.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import combinations, islice
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters.arguments import Leaf
from pullback.check.adapters.code import Code, contained
from pullback.check.adapters.gradients import shape

TARGET = re.compile(r"(\w+_)?(true|targets?|labels?|truth|gt|expected|actual|desired)")
UNSURE = re.compile(r"[tTyY]")  # a target beside a prediction, and anything elsewhere
PREDICTION = re.compile(r"[pxXzafo]|(\w+_)?(p|pred\w*|hat|scores?|outputs?|logits?|prob\w*|log_?prob\w*|out)|yhat|y_?p")
MOST = 20  # ways to give the gradients to inputs
STEP, CLOSE = 1e-4, 1e-2


class Run(NamedTuple):
    """The layer at its example, and what it gave there."""

    forward: Callable[..., tuple[Any, ...]]
    arrays: list[Any]
    above: list[Any]
    gradients: list[Any]  # those that there are


def settle(code: Code, forward: Callable[..., Any], backward: Callable[..., Any], *parameters: Leaf) -> None:
    """Decide which of the arguments have a gradient, once for all further runs."""
    leaves = code.arguments.leaves
    shapes = [shape(leaf.value) for leaf in leaves if leaf.moves]
    if len(set(shapes)) == len(shapes):
        return
    with suppress(Exception), contained(), np.errstate(all="ignore"):  # what does not run is not for us to say
        arrays = [*code.arguments.example(), *(leaf.value for leaf in parameters)]
        rng = np.random.default_rng(0)
        outputs = forward(*fresh(arrays))
        above = [np.asarray(rng.normal(size=y.shape)).astype(y.dtype) for y in outputs]
        found = backward(fresh(above), fresh(arrays))[: len(leaves)]
        run = Run(forward, arrays, above, [gradient for gradient in found if gradient is not None])
        if len(run.gradients) < len(shapes) and (owners := owners_of(run, leaves, loss=not any(map(np.ndim, outputs)))):
            code.arguments.leaves = [leaf._replace(owns=k in owners) for k, leaf in enumerate(leaves)]


def owners_of(run: Run, leaves: Sequence[Leaf], loss: bool) -> Sequence[int]:
    """The inputs that the gradients belong to, in order: never a target in the place of something else, and of a loss
    that for which they are right. Elsewhere the first counts: a product may have the gradient of its other factor."""
    names = [leaf.name for leaf in leaves]
    targets = lambda places: sum(is_target(names[k], names) for k in places)
    ways = sorted(placements(run.gradients, leaves), key=targets)
    likely = [way for way in ways if targets(way) == targets(ways[0])]
    return next((way for way in likely if loss and len(ways) > 1 and is_right(run, way)), ways[0] if ways else ())


def is_target(name: str, names: Sequence[str]) -> bool:
    if UNSURE.fullmatch(name):
        return any(PREDICTION.fullmatch(other) for other in names)
    return TARGET.fullmatch(name) is not None


def placements(gradients: Sequence[Any], leaves: Sequence[Leaf]) -> list[tuple[int, ...]]:
    """All ways in which inputs in their order have the shapes of the gradients."""
    moving = [k for k, leaf in enumerate(leaves) if leaf.moves]
    fit = lambda way: all(shape(leaves[k].value) == np.shape(g) for k, g in zip(way, gradients))
    return list(islice(filter(fit, combinations(moving, len(gradients))), MOST))


def is_right(run: Run, owners: Sequence[int]) -> bool:
    """Told from two directions, and roughly: another input's gradient is far off."""
    rng = np.random.default_rng(1)
    with suppress(Exception):  # of code that takes no double precision, say: then names alone tell
        return all(along(run, k, g, rng) for k, g in zip(owners, run.gradients) for _ in range(2))
    return False


def along(run: Run, k: int, gradient: Any, rng: np.random.Generator) -> bool:
    t = rng.normal(size=np.shape(gradient))

    def value(step: float) -> Any:
        arrays = [a.astype(float) if a.dtype.kind == "f" else a.copy() for a in run.arrays]
        arrays[k] = arrays[k] + step * t
        return sum(np.sum(g * y) for g, y in zip(run.above, run.forward(*arrays)))

    given, right = np.sum(gradient * t), (value(STEP) - value(-STEP)) / (2 * STEP)
    return bool(abs(given - right) <= CLOSE * max(abs(given), abs(right)))


def fresh(arrays: Sequence[Any]) -> list[Any]:
    return [np.array(array) for array in arrays]
