"""A step of forward, changed to first order: it gives the same at the place that was written down, and moves otherwise.

Each takes the steps of one place, a turn of a loop each, as they were there, and which operand is meant.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.steps.tape import Change, Changes, Place, Step, Tape

Array = NDArray[Any]
Steps = Sequence[Step]
Slope = Callable[[Array], Array]


def put(operands: Sequence[Any], i: int, value: Any) -> list[Any]:
    return [value if k == i else each for k, each in enumerate(operands)]


def of_turn(values: Sequence[Any], turn: int) -> Any:
    """One for every turn, or one for all."""
    return values[turn] if len(values) > 1 else values[0]


def scaled(steps: Steps, i: int, c: float, turns: range | None = None) -> Change:
    """What the operand does, times c; held for c = 0. In these turns, or in all."""

    def change(turn: int, call: Any, given: Sequence[Any]) -> Any:
        if turns is not None and turn not in turns:
            return call(*given)
        calm = call(*put(given, i, steps[turn].operands[i]))
        return calm + c * (call(*given) - calm) if c else calm

    return change


def masked(steps: Steps, i: int, mask: Array) -> Change:
    """What the operand does, where the mask is 1."""

    def change(turn: int, call: Any, given: Sequence[Any]) -> Any:
        calm = call(*put(given, i, steps[turn].operands[i]))
        return calm + mask * (call(*given) - calm)

    return change


def sloped(steps: Steps, i: int, slope: Slope, values: Sequence[Any]) -> Change:
    """With a slope of our own, of these values."""

    def change(turn: int, call: Any, given: Sequence[Any]) -> Any:
        a = steps[turn].operands[i]
        return call(*put(given, i, a)) + slope(of_turn(values, turn)) * (given[i] - a)

    return change


def at_output(steps: Steps, i: int) -> Change:
    """With its slope at the result."""

    def change(turn: int, call: Any, given: Sequence[Any]) -> Any:
        a, r = steps[turn].operands[i], steps[turn].result
        return call(*put(given, i, a)) + call(*put(given, i, r + (given[i] - a))) - call(*put(given, i, r))

    return change


def partnered(steps: Steps, i: int, values: Sequence[Any]) -> Change:
    """Of a product (or a quotient): multiplied by another array than the one that stands there."""

    def change(turn: int, call: Any, given: Sequence[Any]) -> Any:
        a = steps[turn].operands[i]
        rest = put(put(given, i, given[i] - a), 1 - i, of_turn(values, turn))
        return call(*put(given, i, a)) + call(*rest)

    return change


def reduced(steps: Steps, i: int, axes: tuple[int, ...]) -> Change:
    """A sum, a mean or a variance over other axes; what comes out has to fit in its place."""

    def change(turn: int, call: Any, given: Sequence[Any]) -> Any:
        step = steps[turn]
        a = step.operands[i]
        moved = given[i] - a
        if step.name in ("var", "std"):
            moved = 2 * (a - mean_within(step, a)) * moved
        total = np.sum if "sum" in step.name or step.name == "add.reduce" else np.mean
        found = total(moved, axes, keepdims=np.ndim(step.result) == np.ndim(a))
        return step.result + (found / (2 * step.result) if step.name == "std" else found)

    return change


def nudged(turn: int, k: int, by: complex) -> Change:
    """One number that comes out is a little larger."""

    def change(now: int, call: Any, given: Sequence[Any]) -> Any:
        found = call(*given)
        if now != turn:
            return found
        moved = np.array(found)
        moved.flat[k] += by
        return moved

    return change


def mean_within(step: Step, a: Array) -> Array:
    """The mean about which a variance is taken: over those axes over which it is this variance."""
    squared = np.ravel(step.result**2 if step.name == "std" else step.result)
    fits = lambda variance: variance.size == squared.size and np.allclose(np.ravel(variance), squared)
    own = next(some for some in subsets(a.ndim) if fits(a.var(some)))
    return np.asarray(a.mean(own, keepdims=True))


def bridged(tape: Tape, chain: Sequence[Place], slope: Slope, values: Sequence[Any] | None = None) -> Changes:
    """From before the first step of a chain to behind its last, with a slope of our own: of the last results, or of
    these values."""
    moved: dict[int, Any] = {}
    first, last = (tape.steps[place] for place in (chain[0], chain[-1]))
    i = arrays_of(first[0])[0]

    def begin(turn: int, call: Any, given: Sequence[Any]) -> Any:
        moved[turn] = given[i] - first[turn].operands[i]
        return call(*given)

    def end(turn: int, call: Any, given: Sequence[Any]) -> Any:
        r = last[turn].result
        return r + slope(r if values is None else of_turn(values, turn)) * moved[turn]

    return {chain[0]: begin, chain[-1]: end}


def subsets(n: int) -> Iterator[tuple[int, ...]]:
    return (some for count in range(1, n + 1) for some in combinations(range(n), count))


def arrays_of(step: Step) -> list[int]:
    return [k for k, each in enumerate(step.operands) if np.ndim(each)]
