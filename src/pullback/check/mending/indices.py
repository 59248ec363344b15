"""Another index in the place of one: the next number, a slice moved, another array of whole numbers."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pullback.check.mending.edits import Edit, Steps
from pullback.check.mending.known import Known
from pullback.check.mending.scene import Scene
from pullback.check.steps.changes import of_turn
from pullback.check.steps.source import index_code, line
from pullback.check.steps.tape import Change, Changes, Place

Key = tuple[Any, ...]
Move = Callable[[Any, int], Any]  # of an index, along an axis of that size


def other_indices(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    scene = known.scene
    for k, old in enumerate(parts(steps[0].operands[0])):
        what = f"in {{step}}, {index_code(place, k) or 'an index'}"
        for says, move in moves(old):
            change = partial(moved, k, move)
            yield Edit("index", f"{what} {says}", partial(always, place, change), place)
        for other, j in arrays(scene) if whole(old) else ():
            if (other, j) != (place, k) and alike(scene, place, k, other, j):
                says = f"in {{step}}, {text(other, j)} in the place of {text(place, k)}"
                yield Edit("index", says, partial(with_array, [(place, k, other, j)]), place)
        for other, j in beside(scene, place) if whole(old) else ():
            if alike(scene, place, k, other, j):
                both = [(place, k, other, j), (other, j, place, k)]
                says = f"{text(place, k)} and {text(other, j)} exchanged"
                yield Edit("index", says, partial(with_array, both), place)


def text(place: Place, k: int) -> str:
    return index_code(place, k) or "an array of indices"


def beside(scene: Scene, place: Place) -> Iterator[tuple[Place, int]]:
    """Arrays in other indices on that line."""
    for other, steps in scene.indices.items():
        if other != place and line(other[1], other[2]) == line(place[1], place[2]):
            yield from ((other, j) for j, each in enumerate(parts(steps[0].operands[0])) if whole(each))


def moves(old: Any) -> Iterator[tuple[str, Move]]:
    """With what it is then."""
    for by, word in ((1, "one more"), (-1, "one less")):
        if isinstance(old, (int, np.integer)) and not isinstance(old, bool):
            yield word, partial(shifted, by=by)
        elif isinstance(old, slice):
            yield f"moved by {by}", partial(slid, by=by)
    if isinstance(old, slice):
        yield "at the other end", other_end


def shifted(old: Any, n: int, by: int) -> Any:
    return old + by


def slid(old: Any, n: int, by: int) -> slice:
    begin, end, step = old.indices(n)
    return within(begin + by, end + by, step, n)


def other_end(old: Any, n: int) -> slice:
    begin, end, step = old.indices(n)
    return within(n - end, n - begin, step, n)


def within(begin: int, end: int, step: int, n: int) -> slice:
    if step < 0 or not 0 <= begin < end <= n:
        raise IndexError("beyond the array")
    return slice(begin, end, step)


def moved(k: int, move: Move, turn: int, call: Any, given: Sequence[Any]) -> Any:
    key, shape = given
    return put(key, k, move(parts(key)[k], shape[axis(parts(key), k, len(shape))]))


def axis(key: Key, k: int, ndim: int) -> int:
    """Which axis the k-th index is of."""
    takes = lambda some: sum(each is not None and each is not Ellipsis for each in some)
    return ndim - takes(key[k:]) if any(each is Ellipsis for each in key[:k]) else takes(key[:k])


def parts(key: Any) -> Key:
    return key if isinstance(key, tuple) else (key,)


def put(key: Any, k: int, new: Any) -> Any:
    return (*key[:k], new, *key[k + 1 :]) if isinstance(key, tuple) else new


def whole(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu"


def arrays(scene: Scene) -> list[tuple[Place, int]]:
    """All that stand in an index, no two the same."""
    found: dict[Any, tuple[Place, int]] = {}
    for place, steps in scene.beside.items():
        for k, old in enumerate(parts(steps[0].operands[0])):
            if whole(old):
                found.setdefault((old.shape, old.tobytes(), len(steps)), (place, k))
    return list(found.values())


def alike(scene: Scene, place: Place, k: int, other: Place, j: int) -> bool:
    mine, theirs = of(scene, place, k), of(scene, other, j)
    fits = len(theirs) in (1, len(mine)) and theirs[0].shape == mine[0].shape
    return fits and not all(np.array_equal(a, of_turn(theirs, turn)) for turn, a in enumerate(mine))


def of(scene: Scene, place: Place, k: int) -> list[Any]:
    return [parts(step.operands[0])[k] for step in scene.beside[place]]


def with_array(several: Sequence[tuple[Place, int, Place, int]], scene: Scene) -> Changes:
    """In these places those of others."""

    def change(k: int, found: Sequence[Any]) -> Change:
        return lambda turn, call, given: put(given[0], k, of_turn(found, turn))

    return {place: change(k, of(scene, other, j)) for place, k, other, j in several}


def always(place: Place, change: Change, scene: Scene) -> Changes:
    return {place: change}
