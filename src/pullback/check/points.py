"""Where to look: most faults do not show at ordinary random numbers.

Numbers outside of what the example spans are tried only where it looks like any real numbers: with both signs, and not
integers. A coordinate, a probability or a variance has a domain, and a derivative may rely on it: what is found beyond
it is worth a note, and no fault.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.problem import Part, Problem, pack
from pullback.check.truth import fits

Array = NDArray[Any]

SPECIAL = 0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 2.5, -2.5, 3.0, -3.0, 6.0
TINY = 1e-6, 1e-8, 1e-4
LARGE = 20.0, -20.0, 100.0, -100.0, 800.0, -800.0
SHIFT = 1000.0  # of all numbers of an input, in single precision: as much of it is lost by what takes squares first
NEAR_ZERO = 0.2  # of the largest: the least of a few numbers that may be anything from 0
GRID = 256.0  # of numbers whose differences are exact
ASIDE, SMOOTH = 1e-3, 1e-10  # so far to either side, and of the largest: what a smooth function does not show there
STEEP = 1.5  # times the slope a thousandth away
SAME = 1e-3  # of the largest: no more than single precision changes
NARROW, JUMP = 1e-9, 1e-3  # so near to either side, and so far apart
BESIDE = 0.05  # of a number and 1: so near to it
TRIED = 32  # of an input, one by one
STEPS_BACK = 8  # each half the way to the example


class Point(NamedTuple):
    where: str
    v: Array
    coordinates: tuple[int, ...] = ()  # those that are special here
    ties: bool = False  # is it that two numbers are equal?
    one_example: bool = False  # is it a whole one of several examples that is special? That happens, as in padding
    beyond: bool = False  # does it lie outside of what the example spans?
    counts: bool = False  # do so many special coordinates count at a kink?
    lost: str = ""  # how digits get lost here, if forward keeps them


def points(problem: Problem, rng: np.random.Generator, turning: Sequence[float] = ()) -> Iterator[Point]:
    """Other inputs, made from the example; `turning` are numbers at which the function that is meant has kinks."""
    for k in range(2):
        yield Point("other random inputs", nearby(problem, rng, k))
    yield from in_turn([special(problem, part, about(turning)) for part in problem.inputs])


def about(turning: Sequence[float]) -> list[float]:
    """These numbers, and one to either side of each."""
    return sorted({float(k + side * BESIDE * (1 + abs(k))) for k in turning for side in (-1, 0, 1)})


def special(problem: Problem, part: Part, further: Sequence[float]) -> Iterator[Point]:
    """The example with special numbers in one input."""
    example = problem.example
    values = example[part.begin : part.end]
    if not values.size or not np.isfinite(values).all() or part.width == 1 and symmetric(part.of(example)):
        return
    if not whole(values):
        yield from ties(problem, part)
        yield from beyond(problem, part)
        yield from degenerate(problem, part)
    ends = sorted({part.begin, part.end - 1})
    low, high = values.min(), values.max()
    fitting = [s for s in SPECIAL if anything(values) or not whole(values) and low <= s <= high]
    for s in dict.fromkeys([*further, *fitting]):
        yield placed(f"{part.name} with {s:g} in it", example, ends, s)
    if part.width == 2 and not whole(values):
        yield placed(f"{part.name} with 0 in it", example, (part.begin, part.begin + 1), 0.0)
    yield from shares(problem, part)
    if part.width == 1 and anything(values):
        yield from tiny(problem, part)
        yield from shifted(problem, part)
    for s in fitting[:1] + fitting[-1:]:
        yield tied(f"{part.name} {s:g} everywhere", example, range(part.begin, part.end), s)
    if anything(values):
        for s in LARGE:
            yield placed(f"{part.name} with {s:g} in it", example, ends[:1], s)


def beyond(problem: Problem, part: Part) -> Iterator[Point]:
    """Of numbers that are all positive: zeros, if they come near it, and large ones, if they are no shares, where
    forward takes them. No light, no counts; a sum of many."""
    example, values = problem.example, problem.example[part.begin : part.end]
    if part.width == 2 or not 0 < values.min():
        return
    low, high = values.min(), values.max()
    fitting = [s for s in (0.0, *LARGE) if s == 0 and low < NEAR_ZERO * high or s > 0 and high > 1]
    for s in fitting:
        places = range(part.begin, part.end)[:TRIED]
        taken = [k for k in places if finite(problem, placed("", example, [k], s).v)]
        if taken:
            point = placed(f"{part.name} with {s:g} in it", example, sorted({taken[0], taken[-1]}), s)
            yield point._replace(beyond=True)


def shares(problem: Problem, part: Part) -> Iterator[Point]:
    """Of numbers between 0 and 1: these two, where forward takes them, and has a slope that is finite. Nothing, and all
    of it; closed, and open."""
    values, ends = problem.example[part.begin : part.end], sorted({part.begin, part.end - 1})
    if part.width == 1 and 0 < values.min() and values.max() < 1:
        for s in (0.0, 1.0):
            point = placed(f"{part.name} with {s:g} in it", problem.example, ends, s)
            if not steep(problem, point, 1 - 2 * s):
                yield point


def steep(problem: Problem, point: Point, inwards: float) -> bool:
    """Does the slope of forward go on growing towards these numbers, as that of a root or of x log x does?"""

    def slope(h: float) -> float:
        v = point.v.copy()
        v[list(point.coordinates)] += inwards * h
        return float(np.max(abs(problem.f(v) - problem.f(point.v)), initial=0)) / h

    try:
        with np.errstate(all="ignore"):
            return not slope(NARROW) <= STEEP * slope(ASIDE)
    except Exception:  # these inputs are not the user's
        return True


def tiny(problem: Problem, part: Part) -> Iterator[Point]:
    """Numbers near 0, where forward goes smoothly through it and keeps its digits: a case for 0 alone may not do.
    As many ordinary ones stand beside them: an error counts beside the gradient of those."""
    places = range(part.begin, part.end)[: min(len(TINY), (part.end - part.begin) // 2)]
    point = placed(f"{part.name} with 1e-06 in it", problem.example, places, np.array(TINY[: len(places)]))
    point = point._replace(lost="it is right at ordinary numbers, and loses digits next to 0")
    if places and fits(problem) and not problem.single and smooth(problem, point):
        yield point


def smooth(problem: Problem, point: Point) -> bool:
    """Is forward at the special numbers what it is to both sides of them, to the last digits?"""
    t = np.zeros(len(point.v))
    t[list(point.coordinates)] = ASIDE
    try:
        with np.errstate(all="ignore"):
            near, far = ((problem.f(point.v + s * t) + problem.f(point.v - s * t)) / 2 for s in (1, 2))
            here = problem.f(point.v)
    except Exception:  # these inputs are not the user's
        return False
    bound = SMOOTH * np.max(abs(here), initial=0)
    return bool(np.isfinite(here).all() and np.all(abs((4 * near - far) / 3 - here) <= bound))


def shifted(problem: Problem, part: Part) -> Iterator[Point]:
    """All numbers far from 0, and as far from one another as before, if that is all the same to forward: also in its
    own precision, where the squares of such numbers keep nothing of their differences."""
    if not problem.narrow or not problem.takes_double:
        return
    v = problem.example.copy()
    v[part.begin : part.end] += SHIFT * np.std(v[part.begin : part.end])
    v = pack(problem.unpack(v), problem.inputs)  # as it is rounded
    try:
        near, far = problem.f(problem.example), (problem.f(v), problem.rounded(v))
    except Exception:  # these inputs are not the user's
        return
    with np.errstate(all="ignore"):
        if all(np.all(abs(each - near) <= SAME * np.max(abs(near), initial=0)) for each in far):
            lost = "it is right for the same numbers about 0, and loses digits of what is far from 0"
            yield Point(f"{part.name} moved by {SHIFT:g} times its deviation", v, lost=lost)


def in_turn(several: list[Iterator[Point]]) -> Iterator[Point]:
    """One of each, then the next of each: where time is short, all inputs get their share."""
    while several:
        for each in list(several):
            point = next(each, None)
            if point is None:
                several.remove(each)
            else:
                yield point


def ties(problem: Problem, part: Part) -> Iterator[Point]:
    """Two equal numbers, two that are the largest, two as far from 0, along every axis; one in another input."""
    example, first = problem.example, part.begin
    for step in neighbours(part):
        yield tied(f"equal numbers in {part.name}", example, (first, first + step), example[first])
        top = example[first : part.end].max()
        yield tied(f"two largest in {part.name}", example, (first, first + step), top)
        if step in neighbours(part, 3):
            three = tied(f"three largest in {part.name}", example, (first, first + step, first + 2 * step), top)
            yield three._replace(counts=True)
        if anything(example[first : part.end]):
            far = abs(example[first : part.end]).max()
            where = f"a number and its negative farthest from 0 in {part.name}"
            yield tied(where, example, (first, first + step), np.array([far, -far]))
    for other in problem.inputs[problem.inputs.index(part) + 1 :]:
        if other.shape == part.shape:
            where = f"equal numbers in {part.name} and {other.name}"
            yield tied(where, example, (first, other.begin), example[first])
            for step in neighbours(part) if free(part, example) and free(other, example) else ():
                yield as_far(example, part, other, step)


def as_far(example: Array, part: Part, other: Part, step: int) -> Point:
    """Two numbers of one input farther from those of another than all else, and both as far."""
    v, pair = example.copy(), np.array([0, step])
    v[part.begin + pair] = np.round(v[part.begin + pair] * GRID) / GRID
    v[other.begin + pair] = v[part.begin + pair] + np.ceil(2 * abs(example).max())
    where = f"two numbers of {other.name} as far from those of {part.name}"
    return Point(where, v, tuple(int(k) for k in other.begin + pair), ties=True)


def degenerate(problem: Problem, part: Part) -> Iterator[Point]:
    """The first of several examples is one number everywhere, 0 if that may be, or the same as in another input."""
    if part.width == 2 or len(part.shape) < 2 or part.shape[0] < 2:
        return
    example, first = problem.example, range(part.begin, part.begin + (part.end - part.begin) // part.shape[0])
    values = example[part.begin : part.end]
    number = 0.0 if anything(values) else example[part.begin]
    yield tied(f"{part.name}[0] {number:.3g} everywhere", example, first, number)._replace(one_example=True)
    second = range(part.begin + len(first), part.begin + 2 * len(first))
    where = f"{part.name}[1] equal to {part.name}[0]"
    yield tied(where, example, second, example[list(first)])._replace(one_example=True)
    for other in problem.inputs[problem.inputs.index(part) + 1 :]:
        as_many = other.shape == part.shape or free(other, example) and free(part, example)
        if other.shape[1:] == part.shape[1:] and other.width == part.width and as_many:
            there = range(other.begin, other.begin + len(first))
            where = f"{other.name}[0] equal to {part.name}[0]"
            yield tied(where, example, there, example[list(first)])._replace(one_example=True)
            if anything(values) and anything(example[other.begin : other.end]):
                where = f"{part.name}[0] and {other.name}[0] 0 everywhere"
                yield tied(where, example, [*first, *there], 0.0)._replace(one_example=True)


def free(part: Part, example: Array) -> bool:
    """May its numbers be any real ones, each by itself?"""
    return part.width == 1 and anything(example[part.begin : part.end]) and not symmetric(part.of(example))


def neighbours(part: Part, count: int = 2) -> list[int]:
    """How far the first element is from the next along every axis that has so many."""
    steps = np.cumprod([1, *part.shape[:0:-1]])[::-1]
    return [int(step) for step, size in zip(steps, part.shape) if size >= count] if part.width == 1 else []


def tied(where: str, example: Array, coordinates: Any, value: Any) -> Point:
    return placed(where, example, coordinates, value)._replace(ties=True)


def placed(where: str, example: Array, coordinates: Any, value: Any) -> Point:
    v = example.copy()
    v[list(coordinates)] = value
    return Point(where, v, tuple(coordinates))


def nearby(problem: Problem, rng: np.random.Generator, k: int = 0) -> Array:
    """Inputs of the same kind as the example, as far away as forward takes them."""
    v = drawn(problem, rng, k)
    for _ in range(STEPS_BACK):
        if taken(problem, v):
            break
        v = (v + problem.example) / 2
    return v


def taken(problem: Problem, v: Array) -> bool:
    """Does forward run there? A matrix that must be positive definite is not any matrix."""
    try:
        problem.f(v)
    except Exception:
        return False
    return True


def cut(problem: Problem, point: Point) -> bool:
    """Does a function of complex numbers jump there? Which side the point is on, the sign of a zero says."""
    with np.errstate(all="ignore"):
        for part in problem.inputs:
            for k in point.coordinates if part.width == 2 else ():
                h = np.where(np.arange(len(point.v)) == k, NARROW, 0.0)
                if part.begin <= k < part.end and taken(problem, point.v + h) and taken(problem, point.v - h):
                    ahead, back = problem.f(point.v + h), problem.f(point.v - h)
                    if not np.allclose(ahead, back, atol=JUMP * np.nanmax(abs(ahead), initial=0), equal_nan=True):
                        return True
    return False


def finite(problem: Problem, v: Array) -> bool:
    with np.errstate(all="ignore"):
        return taken(problem, v) and bool(np.isfinite(problem.f(v)).all())


def drawn(problem: Problem, rng: np.random.Generator, k: int) -> Array:
    """Inputs within what the example spans, or any normal ones where it may be anything."""
    v = problem.example.copy()
    for part in problem.inputs:
        values = v[part.begin : part.end]
        spread = float(np.nanmax(abs(values), initial=0)) if np.isfinite(values).any() else 0.0
        if anything(values):
            v[part.begin : part.end] = rng.normal(size=values.size) * min(spread, 3.0) / 1.5
        else:
            low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
            mixed = low + (high - low) * rng.uniform(size=values.size)
            v[part.begin : part.end] = values + (mixed - values) * (0.1 if k else 0.02)
            if low == high and not whole(values):  # one number has a domain too: zero is likelier in it than infinity
                v[part.begin : part.end] *= 1 - rng.uniform(size=values.size) * (0.1 if k else 0.02)
        if part.width == 1 and symmetric(part.of(problem.example)):
            square = part.of(v)
            v[part.begin : part.end] = ((square + square.T) / 2).ravel()
    return v


def anything(values: Array) -> bool:
    """Do these look like any real numbers, or is there a domain that they should not leave?"""
    return not whole(values) and bool(values.min(initial=0) < 0 < values.max(initial=0))


def whole(values: Array) -> bool:
    """Integers, or not even numbers: chosen by hand, and their order may matter."""
    return not np.isfinite(values).all() or bool(np.all(values == np.round(values)))


def symmetric(array: Array) -> bool:
    """A symmetric matrix, such as a covariance, stays one."""
    return array.ndim == 2 and array.shape[0] == array.shape[1] > 1 and bool(np.array_equal(array, array.T))
