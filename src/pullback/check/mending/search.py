"""The search for the change: backward is run with one, and its gradients are compared with the right ones."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.mending.edits import (
    FEW,
    MANY,
    SUMS,
    Edit,
    Kind,
    added,
    always,
    arrays,
    conjugated,
    ends,
    exact,
    other_axes,
    other_operands,
    scaled,
    slopes,
    with_number,
)
from pullback.check.mending.indices import other_indices
from pullback.check.mending.known import Known
from pullback.check.mending.names import in_every_call, other_names
from pullback.check.mending.numbers import Of, counts, factors
from pullback.check.mending.scene import Scene, Source
from pullback.check.mending.turns import other_turns
from pullback.check.mending.words import fraction, sentence
from pullback.check.points import finite, nearby
from pullback.check.problem import Part, Problem
from pullback.check.resizing import others
from pullback.check.steps.changes import nudged, of_turn
from pullback.check.steps.search import careful, covers, multiple
from pullback.check.steps.tape import Place, Step, is_step, ran
from pullback.check.structure import same

Array = NDArray[Any]

CLOSE = 1e-5  # of the largest gradient
NEXT_TO = 1e-9  # but for the order of sums
ROUNDING = 0.01  # of the largest number: what half precision leaves
NOTHING = 1e-4  # a factor that is none
ELEMENTS = 64  # of a step, that are moved one by one
MOST = 100_000  # steps that are run again
SLOW = 10.0  # seconds of work: five times what so many steps take on a slow machine


class Mend(NamedTuple):
    """A change with which some gradients become right, in a word and in a sentence."""

    kind: str
    says: str
    number: float  # that is put in
    moves: bool  # is it an array that moves with the gradient from above?
    whole: bool  # is it an input, an output, or a gradient from above?
    reordered: bool  # does it hold the same numbers as what it takes the place of?
    turned: bool  # is it what it takes the place of, transposed?
    rounded: bool  # is it that but for rounding?
    slope: bool  # is it the slope of a function in forward?
    at_output: bool  # and stood there the same slope, at the output of that function?
    operation: str
    before: float = 1.0  # what stood in the place of the number
    counted: bool = False  # and is the number one of those over which a sum goes?


def mends(problem: Problem, v: Array) -> dict[str, Mend]:
    """By the name of the input whose gradient it makes right; none where backward cannot be run so."""

    def found() -> dict[str, Mend]:
        search = careful(Search, problem, v)
        return search.found() if search is not None and search.as_ever() else {}

    return problem.once("mends", v, found)


def with_other_options(problem: Problem) -> Problem:
    """The same arrays, with other numbers for those that forward and backward have by default."""
    forward, backward = problem.adapted.tuned
    leaves = [leaf._replace(value=array) for leaf, array in zip(problem.adapted.leaves, problem.arrays)]
    adapted = problem.adapted._replace(forward=forward, backward=backward, leaves=leaves)
    return Problem(adapted, [part.place for part in problem.inputs], 0, problem.mode, problem.convention)


class Search:
    """What makes the gradients right here, for another gradient from above, and at other inputs."""

    def __init__(self, problem: Problem, v: Array) -> None:
        self.problem, self.begun = problem, time.process_time()
        self.here, self.again = Scene(problem, v), Scene(problem, v, seed=22)
        self.right = self.right_with(self.here.given, self.here)
        moving = {part.name for part in problem.results if cut(part)(self.here.right).any()}
        self.wrong = moving - self.right  # what should be zero, 0 mends: that says nothing

    @cached_property
    def elsewhere(self) -> Scene | None:
        """Where every number is another one, as far as forward takes that, options too: 2 x and x² are alike at 2."""
        rng, example = np.random.default_rng(2), self.problem.example
        other = nearby(self.problem, rng, 1)
        moved = [v + (1 + abs(v)) * rng.uniform(0.05, 0.15, len(v)) for v in (other, example)]
        places = np.where(other == example, moved[0], other), other, moved[1]  # the last stays in the domain of a log
        problems = [with_other_options(self.problem), self.problem] if self.problem.adapted.tuned else [self.problem]
        scenes = (careful(Scene, problem, v) for problem in problems for v in places if finite(problem, v))
        return next((scene for scene in scenes if scene is not None and scene.above.any()), None)

    @cached_property
    def known(self) -> Known:
        return Known(self.here)

    def found(self) -> dict[str, Mend]:
        """The first for each gradient; one that makes several right is the first for all of them."""
        found: dict[str, Mend] = {}
        for edit in self.edits():
            names = self.mended_by(edit) - found.keys()
            if names:
                mend = self.told(self.with_its_number(edit, names))
                found |= dict.fromkeys(names, mend)
            if self.late or found.keys() == self.wrong:
                break
        return found

    def as_ever(self) -> bool:
        """Is backward, where its steps are noted, what it is elsewhere? Some look at the types of numbers."""
        return same(self.here.given, self.problem.b(self.here.v, self.here.above), NEXT_TO)

    @property
    def late(self) -> bool:
        """Told by what was run, which is the same on every machine, unless that is slow in itself."""
        return self.problem.mended > MOST or time.process_time() - self.begun > SLOW

    def edits(self) -> Iterator[Edit]:
        """What is written over is soon found out, and a conjugate, and what is so many times too large."""
        yield from (edit for place, steps in self.here.steps.items() for edit in added(place, steps))
        places = [place for place in self.here.steps if self.matters(place)]
        yield from (edit for place in places for edit in conjugated(place, self.here.steps[place], self.known))
        places.sort(key=lambda place: place[0] not in SUMS)  # a mean is confused with a sum
        multiples = [edit for place in places for edit in self.multiples(place)]
        yield from (
            edit for edit in multiples if is_step(edit.place) and self.right_after(edit, self.here) >= self.wrong
        )
        loops = careful(lambda: self.here.loops) or {}
        yield from (edit for place, steps in loops.items() for edit in other_turns(place, steps))
        for some, kinds in self.by_places(places, lambda place, *_: (e for e in multiples if e.place == place)):
            for kind in kinds:
                for place in some:
                    yield from kind(place, self.here.at(place), self.known)

    def by_places(self, places: list[Place], times: Kind) -> Iterator[tuple[list[Place], tuple[Kind, ...]]]:
        """First steps where one change is known to make everything right, or may do so; then the others, and last what
        is around them all."""
        in_order = [place for place in self.here.steps if place in places]
        mendable = {place: self.mendable(place) for place in in_order if is_step(place)}
        everything = [place for place, names in mendable.items() if names == self.wrong]
        unknown = [place for place, names in mendable.items() if names is None]
        something = [place for place, names in mendable.items() if names and names < self.wrong]
        outside = [place for place in in_order if not is_step(place)]
        yield everything, (times,)
        yield [*everything, *unknown], (exact, other_axes)
        yield in_order, (in_every_call,)
        yield everything, (other_operands,)
        yield unknown, (ends,)
        yield [*everything, *unknown], (*FEW, slopes)
        yield list(careful(lambda: self.here.indices) or ()), (other_indices,)
        yield in_order, (other_names,)
        yield everything, MANY
        yield unknown, (times, other_operands, *MANY)
        yield something, (times, exact, other_axes, other_operands, *FEW, *MANY)
        yield outside, (times, other_operands, *FEW, *MANY)

    def matters(self, place: Place) -> bool:
        """Does all that is wrong with some gradient go through this step?"""
        path = None if self.late else self.path(place, -1)
        return path is not None and any(covers(own(path), gap) for _, own, gap in self.gaps)

    def mendable(self, place: Place) -> set[str] | None:
        """Which gradients would be right with another result of this step, whatever it is; None if that is not known.
        It is asked of what moves with the gradient from above, for all that comes after that is linear."""
        if self.late:
            return set()
        steps = self.here.steps[place]
        numbers = [(turn, k) for turn, step in enumerate(steps) for k in range(np.size(step.result))]
        linear = is_step(place) and self.moves(Source("backward", place))
        if not linear or len(numbers) > ELEMENTS or place[0] in SUMS:  # over other axes it may have another shape
            return None
        by = max(float(np.max(abs(step.result), initial=0)) for step in steps)
        ways = (by, 1j * by) if np.iscomplexobj(steps[0].result) else (by,)
        edits = [Edit("nudge", "", always(place, nudged(turn, k, way)), place) for turn, k in numbers for way in ways]
        moved = [given for given in (self.given_with(edit, self.here) for edit in edits) if given is not None]
        if len(moved) < len(edits):
            return None
        through = (np.stack(moved) - self.here.given).T
        return {name for name, own, gap in self.gaps if spanned(own(through), gap)}

    def path(self, place: Place, i: int) -> Array | None:
        """What comes of a step, or of its operand."""
        without = self.given_with(scaled(place, i, 0.0), self.here)
        return None if without is None else self.here.given - without

    @cached_property
    def gaps(self) -> list[tuple[str, Callable[[Array], Array], Array]]:
        """What each wrong gradient lacks."""
        gap, wrong = self.here.right - self.here.given, [p for p in self.problem.results if p.name in self.wrong]
        return [(part.name, cut(part), cut(part)(gap)) for part in wrong]

    def multiples(self, place: Place) -> Iterator[Edit]:
        """The result, or an operand, times a number: the one with which what is wrong vanishes."""
        steps = self.here.steps[place]
        for i in (-1, *arrays(steps)):
            path = None if self.late else self.path(place, i)
            if path is not None:
                several = {multiple(gap, own(path)) for _, own, gap in self.gaps if own(path).any()} - {None}
                yield from (times(place, i, 1 + k, averaged(steps[0])) for k in several if k is not None)

    def mended_by(self, edit: Edit) -> set[str]:
        """Whose gradients become right, if no other becomes wrong."""
        found = self.right_after(edit, self.here)
        if not found & self.wrong or not self.right <= found:
            return set()
        for scene in (self.again, self.elsewhere):
            found &= self.right_after(edit, scene) if scene is not None else set()
        return found & self.wrong if found and self.keeps_forward(edit) else set()

    def keeps_forward(self, edit: Edit) -> bool:
        """A function that gives its gradients itself has steps that are of both."""
        output = careful(lambda: ran(self.problem, self.here.v, edit.changes(self.here))[0])
        return output is not None and same(output, self.here.output)

    def right_after(self, edit: Edit, scene: Scene) -> set[str]:
        given = self.given_with(edit, scene)
        return set() if given is None else self.right_with(given, scene)

    def right_with(self, given: Array, scene: Scene) -> set[str]:
        pairs = ((part.name, cut(part)) for part in scene.problem.results)
        return {name for name, own in pairs if same(own(given), own(scene.right), CLOSE)}

    def given_with(self, edit: Edit, scene: Scene) -> Array | None:
        given = careful(lambda: scene.run(edit.changes(scene))[0])
        fits = given is not None and given.shape == scene.given.shape and np.isfinite(given).all()
        return given if fits else None

    def told(self, edit: Edit) -> Mend:
        edit = self.without_its_exponential(edit)
        steps, other = self.here.at(edit.place), edit.other
        moves = other is not None and self.moves(other)
        whole = other is not None and other.whose in ("input", "output", "above")
        stood = [each.operands[edit.operand] for each in steps]
        instead = self.here.values(other) if edit.kind == "operand" and other is not None else []
        reordered = bool(instead) and same_numbers(stood, instead)
        turned = edit.kind == "turned" or bool(instead) and transposed(stood, instead)
        rounded = bool(instead) and all_same(stood, instead, ROUNDING)
        slope = other is not None and other.whose == "slope"
        at_output = other is not None and slope and all_same(stood, self.here.slopes(other.name, at_output=True))
        says, operation = sentence(edit, self.known), str(edit.place[0])
        before = float(steps[0].operands[edit.operand]) if edit.kind == "number" else 1.0
        count = edit.kind == "number" and edit.number in self.known.counts
        alike = reordered, turned, rounded
        return Mend(edit.kind, says, edit.number, moves, whole, *alike, slope, at_output, operation, before, count)

    def without_its_exponential(self, edit: Edit) -> Edit:
        """What is 0 for a logarithm is 1 for its exponential, which may be a factor too many."""
        into = self.taken_by(edit.place)
        if edit.kind != "scale" or edit.number or edit.operand >= 0 or [place[0] for place in into] != ["exp"]:
            return edit
        factors = {place[0] for place in self.taken_by(into[0])} <= {"multiply", "divide"}
        says = "without the factor {step}" if factors else "1 for {step}"
        return edit._replace(kind="alone" if factors else "number", says=says, place=into[0], number=1.0)

    def taken_by(self, place: Place) -> list[Place]:
        """The steps that take what comes out of this one."""
        return [each for each, steps in self.here.steps.items() if any(place in step.made_at for step in steps)]

    def with_its_number(self, edit: Edit, names: set[str]) -> Edit:
        """A factor with what it is in the code, or the size that it is made of; a count with what is counted."""
        if edit.kind == "number" and edit.number in self.known.counts:
            called = self.count_known_as(edit, names)
            return edit._replace(says=f"{edit.says} ({edit.number:g} is {{number}})", called=called) if called else edit
        times = times_number(edit.number)
        if edit.kind != "scale" or edit.number in (0, -1) or not edit.says.endswith(times):
            return edit
        called = self.known_as(edit, names)
        return edit._replace(says=f"{edit.says.removesuffix(times)} {{number}}", called=called) if called else edit

    def known_as(self, edit: Edit, names: set[str]) -> str:
        """Which it is, other sizes tell; where they do not, the words of the code are believed. Nothing for a number
        that is the same at all sizes. Of a root, which is a small number by chance, two other sizes have to tell."""
        there, alike = self.resized, factors(self.here, edit.number)
        right = lambda c, scene: names <= self.right_after(scaled(edit.place, edit.operand, c), scene)
        holds = lambda of: all(right(careful(of, scene) or 0.0, scene) for scene in there)
        if there and all(right(edit.number, scene) for scene in there):
            return next((each.says for each in alike if each.written and holds(each.of)), "")
        told = [each for each in alike if each.written or len(there) > each.root] if there else []
        told = [each for each in told if holds(each.of)]
        if told:
            return told[0].says if told[0].written else " or ".join(each.says for each in told[:2])
        written = next((each.says for each in alike if each.written), "")
        of_these = there or of_a_size(abs(edit.number), self.known.sizes)
        return written or (f"times {fraction(edit.number)}, at these sizes" if of_these else "")

    def count_known_as(self, edit: Edit, names: set[str]) -> str:
        """What it is at other sizes too, as far as backward takes these."""
        alike = [(text, of) for text, of, _ in counts(self.here) if of(self.here) == edit.number]

        def right(of: Of, scene: Scene) -> bool:
            n = careful(of, scene)
            return n is not None and names <= self.right_after(with_number(edit, n), scene)

        return next((text for text, of in alike if all(right(of, scene) for scene in self.resized)), "")

    @cached_property
    def resized(self) -> list[Scene]:
        """Where sizes are others, as far as backward takes that."""
        several = (careful(Scene, other, other.example) for other in careful(others, self.problem) or ())
        return [scene for scene in several if scene is not None]

    def moves(self, source: Source) -> bool:
        here, again = self.here.values(source), self.again.values(source)
        return not all(map(np.array_equal, here, again))


def averaged(step: Step) -> float:
    """Over how many numbers a sum or a mean goes; 1 of anything else."""
    sizes = [np.size(each) for each in step.operands if np.ndim(each)]
    return sizes[0] / max(1, np.size(step.result)) if step.name in SUMS and sizes else 1.0


def times(place: Place, i: int, factor: float, count: float) -> Edit:
    """Times a number; a sum for a mean, if it is that."""
    what = "{step}" if i < 0 else "in {step}, {operand}"
    if abs(factor) < NOTHING:
        return scaled(place, i, 0.0, "0 for {step}" if i < 0 else "{step} without {operand}")
    number = float(f"{factor:.9g}")
    says = what + times_number(number)
    if i < 0 and count > 1 and np.isclose(number, count if place[0] == "mean" else 1 / count):
        says = "{step}: a sum, not a mean" if place[0] == "mean" else "{step}: a mean, not a sum"
    return scaled(place, i, number, says)


def times_number(number: float) -> str:
    return f" times {fraction(number)}"


def of_a_size(number: float, sizes: set[int]) -> bool:
    """Is it a size, its root, or one of these inverted? A factor 2 is more often a mistake of its own."""
    return number not in (2, 0.5) and any(
        np.isclose(number, each) for n in sizes - {0, 1} for each in (n, 1 / n, n**0.5, n**-0.5)
    )


def all_same(some: Sequence[Array], others: Sequence[Array], rtol: float = CLOSE) -> bool:
    return len(some) == len(others) and all(same(a, b, rtol) for a, b in zip(some, others))


def transposed(some: Sequence[Array], others: Sequence[Array]) -> bool:
    """One for every turn, or one for all."""
    both = len(others) in (1, len(some)) and all(np.ndim(each) == 2 for each in (*some, *others))
    return both and all(np.array_equal(a.T, of_turn(others, turn)) for turn, a in enumerate(some))


def same_numbers(some: Sequence[Array], others: Sequence[Array]) -> bool:
    flat = [np.sort(np.concatenate([*map(np.ravel, each)])) for each in (some, others)]
    return np.array_equal(flat[0], flat[1])


def spanned(columns: Array, gap: Array) -> bool:
    """Is it a sum of multiples of the columns?"""
    return same(columns @ np.linalg.lstsq(columns, gap, rcond=1e-9)[0], gap, CLOSE)


def cut(part: Part) -> Callable[[Array], Array]:
    """Its own numbers, out of those of all."""
    return lambda flat: flat[part.begin : part.end]
