"""Is backward right if it finds another array where forward left one? Then the wrong one is saved, or read."""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.handing import Turn, Way, exchanged, watching, ways
from pullback.check.points import nearby
from pullback.check.problem import Part, Problem
from pullback.check.steps.source import says
from pullback.check.steps.tape import ran
from pullback.check.structure import same
from pullback.check.truth import whole

Array = NDArray[Any]
Key = tuple[Any, ...]  # a way, with None for the numbers of turns
Arrays = list[Array]  # one, or one for every turn

STEP = "what comes out of"
TRIES = 400
CLOSE = 1e-4  # of the largest gradient


class Place(NamedTuple):
    """Inputs, gradients from above, what the gradient should be for them, and all arrays that there are."""

    v: Array
    above: list[Array]
    right: list[Array]
    kept: dict[Key, Arrays]
    others: dict[str, Arrays]


class Exchange(NamedTuple):
    """What would have to stand in the place of what."""

    says: str
    factor: bool = False  # is it what is kept, times another array that there is?


def mistaken(problem: Problem, v: Array, part: Part) -> Exchange | None:
    own = slice(part.begin, part.end)
    here = place(problem, v, own)
    if all(same(problem.b(v, g)[own], right, CLOSE) for g, right in zip(here.above, here.right)):
        return None  # it is so little off that any other array would do
    if not any(right.any() for right in here.right):
        return None  # as would much that is zero
    there = cache(lambda: place(problem, nearby(problem, np.random.default_rng(2), 1), own))
    for slot, name in islice(pairs(here), TRIES):
        if fits(problem, here, slot, name, own) and fits(problem, there(), slot, name, own):
            kept, factors = meant(here, slot), factors_between(here, slot, name)
            factor = next((each for each in factors if each in factors_between(there(), slot, name)), None)
            if factor and name.startswith(STEP):  # nobody keeps a product by mistake, but forgets a factor
                forgotten = f"right once {called(slot)}, which is {kept}, is multiplied by {factor}: that is left out"
                return Exchange(f"{forgotten}, or {name} should be kept", factor=True)
            return Exchange(f"right once {name} stands where {kept} is kept")
    return None


def factors_between(at: Place, slot: Key, name: str) -> list[str]:
    """The arrays by which what is kept there has to be multiplied for what is called so."""
    products = lambda arrays: zip(at.kept[slot], arrays, at.others[name])
    alike = lambda arrays: [np.shape(a) for a in arrays] == [a.shape for a in at.kept[slot]]
    return [
        other for other, arrays in at.others.items()
        if alike(arrays) and all(same(kept * a, wanted) for kept, a, wanted in products(arrays))
    ]  # fmt: skip


def place(problem: Problem, v: Array, own: slice) -> Place:
    truth, rng = whole(problem, v), np.random.default_rng(17)
    above = [np.where(truth.smooth_rows, rng.normal(size=problem.given_size), 0) for _ in range(2)]
    kept = left(problem, v, above[0])
    inputs = {name: [array] for name, array in zip(problem.names, problem.unpack(v))}
    y, tape = ran(problem, v)
    outputs = {f"the output {part.name}": [part.of(y)] for part in problem.outputs}
    steps = {f"{STEP} {says(at)}": [each.result for each in steps] for at, steps in tape.steps.items()}
    others = inputs | outputs | {called(slot): arrays for slot, arrays in kept.items()} | steps
    return Place(v, above, [truth.pulled(g)[0][own] for g in above], kept, others)


def left(problem: Problem, v: Array, g: Array) -> dict[Key, Arrays]:
    """What forward leaves, before backward runs."""
    found: dict[Key, Arrays] = {}

    def note(value: Any) -> Any:
        for way, array in ways(value):
            found.setdefault(turnless(way), []).append(array.copy())
        return value

    watching.append(note)
    try:
        problem.b(v, g)
    finally:
        watching.pop()
    return found


def turnless(way: Way) -> Key:
    return tuple(None if isinstance(key, Turn) else key for key in way)


def pairs(here: Place) -> Iterator[tuple[Key, str]]:
    for slot, arrays in here.kept.items():
        shapes = [a.shape for a in arrays]
        for name, others in here.others.items():
            chance = slot[0] == "input" and name.startswith(STEP)  # nobody keeps that, who starts from the inputs
            alike = [np.shape(a) for a in others] == shapes
            fits_in = all(np.iscomplexobj(a) or not np.iscomplexobj(other) for a, other in zip(arrays, others))
            if alike and fits_in and not chance and not all(map(np.array_equal, arrays, others)):
                yield slot, name


def fits(problem: Problem, at: Place, slot: Key, name: str, own: slice) -> bool:
    if name not in at.others:
        return False
    return all(same(given(problem, at, g, slot, name)[own], right, CLOSE) for g, right in zip(at.above, at.right))


def given(problem: Problem, at: Place, g: Array, slot: Key, name: str) -> Array:
    """What backward gives with those arrays in that place."""

    def put(value: Any) -> Any:
        there = [way for way, _ in ways(value) if turnless(way) == slot]
        for way, array, like in zip(there, at.others[name], at.kept[slot]):
            value = exchanged(value, way, np.array(array, like.dtype))
        return value

    watching.append(put)
    try:
        return problem.b(at.v, g)
    except Exception:  # whatever their code does with what it has not kept
        return np.full_like(at.v, np.nan)
    finally:
        watching.pop()


def meant(here: Place, slot: Key) -> str:
    """What is kept there: an input or an output, if it is one."""
    mine = here.kept[slot]
    alike = (name for name, arrays in here.others.items() if len(arrays) == 1 and np.array_equal(arrays[0], mine[0]))
    return next(alike, called(slot)) if len(mine) == 1 else called(slot)


def called(slot: Key) -> str:
    """cache[0], self.x, cache[t].h"""
    first, *rest = slot
    return str(first) + "".join(
        "[t]" if key is None else f"[{key}]" if isinstance(key, int) else f".{key}" for key in rest
    )
