"""One run of a stranger's backward, step by step: what it gave, what it should give, and all arrays that there are."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.handing import within
from pullback.check.problem import Part, Problem, pack
from pullback.check.steps.candidates import chains, is_sigmoid
from pullback.check.steps.changes import arrays_of, put
from pullback.check.steps.loops import RANGE, ranging
from pullback.check.steps.search import FUNCTIONS, careful
from pullback.check.steps.tape import RUN, Changes, Place, Step, Tape, is_step, ran
from pullback.check.steps.tensors import noting
from pullback.check.steps.watched import INDEX, filling, indexing, running, unwatched, watched, writing
from pullback.check.truth import whole

Array = NDArray[Any]

STEP = 1e-5  # of central differences, beside 1
BEGIN, END = "what comes from above", "what is handed back"  # places as well: (BEGIN, the name of the output)


class Source(NamedTuple):
    """Where an array comes from: what `whose` has under that name; of a step its result (-1), or an operand."""

    whose: str  # "input", "above", "output", "forward", "backward", or "slope", of a function in forward
    name: Any
    operand: int = -1
    turned: bool = False  # a matrix, transposed
    backwards: bool = False  # the last turn of a loop first, as backward has them


class Scene:
    """Inputs, a gradient from above, and the run of backward on them."""

    def __init__(self, problem: Problem, v: Array, seed: int = 21) -> None:
        self.problem, self.v = problem, v
        truth, rng = whole(problem, v), np.random.default_rng(seed)
        known = truth.smooth_rows if problem.mode == "vjp" else np.ones(problem.given_size, bool)
        self.above = np.where(known, rng.normal(size=problem.given_size), 0)
        value = truth.value if problem.mode == "vjp" else truth.value.T
        self.right = self.above @ np.where(known[:, None], value, 0)
        self.given, self.tape = self.run({})

    def run(self, changes: Changes, loops: bool = False) -> tuple[Array, Tape]:
        """What backward gives with these changes, and the tape of the run; with its loops and indices as steps, too."""
        loops = loops or any(place[0] in (RANGE, INDEX) for place in changes)
        problem = self.problem
        tape = Tape({place: change for place, change in changes.items() if is_step(place)}, names=loops and not changes)

        def end(which: str, arrays: list[Any], parts: list[Part]) -> list[Any]:
            """Changes before the first step, or behind the last."""
            for part in parts:
                if (which, part.name) in changes:
                    arrays[part.place] = changes[which, part.name](0, same_again, [arrays[part.place]])
            return arrays

        above = end(BEGIN, problem.cotangents(self.above), problem.given)
        running.append(tape.noted)
        writing.append(tape.noted)
        within.append(lambda: noting(tape))
        indexing.extend([tape.noted] * loops)
        try:
            with noting(tape), filling(), ranging(tape.noted, self.tape.scopes if loops else {}):
                found = problem.call([*map(watched, above)], [*map(watched, problem.unpack(self.v))])
        finally:
            running.pop()
            writing.pop()
            within.pop()
            del indexing[len(indexing) - loops :]
            problem.mended += RUN + tape.turns.total()
        return pack(end(END, [*map(unwatched, found)], problem.results), problem.results), tape

    @cached_property
    def forward(self) -> Tape:
        return ran(self.problem, self.v)[1]

    @cached_property
    def output(self) -> Array:
        return self.problem.f(self.v)

    @cached_property
    def steps(self) -> dict[Place, list[Step]]:
        """Backward's in their order, with its beginning and its end; and nothing of a forward that is run before it,
        unless the two are one function."""
        all_of_it = {place: each for place, each in self.tape.steps.items() if is_step(place)}
        own = {place: each for place, each in all_of_it.items() if place[-2] not in self.roots} or all_of_it
        begin = {
            (BEGIN, part.name): nothing_done(part.of(self.above)) for part in self.problem.given if self.reads(part)
        }
        end = {(END, part.name): nothing_done(part.of(self.given)) for part in self.problem.results}
        return {**begin, **own, **end}

    @cached_property
    def beside(self) -> dict[Place, list[Step]]:
        """Its loops, by the calls of range that begin them, and its indices, with those of forward."""
        of_forward = Tape({})
        indexing.append(of_forward.noted)
        try:
            ran(self.problem, self.v)
        finally:
            indexing.pop()
        both = of_forward.steps | self.named.steps
        return {place: steps for place, steps in both.items() if place[0] in (RANGE, INDEX)}

    @cached_property
    def named(self) -> Tape:
        """The run with loops and indices, and with the names that arrays have at every step."""
        return self.run({}, loops=True)[1]

    @property
    def loops(self) -> dict[Place, list[Step]]:
        return {place: steps for place, steps in self.beside.items() if place[0] == RANGE}

    @property
    def indices(self) -> dict[Place, list[Step]]:
        """Of backward alone."""
        mine = lambda place: place[0] == INDEX and place[-2] not in self.roots
        return {place: steps for place, steps in self.beside.items() if mine(place)}

    def at(self, place: Place) -> list[Step]:
        return self.steps.get(place) or self.beside[place]

    @cached_property
    def roots(self) -> set[Any]:
        """Of forward: the functions that all its steps are called from."""
        return {place[-2] for place in self.forward.steps if is_step(place)}

    def reads(self, part: Part) -> bool:
        """Does any step take the gradient from above? A loss that gives its gradients has none."""
        above = part.of(self.above)
        operands = (each for steps in self.tape.steps.values() for step in steps for each in step.operands)
        return any(np.array_equal(each, above) for each in operands)

    @cached_property
    def order(self) -> dict[Place, int]:
        return {place: k for k, place in enumerate(self.steps)}

    def sources(self) -> Iterator[Source]:
        yield from (Source("input", name) for name in self.problem.names)
        yield from (Source("above", part.name) for part in self.problem.given)
        yield from (Source("output", part.name) for part in self.problem.outputs)
        for whose, tape in (("forward", self.forward), ("backward", self.tape)):
            for place, steps in tape.steps.items():
                for k in range(-1, len(steps[0].operands)):
                    yield Source(whose, place, k)
                    if whose == "forward" and len(steps) > 1:
                        yield Source(whose, place, k, backwards=True)

        yield from (Source("slope", place) for place in self.forward.steps if self.slopes(place))

    def slopes(self, place: Place, at_output: bool = False) -> list[Array]:
        """Of a function of one number in forward, one for every turn; or, by mistake, at what comes out of it."""
        steps = self.forward.steps[place]
        if any(is_sigmoid(chain) for chain in chains(self.forward, place)):
            y = [1 / (1 + np.exp(-each.result)) if at_output else each.result for each in steps]
            return [each * (1 - each) for each in y]
        moved = [fed_back(each) for each in steps] if at_output else steps
        found = [careful(slope, each) for each in moved] if place[0] in FUNCTIONS else []
        return [each for each in found if each is not None] if all(each is not None for each in found) else []

    def values(self, source: Source) -> list[Array]:
        """One for every turn of a loop, or one; none if these are no arrays."""
        problem, (whose, name, k, *_) = self.problem, source
        if source.turned:
            return [each.T for each in self.values(source._replace(turned=False))]
        if source.backwards:
            return self.values(source._replace(backwards=False))[::-1]
        if whose == "input":
            found = [array for each, array in zip(problem.names, problem.unpack(self.v)) if each == name]
        elif whose in ("above", "output"):
            parts, flat = (problem.given, self.above) if whose == "above" else (problem.outputs, self.output)
            found = [part.of(flat) for part in parts if part.name == name]
        elif whose == "slope":
            found = self.slopes(name)
        else:
            steps = (self.forward if whose == "forward" else self.tape).steps.get(name, [])
            found = [each.result if k < 0 else (*each.operands, *[None] * k)[k] for each in steps]
        return found if all(map(usable, found)) else []


def slope(step: Step) -> Array | None:
    """By differences, of a function of one array."""
    if len(arrays_of(step)) != 1:
        return None
    (i,) = arrays_of(step)
    a = step.operands[i]
    h = STEP * (1 + abs(a))
    ahead, back = (np.asarray(step.call(*put(step.operands, i, a + by))) for by in (h, -h))
    return (ahead - back) / (2 * h) if ahead.shape == np.shape(a) else None


def fed_back(step: Step) -> Step:
    """With what comes out in the place of what goes in."""
    return step._replace(operands=tuple(step.result if isinstance(a, np.ndarray) else a for a in step.operands))


def same_again(a: Any) -> Any:
    return a


def nothing_done(a: Array) -> list[Step]:
    return [Step("", same_again, (a,), a, (None,))]


def usable(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fbc" and bool(value.any())
