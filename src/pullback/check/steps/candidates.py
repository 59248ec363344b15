"""What may have gone wrong with one step of forward when it was differentiated."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.steps.changes import (
    arrays_of,
    at_output,
    bridged,
    masked,
    partnered,
    reduced,
    scaled,
    sloped,
    subsets,
)
from pullback.check.steps.source import says
from pullback.check.steps.tape import Change, Changes, Place, Tape

Array = NDArray[Any]
Slope = Callable[[Array], Array]

PRODUCTS = "multiply", "matmul", "dot", "einsum", "tensordot", "outer", "inner", "divide"
MEANS = "mean", "sum", "add.reduce", "var", "std"
SUMS = "add", "subtract"
ELEMENTWISE = (*SUMS, "negative", "exp", "divide", "multiply", "tanh", "log", "log1p", "sqrt", "square", "expm1")
TURNS = {0: "", 1: " in the next turn", -1: " in the turn before"}
CHAIN = 6  # steps at most
SIGMOID = ["negative", "exp", "add", "divide"]
SLOPES: dict[str, Slope] = {  # of what comes out
    "tanh": lambda y: 1 - y * y, "exp": lambda y: y, "sqrt": lambda y: 0.5 / y,
    "maximum": lambda y: np.where(y > 0, 1.0, 0.0),
}  # fmt: skip


class Candidate(NamedTuple):
    kind: str
    text: str
    changes: Callable[[Tape], Changes]  # of forward, at the place of this tape


class Source(NamedTuple):
    """Where an array comes from: the result (-1) or an operand of a step, in this turn or the one before or after."""

    place: Place
    operand: int
    shift: int


def simple(tape: Tape, place: Place, i: int) -> Iterator[Candidate]:
    """Its slope is wrong, its axes, or some of its turns."""
    steps = tape.steps[place]
    first, name = steps[0], steps[0].name
    a, alike = first.operands[i], np.shape(first.operands[i]) == np.shape(first.result)
    here = lambda change, *more: lambda tape: {place: change(tape.steps[place], i, *more)}
    if alike and name not in SUMS:
        yield Candidate("slope", "as if its slope were 1", here(sloped, np.ones_like, [a]))
    for chain in chains(tape, place):
        text = "as if the slope of the function that ends there were 1"
        yield Candidate("function", text, partial(bridged, chain=chain, slope=np.ones_like))
        if is_sigmoid(chain):
            yield Candidate("function", "of y (1 - y) there is y", partial(bridged, chain=chain, slope=lambda y: y))
            other = partial(bridged, chain=chain, slope=lambda y: 1 - y)
            yield Candidate("function", "of y (1 - y) there is 1 - y", other)
    for text, some in parts_of(len(steps)):
        yield Candidate("turns", f"as if it did nothing in {text}", here(scaled, 0.0, some))
    for axes in subsets(np.ndim(a)) if name in MEANS and np.ndim(a) > 1 else ():
        yield Candidate("axes", f"as if it ran over axes {axes}", here(reduced, axes))
    shape = np.shape(first.result)
    if len(shape) > 1 and shape[-1] == shape[-2] > 2:
        for text, mask in (("later", np.tri(shape[-1])), ("earlier", np.tri(shape[-1]).T)):
            yield Candidate("mask", f"as if {text} columns of every row did nothing", here(masked, mask))
    if name in SLOPES and alike:
        yield Candidate("other", "its slope is taken at what comes out", here(at_output))
    if name in PRODUCTS and len(first.operands) == 2 and np.ndim(first.operands[1 - i]):
        yield from of_a_product(tape, place, i)


def of_a_product(tape: Tape, place: Place, i: int) -> Iterator[Candidate]:
    """The other factor is there twice, or from the wrong side."""
    b = tape.steps[place][0].operands[1 - i]

    def beside(make: Callable[[Array], Array]) -> Callable[[Tape], Changes]:
        made = lambda steps: [make(each.operands[1 - i]) for each in steps]
        return lambda tape: {place: partnered(tape.steps[place], i, made(tape.steps[place]))}

    if place[0] != "divide" or i == 0:
        yield Candidate("twice", "its other factor comes in twice", beside(np.square))
    if np.ndim(b) == 2 and b.shape[0] == b.shape[1]:
        yield Candidate("transposed", "its other factor is not transposed, or should not be", beside(np.transpose))


def others(tape: Tape, place: Place, i: int) -> Iterator[Candidate]:
    """Another array of those on the way stands where its other factor is meant, or in the place of its result, of which
    its slope is made."""
    steps = tape.steps[place]
    first, turns, shape = steps[0], len(steps), np.shape(steps[0].result)
    if place[0] in PRODUCTS and len(first.operands) == 2 and np.ndim(first.operands[1 - i]):
        maker = first.made_at[1 - i]
        call = tape.steps[maker][0].call if maker and len(tape.steps[maker][0].operands) == 1 else None
        for source in sources(tape, np.shape(first.operands[1 - i]), turns):
            kind, what = ("turn" if source.shift else "other"), told(source, place)
            yield Candidate(kind, f"its other factor is {what}", partial(with_factor, place, i, source, None))
            if call:
                made = partial(with_factor, place, i, source, call)
                yield Candidate(kind, f"its other factor is made of {what}", made)
    ends = [chain for chain in chains(tape, place) if is_sigmoid(chain)]
    if place[0] in SLOPES and np.shape(first.operands[i]) == shape or ends:
        for source in sources(tape, shape, turns):
            text = f"its slope is that of {told(source, place)}"
            yield Candidate(
                "turn" if source.shift else "other",
                text,
                partial(with_slope, place, i, source, ends[0] if ends else None),
            )


def told(source: Source, place: Place) -> str:
    """Beside a step, which the sentence ends with."""
    what = "what goes into" if source.operand >= 0 else "what comes out of"
    return f"{what} {'it' if source.place == place else says(source.place)}{TURNS[source.shift]}"


def with_factor(place: Place, i: int, source: Source, call: Any, tape: Tape) -> Changes:
    found = values(tape, source)
    return {place: partnered(tape.steps[place], i, [call(each) for each in found] if call else found)}


def with_slope(place: Place, i: int, source: Source, chain: Sequence[Place] | None, tape: Tape) -> Changes:
    if chain:
        return bridged(tape, chain, lambda y: y * (1 - y), values(tape, source))
    return {place: sloped(tape.steps[place], i, SLOPES[place[0]], values(tape, source))}


def statistics(tape: Tape) -> Iterator[Candidate]:
    """All means of forward are taken for constants: those over examples, as they are in another mode."""
    some = means(tape)
    if some:
        first = tape.steps[some[0]][0]
        a = first.operands[0]
        over_examples = np.ndim(a) > 1 and np.shape(first.call(a[:1])) == np.shape(first.result)
        kind = "statistics" if over_examples else "held"
        yield Candidate(kind, f"{' and '.join(map(says, some))}: taken for constants", in_all(some, scaled, 0.0))


def other_axes(tape: Tape) -> Iterator[Candidate]:
    """All means of forward, over other axes."""
    some = means(tape)
    for axes in subsets(np.ndim(tape.steps[some[0]][0].operands[0])) if len(some) > 1 else ():
        yield Candidate("axes", f"{' and '.join(map(says, some))}: as if over axes {axes}", in_all(some, reduced, axes))


def means(tape: Tape) -> list[Place]:
    return [place for place, steps in tape.steps.items() if place[0] in MEANS and arrays_of(steps[0])]


def in_all(some: Sequence[Place], change: Callable[..., Change], *more: Any) -> Callable[[Tape], Changes]:
    return lambda tape: {place: change(tape.steps[place], 0, *more) for place in some}


def chains(tape: Tape, place: Place) -> Iterator[list[Place]]:
    """Steps each of the one before, element by element, the last of which is this."""
    chain, shape, turns = [place], np.shape(tape.steps[place][0].result), len(tape.steps[place])
    while len(chain) < CHAIN:
        made_at = [each for each in tape.steps[chain[0]][0].made_at if each]
        if chain[0][0] not in ELEMENTWISE or len(made_at) != 1 or len(arrays_of(tape.steps[chain[0]][0])) != 1:
            return
        before = tape.steps[made_at[0]]
        fits = len(before) == turns and np.shape(before[0].result) == shape and len(arrays_of(before[0])) == 1
        if not fits or made_at[0][0] not in ELEMENTWISE:
            return
        chain = [*made_at, *chain]
        yield chain


def is_sigmoid(chain: Sequence[Place]) -> bool:
    return [place[0] for place in chain] == SIGMOID


def sources(tape: Tape, shape: tuple[int, ...], turns: int) -> Iterator[Source]:
    """Arrays of that shape, no two alike: one for every turn, or one for all."""
    seen: set[bytes] = set()
    for place, steps in tape.steps.items():
        for operand in range(-1, len(steps[0].operands)):
            for shift in (0, 1, -1) if len(steps) == turns > 1 else (0,):
                found = values(tape, Source(place, operand, shift))
                key = b"".join(each.tobytes() for each in found)
                if len(found) in (1, turns) and all(np.shape(a) == shape for a in found) and key not in seen:
                    seen.add(key)
                    yield Source(place, operand, shift)


def values(tape: Tape, source: Source) -> list[Array]:
    """Those arrays; none if some are none, or do nothing at all."""
    steps, k = tape.steps[source.place], source.operand
    found = [each.result if k < 0 else (*each.operands, *[None] * k)[k] for each in steps]
    if not all(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in found) or not any(map(np.any, found)):
        return []
    if source.shift:
        found = [*found[1:], found[-1]] if source.shift > 0 else [np.zeros_like(found[0]), *found[:-1]]
    return found


def parts_of(turns: int) -> Iterator[tuple[str, range]]:
    if turns > 1:
        yield "the first turn", range(1)
        yield "the last turn", range(turns - 1, turns)
    if turns > 2:
        yield "all turns but the first", range(1, turns)
        yield "all turns but the last", range(turns - 1)
