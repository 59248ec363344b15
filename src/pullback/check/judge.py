"""The order of tests: each makes the next one meaningful, and the first that fails says what is wrong."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.diagnosis import diagnose
from pullback.check.differences import COARSE
from pullback.check.gathering import taken_apart
from pullback.check.mending import Mend, mends
from pullback.check.moves import few, sample
from pullback.check.points import Point, points
from pullback.check.probes.batches import batches
from pullback.check.probes.contract import contract, widened
from pullback.check.probes.gradual import gradual
from pullback.check.probes.layout import layout
from pullback.check.probes.lengths import lengths
from pullback.check.probes.linearity import linearity
from pullback.check.probes.manners import again, forward_repeats, mutation, repetition
from pullback.check.probes.remainders import remainders
from pullback.check.probes.tails import far, far_from_zero, tails
from pullback.check.probes.values import Comparison, Convention, Mismatch, cotangents, tolerance
from pullback.check.problem import Part, Problem
from pullback.check.reference import Reference
from pullback.check.report import CANNOT, RIGHT, WRONG, Cause, Finding, Report
from pullback.check.resizing import others, raised, resized, smaller
from pullback.check.truth import Truth, fits, whole

Array = NDArray[Any]

SMALLER = 4  # sizes at which a fault is looked for that does not show at the first
OTHERS = 2  # shapes at which a cause has to hold as well, where `shapes` gives them
NUMBERS = 2e8  # that may go into forward and backward, and come out, at further inputs
SLOW = 6.0  # seconds of work for them, after which code that is slow in itself gets no more
APART = 2.0  # seconds of work to take a layer apart, with which it is done at other shapes too
SQUARE = 3  # all sizes, where a matrix fits from either side
FAINT = 1e-9  # a derivative that differences do not tell from zero


class Judge:
    """One run over the tests, and what came out of them."""

    def __init__(self, problem: Problem, like: Any, seed: int, another: Callable[[], Problem] | None = None) -> None:
        self.problem, self.another = problem, another  # `another` gives the layer at other shapes, if the user says how
        self.rng = np.random.default_rng(seed + 1)
        self.findings: dict[str, Finding] = {}
        self.conventions: list[tuple[Point, Convention]] = []
        self.power: dict[str, float] = {}
        self.like = like
        self.reference: Reference | None = None
        self.remarks: list[Cause] = []
        self.noted: set[str] = set()  # inputs of which a remark tells what is wrong beyond the example
        self.terms: dict[str, list[str]] = {}  # what is wrong with them, and in whose gradients
        self.rough: list[str] = []  # inputs by which differences at the example say nothing
        self.left: list[str] = []  # inputs at which forward does not seem to arrive where it goes
        self.tried = 0
        self.hurried = False  # was there no time for all further inputs?

    def report(self) -> Report:
        problem = self.problem
        if not problem.inputs or not problem.outputs:
            return self.cannot("no input or output has a derivative: they are all integers")
        if not all(problem.sizes):
            return self.cannot("there is nothing to move: arrays without elements")
        if not forward_repeats(problem):
            return self.cannot("forward gives something else every time: fix its random numbers")
        value = problem.f(problem.example)
        if not np.isfinite(value).any():
            return self.cannot("forward is nowhere finite at the example: give other inputs")
        if np.isnan(value).any() and (strange := self.not_finite()):
            return self.cannot(f"the example of {strange} is not finite, and forward gives nan there: give finite ones")
        g = self.rng.normal(size=problem.given_size)
        for probe in (contract, mutation, partial(repetition, rng=self.rng), again, layout):
            try:
                self.add(probe(problem, g))
            except NotImplementedError as error:  # nobody claims that it is right
                return self.cannot(f"backward is not implemented: {error}".rstrip(": "))
            if self.findings:
                if probe is contract:
                    self.add_what_squares_show()
                return self.finished()
            if not problem.inputs:
                return self.cannot("there is a gradient of none of the inputs")
        if self.like is not None:
            self.refer()
        self.add([self.explained(finding, g) for finding in linearity(problem, self.rng, g)])
        if not self.findings:
            self.values()
        return self.finished()

    def add_what_squares_show(self) -> None:
        """Of a backward that raises: a matrix that is not transposed fits where all sizes are one."""
        (first, *others), error = self.findings.values(), raised(self.problem)
        if others or error is None or type(error).__name__ not in first.causes[0].evidence:
            return
        square = resized(self.problem, dict.fromkeys(self.present, SQUARE))
        if square is None or raised(square) is not None:
            return
        leading = Judge(square, None, 0).report().leading
        seen = [each for each in leading.causes if not each.guess] if leading else []
        if leading and seen:
            runs = f"{first.causes[0].evidence}; where all sizes are {SQUARE} it runs"
            cause = replace(seen[0], evidence=f"{runs}, and {leading.name} is wrong: {seen[0].evidence}")
            causes = cause, *seen[1:], *first.causes
            self.findings = {leading.name: replace(first, name=leading.name, causes=causes)}

    @property
    def present(self) -> set[int]:
        """All sizes of axes."""
        return {int(n) for array in self.problem.arrays for n in array.shape}

    def not_finite(self) -> str:
        """The inputs with nan or infinity in them, by name."""
        arrays = zip(self.problem.names, self.problem.arrays)
        return ", ".join(name for name, a in arrays if a.dtype.kind in "fc" and not np.isfinite(a).all())

    def refer(self) -> None:
        """Bring in the closed form, if it is that of this forward."""
        reference = Reference(self.problem, self.like)
        name = reference.rule.name
        if self.problem.mode == "jvp" or not reference.fits:
            text = f"forward is not {name} with these hyperparameters: judged without its closed form"
            self.remarks.append(Cause("mode_mismatch", text))
            return
        self.reference = reference
        if reference.mode:
            self.remarks.append(Cause("", f"forward is {name}({reference.mode}): another documented mode"))
        self.remarks.append(Cause("", f"`pullback explain {name}` derives the gradient line by line"))

    def opinion(self, point: Point, g: Array, example: bool) -> None:
        """The closed form's gradient, where differences saw nothing wrong: they are blind in the tails."""
        problem, reference = self.problem, self.reference
        value = None if reference is None else reference.value(point.v)
        if reference is None or value is None or not np.allclose(value, problem.f(point.v), 1e-6, 1e-9):
            return
        wanted = reference.pull(point.v, g)
        if wanted is None or not np.isfinite(wanted).all():
            return
        found = problem.b(point.v, g)
        for part in problem.inputs:
            own = slice(part.begin, part.end)
            a, b = found[own], wanted[own]
            if part.name in self.findings or not a.size:
                continue
            tiny = len(problem.inputs) == 1 and problem.sizes[0] == problem.sizes[1] and example and not problem.single
            scale = abs(b) + 1e-290 if tiny else np.full(b.shape, np.max(abs(b)) + 1e-290)
            off = np.where(np.isfinite(a), abs(a - b), np.inf) / scale
            k = int(np.argmax(off))
            if off[k] > (1e-3 if tiny else 100 * tolerance(problem)) and abs(b[k]) < 1e-6 * (np.max(abs(b)) + 1):
                text = f"a relative error of {off[k]:.1e} where {reference.rule.name} has {b[k]:.3g}"
                cause = Cause("cancellation", text, "use a form that does not subtract nearly equal numbers")
                values = float(a[k]), float(b[k])
                self.findings[part.name] = Finding(
                    part.name, WRONG, abs(values[0] - values[1]), 0.0, part.where(k + part.begin), *values,
                    point.where, (cause,),
                )  # fmt: skip

    def add(self, findings: list[Finding]) -> None:
        for finding in findings:
            self.findings.setdefault(finding.name, finding)

    def values(self) -> None:
        """The example first; what is wrong there needs no further input."""
        self.at(Point("your example", self.problem.example), list(cotangents(self.problem, self.rng)))
        if not self.findings:
            ones = np.ones(self.problem.given_size)
            self.add(tails(self.problem, ones) or far_from_zero(self.problem, ones))
        if self.lost:
            return  # where it is defined, nobody has said
        begun, runs, most = time.process_time(), self.problem.runs, NUMBERS / sum(self.problem.sizes)
        for point in points(self.problem, self.rng):
            if self.findings:
                break
            if self.problem.runs - runs > most or time.process_time() - begun > SLOW:
                self.hurried = True
                break
            self.at(point, list(cotangents(self.problem, self.rng, plain=False))[:1], example=False)
        if not self.findings:
            findings, notes = lengths(self.problem)
            self.add(findings)
            g = np.ones(self.problem.given_size)
            self.remarks += [*far(self.problem), *notes, *widened(self.problem, g), *batches(self.problem)]
            self.remarks += remainders(self.problem)

    @cached_property
    def lost(self) -> int:
        """How many numbers forward gives as nan at the example: that leaves its domain."""
        with np.errstate(all="ignore"):
            return int(np.isnan(self.problem.f(self.problem.example)).sum())

    def at(self, point: Point, gradients: list[Array], example: bool = True) -> None:
        """Compare at one point: at the example all elements, at others a few directions, and all if those differ."""
        problem = self.problem
        all_of_it = fits(problem) and (example or problem.mode == "jvp")
        try:
            with np.errstate(all="ignore"):
                if not np.isfinite(problem.f(point.v)).all() and not example:
                    return
                truth = whole(problem, point.v) if all_of_it else self.along(point, example)
                comparison = Comparison(problem, truth, gradients, example)
                if comparison.found and not all_of_it and fits(problem):
                    truth = whole(problem, point.v)
                    comparison = Comparison(problem, truth, gradients, example)
        except Exception:
            if example:
                raise
            return  # these inputs were not the user's: outside of the domain, for all we know
        worst = max(comparison.found.values(), key=lambda each: each.weight, default=None)
        if worst is not None and not example and gradual(problem, point, worst):
            self.left.append(point.where)
            return
        self.tried += 1
        for part, columns in comparison.owners:
            own = truth.value[:, columns]
            size = float(np.max(abs(np.nan_to_num(own)), initial=0))
            self.power[part.name] = max(self.power.get(part.name, 0.0), size)
            if example and truth.says_nothing(columns):
                self.rough.append(part.name)
        self.conventions += [(point, each) for each in comparison.conventions]
        if not comparison.found and example:
            self.opinion(point, gradients[0], example)
        for mismatch in comparison.found.values():
            degenerate = point.one_example and not mismatch.finite
            if point.beyond:
                self.beyond(point, mismatch, truth)
                continue
            if not example and mismatch.kind != "smooth" and len(point.coordinates) > 2 and not degenerate:
                continue
            self.findings[mismatch.part.name] = self.wrong(point, mismatch, truth, example)

    def beyond(self, point: Point, mismatch: Mismatch, truth: Truth) -> None:
        """Outside of what the example spans a gradient that is no number is worth a note, and no fault."""
        vague = (truth.unknown | truth.kink)[:, mismatch.column].any()
        if not mismatch.finite and not vague and mismatch.part.name not in self.noted:
            self.noted.add(mismatch.part.name)
            cause = self.wrong(point, mismatch, truth, example=False).causes[0]
            text = f"the gradient of {mismatch.part.name}, beyond your example ({point.where}): {cause.evidence}"
            self.remarks.append(replace(cause, evidence=text))

    def along(self, point: Point, example: bool) -> Truth:
        """What is special, and a direction or two; at the example, of everything."""
        chosen = sample(self.problem, self.rng) if example else few(self.problem, self.rng, point.coordinates)
        truth = Truth(self.problem, point.v, chosen)
        return truth.sharpened() if example else truth

    def wrong(self, point: Point, mismatch: Mismatch, truth: Truth, example: bool) -> Finding:
        part = mismatch.part
        column = mismatch.column
        if truth.directions is None or self.problem.mode == "jvp":
            index = part.where(column)
        else:
            place = truth.directions[column].coordinate()
            index = () if place is None else part.where(place)
        causes = self.at_small_sizes.get(part.name) or diagnose(
            self.problem, point, mismatch, ordinary=not example, elsewhere=self.elsewhere
        )
        if self.reference is not None and mismatch.finite:
            other = self.reference.other_mode(point.v, mismatch.g, self.problem.b(point.v, mismatch.g))
            if other:
                causes = (Cause("mode_mismatch", f"exactly the gradient of {other}"), *causes)
            causes = self.known(part, point.v, mismatch.g, causes)
            told = self.reference.term_by_term(point.v, mismatch.g, part) if part.width == 1 else ""
            if told:
                self.terms.setdefault(told, []).append(part.name)
        error = abs(mismatch.found - mismatch.wanted)
        mend = self.mends.get(part.name) if example and mismatch.finite else None
        return Finding(
            part.name,
            WRONG,
            error,
            mismatch.uncertainty,
            index,
            mismatch.found,
            mismatch.wanted,
            point.where,
            causes,
            mend.says if mend else "",
        )

    @cached_property
    def mends(self) -> dict[str, Mend]:
        """Changes with which gradients are right that are wrong at the example."""
        real = all(part.width == 1 for part in (*self.problem.inputs, *self.problem.outputs))
        return mends(self.problem, self.problem.example) if real and taken_apart(self.problem) else {}

    @cached_property
    def at_small_sizes(self) -> dict[str, tuple[Cause, ...]]:
        """What is wrong with a layer that is too large to be taken apart: that with the same layer, made smaller."""
        several = iter(()) if taken_apart(self.problem) else smaller(self.problem, taken_apart)
        for small in islice(several, SMALLER):
            wrong = [each for each in Judge(small, self.like, 0).report().findings if each.verdict == WRONG]
            if wrong:
                return {finding.name: tuple(located(finding.causes, small)) for finding in wrong}
        return {}

    @cached_property
    def elsewhere(self) -> list[Problem]:
        """The same layer at other shapes, small enough to be taken apart; with `like`, still that rule."""
        if not taken_apart(self.problem) or self.seconds > APART:
            return []
        found = others(self.problem) if self.another is None else [self.another() for _ in range(OTHERS)]
        alike = lambda problem: self.reference is None or Reference(problem, self.like).fits
        return [each for each in found if taken_apart(each) and alike(each)]

    @cached_property
    def seconds(self) -> float:
        """How long it takes to take the example apart, about, whatever else the machine does: forward moves along
        every number that goes in, backward takes a gradient for every number that comes out."""
        problem, g = self.problem, np.ones(self.problem.given_size)
        forward = least(lambda: problem.f(problem.example)) * problem.sizes[0] * 2 * COARSE
        return forward + least(lambda: problem.b(problem.example, g)) * problem.given_size

    def explained(self, finding: Finding, g: Array) -> Finding:
        part = next(part for part in self.problem.results if part.name == finding.name)
        return replace(finding, causes=self.known(part, self.problem.example, g, finding.causes))

    def known(self, part: Part, v: Array, g: Array, causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
        """The causes, with what is known to go wrong in this very layer first."""
        if self.reference is None or part.width == 2 or self.reference.value(v) is None:
            return causes
        exact = self.reference.mistakes(v, g, part)
        named = {each.cause: Cause(each.cause, f"exactly this mistake: {each.says}") for each in exact[::-1]}
        return (*list(named.values())[::-1], *(cause for cause in causes if cause.name not in named))

    def cannot(self, reason: str) -> Report:
        return Report(self.problem.name, CANNOT, reason=reason)

    def finished(self) -> Report:
        problem = self.problem
        other = RIGHT if self.tried else CANNOT  # what ended before values were compared says nothing of them
        findings = [self.findings.get(p.name, Finding(p.name, other)) for p in problem.results]
        faint = lambda p: p.name not in self.findings and self.power.get(p.name, 1.0) < FAINT
        silent = [p.name for p in problem.results if problem.mode == "vjp" and faint(p)]
        verdict = WRONG if self.findings else CANNOT if self.rough or not self.tried else RIGHT
        reason = (
            f"forward's differences are too rough to judge the gradient of {', '.join(self.rough)}: it turns within "
        )
        reason += "the smallest steps, or beside large values; try others, or double precision"
        return Report(
            problem.name,
            verdict,
            tuple(findings),
            tuple(self.unseen(silent)),
            tuple(self.notes()),
            reason=reason if verdict == CANNOT and self.rough else "",
            tried=self.tried,
            complex=problem.convention is None and any(part.width == 2 for part in (*problem.inputs, *problem.outputs)),
        )

    def notes(self) -> list[Cause]:
        told = dict.fromkeys(map(self.told, self.conventions))
        terms = [f"the gradient of {', '.join(names)}, term by term: {text}" for text, names in self.terms.items()]
        return [
            *self.remarks,
            *[Cause("", text) for text in terms],
            *[Cause("kink_convention", text) for text in told][:4],
        ]

    def told(self, at: tuple[Point, Convention]) -> str:
        point, c = at
        return f"at a kink ({point.where}), {c.found:.4g} of the derivatives from {c.left:.4g} to {c.right:.4g}"

    def unseen(self, silent: list[str]) -> list[str]:
        near = f"is zero, or less than {FAINT:g}, wherever it was tried: any fault times zero is zero"
        said = [f"the derivative by {name} {near}" for name in silent]
        said += [
            f"the gradient of {name} is None, and forward moves with it: if it should have one, say wrt={name!r}"
            for name in self.problem.dropped
        ]
        if self.lost:
            where = f"forward is nan in {self.lost} of {self.problem.sizes[1]} numbers at your example"
            said.append(f"{where}, so no other inputs were tried: give some for which it is not")
        if self.left:
            away = "the gradient leaves the derivative little by little, as where forward iterates and does not arrive"
            said.append(f"on the way to {self.left[0]}, {away}: what is there is not judged")
        for part in self.problem.inputs:
            shape = part.shape
            if len(shape) > 1 and shape[0] == 1:
                said.append(f"{part.name} has a batch of one: a mean in the place of a sum would not show")
            if len(shape) == 2 and shape[0] == shape[1] > 1:
                said.append(f"{part.name} is square: a shape that is transposed by mistake would fit")
        if self.problem.grain:
            said.append(
                f"forward rounds to {self.problem.grain:.0e}: a part of it is computed in less than double precision"
            )
        if self.hurried:
            said.append(f"forward is large, or slow: of all inputs that could be tried, {self.tried} were")
        return said


def located(causes: Iterable[Cause], problem: Problem) -> Iterator[Cause]:
    """With the sizes at which they were found."""
    sizes = ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)
    return (replace(cause, evidence=f"{cause.evidence} (at {sizes})") for cause in causes)


def least(call: Callable[[], Any]) -> float:
    """The seconds of work of three that take the fewest."""

    def once() -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    return min(once() for _ in range(3))
