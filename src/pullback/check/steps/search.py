"""The search for the mistake: forward is run again with a step changed to first order, and how its output moves then,
along a few directions, is compared with what backward gives.

First come paths: what an operand of a step does, times a number that is found. Only such operands matter through which
all that is wrong goes, and nothing that is right.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dice
from pullback.check.points import nearby
from pullback.check.problem import Part, Problem
from pullback.check.steps import options
from pullback.check.steps.candidates import Candidate, other_axes, others, simple, statistics
from pullback.check.steps.changes import arrays_of, nudged, scaled
from pullback.check.steps.source import code, says
from pullback.check.steps.tape import ALONE, CALLS, Changes, Place, Step, Tape, ran
from pullback.check.structure import same
from pullback.check.truth import implied, whole

Array = NDArray[Any]
T = TypeVar("T")
Run = Callable[[Array], Array]
Made = Callable[[Tape], Changes]
Path = tuple[Place, int, Array]  # a step, an operand, and how the output moves through it along all directions

STEP = 1e-4  # of central differences
ROUGH, CLOSE, NEAR = 3e-2, 1e-4, 1e-3  # how well a mistake explains it: at first sight, at last, and elsewhere
EQUATIONS = 8  # at least
ELEMENTS = 64  # of a step, each with a factor of its own
EACH = 3  # equations for each of them
FUNCTIONS = {
    "tanh", "exp", "expm1", "log", "log1p", "sqrt", "square", "power", "divide", "sin", "cos", "sigmoid", "absolute",
    "maximum", "minimum", "clip", "where", "reciprocal", "relu", "silu", "gelu", "softplus", "elu", "erf", "pow",
}  # fmt: skip
TURNS = "turn", "turns"  # of a loop
MOST = 100_000  # steps that are run, in all searches of a layer
SLOW = 5.0  # seconds of work, whatever the steps are


class Mistake(NamedTuple):
    """What was done wrongly in a step, in a word and in a sentence; times which factor, if that is it."""

    kind: str
    text: str
    factor: float = 1.0
    step: Step | None = None
    operand: int = 0
    again: bool = False  # does the step run several times, each time on something else that may be of another turn?
    carried: bool = False  # on what its last turn left, but for the first, which begins with something else
    words: frozenset[str] = frozenset()  # the names in forward's code
    numbers: tuple[float, ...] = ()  # its options


class Search:
    """What explains the gradients of these inputs at one place, and at another, while those of others are right."""

    def __init__(
        self, problem: Problem, v: Array, wrong: Sequence[Part], right: Sequence[Part], depth: int = CALLS
    ) -> None:
        self.problem, self.v, self.begun, self.depth = problem, v, time.process_time(), depth
        truth, rng = whole(problem, v), np.random.default_rng(11)
        self.rows = truth.smooth_rows[:, None]
        self.J, self.B = (np.where(self.rows, M, 0) for M in (truth.value, implied(problem, v)))
        count = max(2, -(-EQUATIONS // max(1, int(self.rows.sum()))))
        self.directions = np.stack([along(problem, rng, wrong) for _ in range(count)], 1)
        self.quiet = along(problem, rng, right)  # nothing is wrong along it
        self.right, self.given = self.J @ self.directions, self.B @ self.directions
        self.value, self.tape = self.ran(v)
        self.elsewhere = nearby(problem, np.random.default_rng(2), 1)

    def all(self) -> list[Mistake]:
        """The first; of paths all, since one may say more than another."""
        found = self.found()
        first = next(found, None)
        if first is None or first.kind != "path":
            return [first] if first else []
        return [first, *(each for each in found if each.kind == "path")]

    def found(self) -> Iterator[Mistake]:
        """From what is surest to what may be chance."""
        if not self.tape.steps:  # in another library
            return
        yield from self.with_options(options.flags(self.problem))
        yield from self.with_options(options.words(self.problem))
        yield from self.in_several(statistics)
        paths = list(self.paths())
        yield from self.multiples(paths)
        yield from self.in_several(other_axes)
        yield from self.in_one_step(paths, simple)
        yield from self.with_options(options.numbers(self.problem))
        yield from self.in_one_step(paths, others)
        yield from self.by_elements(paths)

    def multiples(self, paths: Sequence[Path]) -> Iterator[Mistake]:
        """What comes back through an operand is so many times what it should be."""
        for place, i, path in paths:
            k = multiple(self.given - self.right, path)
            if k is None:
                continue
            factor = 1 + k if abs(1 + k) > CLOSE else 0.0
            if self.everywhere(partial(with_scale, place, i, factor)):
                operand = code(place, i, len(self.tape.steps[place][0].operands)) or "an operand"
                back = f"what comes back through {operand} is {factor:.6g} times what it should be"
                text = back if factor else f"nothing comes back through {operand}"
                yield self.told("path", text, place, i, factor)

    def in_one_step(
        self, paths: Sequence[Path], kinds: Callable[[Tape, Place, int], Iterator[Candidate]]
    ) -> Iterator[Mistake]:
        for place, i, _ in paths:
            for kind, text, made in kinds(self.tape, place, i):
                if not (kind in TURNS and self.depth == ALONE) and self.explains(made):
                    yield self.told(kind, text, place, i)

    def by_elements(self, paths: Sequence[Path]) -> Iterator[Mistake]:
        """The slope of a function of one number is another function, whichever it is."""
        for place, i, _ in paths:
            alone = place[0] in FUNCTIONS and arrays_of(self.tape.steps[place][0]) == [i]
            if alone and not self.late and careful(self.fits_by_elements, place, i):
                yield self.told("elements", "what comes back is off by a factor for each element", place, i)

    def fits_by_elements(self, place: Place, i: int) -> bool:
        """Is there a factor for each number that comes out, with which all that is wrong is explained?"""
        steps = self.tape.steps[place]
        numbers = [(turn, k) for turn, step in enumerate(steps) for k in range(np.size(step.result))]
        if len(numbers) > ELEMENTS or any(
            np.iscomplexobj(step.result) or np.shape(step.operands[i]) != np.shape(step.result) for step in steps
        ):
            return False
        through = np.stack([self.effect(place, turn, k) for turn, k in numbers], 1)
        moved = np.stack([self.results_moved(place, t) for t in self.directions.T], 1)
        reached = np.flatnonzero(np.any(through, 0) & np.any(moved, 1))
        columns = np.concatenate([through[:, reached] * t for t in moved[reached].T])
        gap = (self.given - self.right).T.ravel()
        factors, _, rank, _ = np.linalg.lstsq(columns, gap, rcond=1e-9)
        return rank == len(reached) <= np.any(columns, 1).sum() / EACH and same(columns @ factors, gap, CLOSE)

    def effect(self, place: Place, turn: int, k: int) -> Array:
        """How the output moves with one number that comes out of a step."""
        ahead, back = (self.changed({place: nudged(turn, k, by)})(self.v) for by in (STEP, -STEP))
        return np.where(self.rows[:, 0], (ahead - back) / (2 * STEP), 0)

    def results_moved(self, place: Place, t: Array) -> Array:
        """How all that comes out of a step moves along a direction."""
        ahead, back = (self.ran(self.v + by * t)[1].steps[place] for by in (STEP, -STEP))
        return np.concatenate([np.ravel(a.result - b.result) / (2 * STEP) for a, b in zip(ahead, back)])

    def in_several(self, kinds: Callable[[Tape], Iterator[Candidate]]) -> Iterator[Mistake]:
        for kind, text, made in kinds(self.tape):
            if self.explains(made):
                yield Mistake(kind, text, words=self.words)

    def with_options(self, several: Iterator[tuple[str, options.Options]]) -> Iterator[Mistake]:
        for text, some in several:
            run = options.otherwise(self.problem, some)
            if not self.late and careful(self.fits, run) and careful(self.fits_elsewhere, run):
                yield Mistake("option", text)

    def told(self, kind: str, text: str, place: Place, i: int, factor: float = 1.0) -> Mistake:
        steps = self.tape.steps[place]
        if self.depth == ALONE:  # its turns are calls, and no loop
            return Mistake(kind, f"{text}: {says(place)}", factor, steps[0], i, words=self.words, numbers=self.numbers)
        moves = any(not np.array_equal(steps[0].operands[i], each.operands[i]) for each in steps[1:])
        again = moves and not self.of_its_own_turn(steps, i)
        made_at = [each.made_at[i : i + 1] for each in steps]
        carried = len(steps) > 2 and made_at[0] != made_at[1] == made_at[-1]
        return Mistake(kind, f"{text}: {says(place)}", factor, steps[0], i, again, carried, self.words, self.numbers)

    def of_its_own_turn(self, steps: Sequence[Step], i: int) -> bool:
        """Is the operand computed in the same turn, or a part of an input? Nothing comes to it from other turns."""
        operands = [each.operands[i] for each in steps]
        makers = [self.tape.steps.get(each.made_at[i] or (), ()) for each in steps]
        results = [maker[turn].result if turn < len(maker) else None for turn, maker in enumerate(makers)]
        same_turn = all(r is not None and np.array_equal(a, r) for a, r in zip(operands, results))
        return same_turn or all(np.isin(a, self.v).all() for a in operands)

    @cached_property
    def words(self) -> frozenset[str]:
        codes = {code for place in self.tape.steps for code in place[1::2]}
        return frozenset(word.lower() for code in codes for word in (*code.co_names, *code.co_varnames))

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        return tuple(value for value in self.problem.adapted.options.values() if type(value) is float and value)

    @cached_property
    def tape_elsewhere(self) -> Tape:
        return self.ran(self.elsewhere)[1]

    @property
    def late(self) -> bool:
        """Has this layer been searched for long enough? Told by what was run, which is the same on every machine."""
        return self.problem.searched > MOST or time.process_time() - self.begun > SLOW

    def paths(self) -> Iterator[Path]:
        """Operands through which goes what is wrong, and nothing that is right."""
        gap = self.given - self.right
        for place, i in self.moving():
            if self.late:
                return
            run = self.changed({place: scaled(self.tape.steps[place], i, 0.0)})
            path = careful(self.through, run, gap)
            if path is not None:
                yield place, i, path

    def through(self, held: Run, gap: Array) -> Array | None:
        first = self.right[:, 0] - self.moved(held, self.v, self.directions[:, 0])
        if not covers(first, gap[:, 0]):
            return None
        if self.quiet.any() and not same(self.moved(held, self.v, self.quiet), self.J @ self.quiet, CLOSE):
            return None
        rest = [right - self.moved(held, self.v, t) for right, t in zip(self.right.T[1:], self.directions.T[1:])]
        return np.stack([first, *rest], 1)

    def moving(self) -> Iterator[tuple[Place, int]]:
        """The steps with operands that move with the inputs."""
        there = self.ran(self.v + STEP * (self.directions.sum(1) + self.quiet))[1].steps
        for place, steps in self.tape.steps.items():
            again, count = there.get(place, []), len(steps[0].operands)
            if len(steps) == len(again) and all(len(each.operands) == count for each in (*steps, *again)):
                for i in range(count):
                    if any(differ(a.operands[i], b.operands[i]) for a, b in zip(steps, again)):
                        yield place, i

    def explains(self, made: Made) -> bool:
        return not self.late and bool(careful(self.fits_here, made)) and self.everywhere(made)

    def everywhere(self, made: Made) -> bool:
        return bool(careful(self.fits_there, made))

    def fits_here(self, made: Made) -> bool:
        """At first sight, and then along all directions."""
        run, t = self.changed(made(self.tape)), self.directions[:, 0]
        ahead = np.where(self.rows[:, 0], (run(self.v + STEP * t) - self.value) / STEP, 0)
        return same(ahead, self.given[:, 0], ROUGH) and self.fits(run)

    def fits_there(self, made: Made) -> bool:
        return self.fits_elsewhere(self.changed(made(self.tape_elsewhere)))

    def changed(self, changes: Changes) -> Run:
        return lambda v: self.ran(v, changes)[0]

    def ran(self, v: Array, changes: Changes | None = None) -> tuple[Array, Tape]:
        return ran(self.problem, v, changes, self.depth)

    def moved(self, run: Run, v: Array, t: Array) -> Array:
        return np.where(self.rows[:, 0], (run(v + STEP * t) - run(v - STEP * t)) / (2 * STEP), 0)

    def fits(self, run: Run) -> bool:
        """Is what backward gives here the derivative of this run?"""
        pairs = [*zip(self.directions.T, self.given.T), (self.quiet, self.B @ self.quiet)]
        return all(same(self.moved(run, self.v, t), b, CLOSE) for t, b in pairs)

    def fits_elsewhere(self, run: Run) -> bool:
        rng, w = np.random.default_rng(13), self.elsewhere
        above = [np.where(self.rows[:, 0], rng.normal(size=len(self.rows)), 0) for _ in range(2)]
        given = [self.problem.b(w, g) for g in above]
        for t in self.directions.T[:2]:
            moved = self.moved(run, w, t)
            for g, b in zip(above, given):
                if not abs(b @ t - g @ moved) <= NEAR * (abs(b @ t) + NEAR * np.sum(abs(g * moved))):
                    return False
        return True


def with_scale(place: Place, i: int, c: float, tape: Tape) -> Changes:
    return {place: scaled(tape.steps[place], i, c)}


def along(problem: Problem, rng: np.random.Generator, some: Sequence[Part]) -> Array:
    """A direction in which these inputs move, and no others."""
    t = np.zeros(len(problem.example))
    for part in some:
        t[part.begin : part.end] = dice(rng, part.end - part.begin)
    return t


def careful(call: Callable[..., T], *arguments: Any) -> T | None:
    """Whatever their code does with steps that are not its own."""
    try:
        with np.errstate(all="ignore"):
            return call(*arguments)
    except Exception:
        return None


def covers(path: Array, gap: Array) -> bool:
    """Does most that is wrong lie on the path? A loop may start from zeros."""
    size, wrong = np.max(abs(path), initial=0), abs(gap) > 1e-5 * np.max(abs(gap), initial=0)
    return bool(size > 1e-7 * np.max(abs(gap), initial=0) and np.mean(abs(path[wrong]) > 1e-6 * size) > 0.5)


def multiple(gap: Array, path: Array) -> float | None:
    """k, if the gap is k times the path."""
    k = float(np.sum(path * gap) / np.sum(path * path))
    return k if same(gap, k * path, CLOSE) else None


def differ(a: Any, b: Any) -> bool:
    return isinstance(a, (np.ndarray, np.generic)) and not np.array_equal(a, b)


def mistakes(problem: Problem, v: Array, part: Part) -> list[Mistake]:
    """Those that explain all gradients that are wrong; or if there are none, that of this input."""
    truth, B = whole(problem, v), implied(problem, v)
    off = np.where(truth.smooth_rows[:, None], abs(B - truth.value), 0).max(0, initial=0)
    size = float(np.max(abs(truth.value[truth.smooth_rows]), initial=0))
    wrong = [each for each in problem.inputs if np.max(off[each.begin : each.end], initial=0) > 1e-5 * size]
    right = [each for each in problem.inputs if each not in wrong]
    if part not in wrong:
        return []
    found = problem.once("mistakes", v, lambda: of_all(problem, v, wrong, right))
    return found if found or len(wrong) == 1 else Search(problem, v, [part], right).all()


def of_all(problem: Problem, v: Array, wrong: Sequence[Part], right: Sequence[Part]) -> list[Mistake]:
    """In one step; or in one of a function that is called from several places, wherever that is."""
    search = Search(problem, v, wrong, right)
    found = search.all()
    codes = {place[:3] for place in search.tape.steps}
    again = not found and len(codes) < len(search.tape.steps)
    return Search(problem, v, wrong, right, ALONE).all() if again else found
