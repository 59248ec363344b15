"""The order of tests: each makes the next one meaningful, and the first that fails says what is wrong."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import few, sample
from pullback.check.naming import Naming
from pullback.check.outcome import Outcome
from pullback.check.points import Point, cut, points
from pullback.check.probes.batches import batches
from pullback.check.probes.contract import TooManyError, contract, widened
from pullback.check.probes.gradual import gradual
from pullback.check.probes.layout import layout
from pullback.check.probes.lengths import lengths
from pullback.check.probes.linearity import linearity
from pullback.check.probes.manners import again, early, forward_repeats, lasting, mutation, repetition
from pullback.check.probes.opinion import opinion
from pullback.check.probes.precisions import in_single, narrowed, raises
from pullback.check.probes.projection import projected
from pullback.check.probes.remainders import remainders
from pullback.check.probes.repeats import repeats
from pullback.check.probes.single import singles
from pullback.check.probes.sizes import at_sizes, wrong_elsewhere
from pullback.check.probes.straight import handed_through, in_its_place
from pullback.check.probes.symmetric import shared
from pullback.check.probes.tails import HINT, far, far_from_zero, tails
from pullback.check.probes.values import Comparison, Mismatch, cotangents, gone_in_double
from pullback.check.problem import Problem
from pullback.check.reference import Reference
from pullback.check.report import WRONG, Cause, Report
from pullback.check.resizing import raised, replaced, resized
from pullback.check.steps.search import careful
from pullback.check.truth import Truth, fits, whole

Array = NDArray[Any]
T = TypeVar("T")

NUMBERS = 2e8  # that may go into forward and backward, and come out, at further inputs
SLOW = 6.0  # seconds of work for them, after which code that is slow in itself gets no more
SQUARE = 3  # all sizes, where a matrix fits from either side


class Judge:
    """One run over the tests."""

    def __init__(self, problem: Problem, like: Any, seed: int, another: Callable[[], Problem] | None = None) -> None:
        self.problem, self.like, self.another = problem, like, another  # `another` gives the layer at other shapes
        self.seed, self.rng = seed, np.random.default_rng(seed + 1)
        self.outcome = Outcome(problem)
        self.reference: Reference | None = None

    @cached_property
    def naming(self) -> Naming:
        judged = lambda small: Judge(small, self.like, 0).report()
        return Naming(self.problem, self.reference, self.another, judged)

    def report(self) -> Report:
        problem, outcome = self.problem, self.outcome
        if reason := self.nothing_to_judge():
            return outcome.cannot(reason)
        y = problem.f(problem.example)
        outcome.nan, outcome.infinite = int(np.isnan(y).sum()), int(np.isinf(y).sum())
        g = self.rng.normal(size=problem.given_size)
        for probe in (contract, mutation, partial(repetition, rng=self.rng), again, early, lasting):
            try:
                outcome.add(probe(problem, g))
            except NotImplementedError as error:  # nobody claims that it is right
                return outcome.cannot(f"backward is not implemented: {error}".rstrip(": "))
            except TooManyError as error:
                return outcome.cannot(str(error))
            if outcome.findings:
                if probe is contract:
                    self.add_what_squares_show()
                    return self.with_the_others()
                return outcome.report()
            if not problem.inputs:
                return outcome.cannot("there is a gradient of none of the inputs")
        if self.like is not None:
            self.refer()
            problem = self.problem
        in_memory = layout(problem, g)
        if in_memory and not self.written_over():
            outcome.add(in_memory)
            return outcome.report()
        outcome.add([self.naming.explained(finding, g) for finding in linearity(problem, self.rng, g)])
        if not outcome.findings:
            self.values()
        return outcome.report()

    def written_over(self) -> bool:
        """Is anything? The order in which one place is written to is that of memory."""
        trial = Judge(self.problem, self.like, self.seed)
        trial.at(Point("your example", self.problem.example), list(cotangents(self.problem, trial.rng)))
        return any(each.cause == "overwrite_vs_accumulate" for each in trial.outcome.findings.values())

    def nothing_to_judge(self) -> str:
        """Why forward has no derivative here."""
        problem = self.problem
        if not problem.inputs or not problem.outputs:
            return "no input or output has a derivative: they are all integers"
        if not all(problem.sizes):
            return "there is nothing to move: arrays without elements"
        if not forward_repeats(problem):
            return "forward gives something else every time: fix its random numbers"
        value = problem.f(problem.example)
        if not np.isfinite(value).any():
            return "forward is nowhere finite at the example: give other inputs"
        if np.isnan(value).any() and (strange := self.not_finite()):
            return f"the example of {strange} is not finite, and forward gives nan there: give finite ones"
        return ""

    def not_finite(self) -> str:
        """The inputs with nan or infinity in them, by name."""
        arrays = zip(self.problem.names, self.problem.arrays)
        return ", ".join(name for name, a in arrays if a.dtype.kind in "fc" and not np.isfinite(a).all())

    def add_what_squares_show(self) -> None:
        """Of a backward that raises: a matrix that is not transposed fits where all sizes are one."""
        (first, *others), error = self.outcome.findings.values(), raised(self.problem)
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
            self.outcome.findings = {leading.name: replace(first, name=leading.name, causes=causes)}

    def with_the_others(self) -> Report:
        """Beside gradients of a wrong shape, those of the right shape are judged by themselves."""
        report, wrong, problem = self.outcome.report(), self.outcome.findings, self.problem
        places = [part.place for part in problem.results if part.name not in wrong]
        rest = replaced(problem, problem.arrays, places) if problem.mode == "vjp" and places else None
        other = Judge(rest, self.like, self.seed).report() if rest else report
        if not other.tried:  # there is more that is wrong
            return report
        judged = {finding.name: finding for finding in other.findings}
        findings = [judged.get(each.name, each) for each in report.findings if each.name in {*wrong, *judged}]
        return replace(other, verdict=WRONG, findings=tuple(findings), reason="")

    @property
    def present(self) -> set[int]:
        """All sizes of axes."""
        return {int(n) for array in self.problem.arrays for n in array.shape}

    def refer(self) -> None:
        """Bring in the closed form, if it is that of this forward."""
        problem, remarks = self.problem, self.outcome.remarks
        reference = Reference(problem, self.like)
        name = reference.rule.name
        if not reference.fits and (instead := careful(in_its_place, problem, reference.rule)):
            self.problem = self.outcome.problem = instead
            remarks.append(Cause("", f"forward moves in steps: backward is judged as the derivative of {name}"))
            reference = Reference(instead, self.like)
        elif problem.mode == "jvp" or not reference.fits:
            text = (
                f"forward gives something else than {name}, as it is called here: backward is judged by forward alone"
            )
            remarks.append(Cause("mode_mismatch", text))
            return
        self.reference = reference if reference.fits else None
        if reference.fits and reference.mode:
            remarks.append(Cause("", f"forward is {name}({reference.mode}): another documented mode"))
        remarks.append(Cause("", f"`pullback explain {name}` derives the gradient line by line"))

    def values(self) -> None:
        """The example first; what is wrong there needs no further input."""
        problem, outcome = self.problem, self.outcome
        ones = np.ones(problem.given_size)
        self.at(Point("your example", problem.example), list(cotangents(problem, self.rng)))
        if not outcome.findings:
            outcome.add(tails(problem, ones) or far_from_zero(problem, ones))
        if outcome.nan:
            return  # where it is defined, nobody has said
        self.further()
        if not (outcome.findings or outcome.straight):
            findings, notes, outcome.all_lengths = lengths(problem)
            outcome.add(findings)
            outcome.remarks += [*far(problem), *notes, *widened(problem, ones)]
            outcome.remarks += [
                each for probe in (batches, remainders, singles, repeats) for each in noted(probe, problem)
            ]
            if self.reference is not None:
                self.at_other_sizes(self.reference)
            self.in_single_precision()

    def at_other_sizes(self, reference: Reference) -> None:
        """What is wrong there is named there."""
        other = careful(wrong_elsewhere, self.problem, reference)
        if other is None:
            return
        wrong = [each for each in Judge(other, None, self.seed).report().findings if each.verdict == WRONG]
        self.outcome.add([replace(each, where=f"at other sizes: {at_sizes(other)}") for each in wrong])

    def in_single_precision(self) -> None:
        single = careful(narrowed, self.problem)
        if single is None or self.outcome.findings:
            return
        self.outcome.remarks += noted(raises, single)
        if found := careful(in_single, self.problem, single, self.rng):
            point, truth, mismatches = found
            naming = Judge(single, None, self.seed).naming
            naming.wrong = frozenset(mismatch.part.name for mismatch in mismatches)
            self.outcome.add([naming.finding(point, mismatch, truth, True) for mismatch in mismatches])

    def further(self) -> None:
        """Other inputs, until something is wrong."""
        begun, runs, most = time.process_time(), self.problem.runs, NUMBERS / sum(self.problem.sizes)
        for point in points(self.problem, self.rng, self.reference.turning if self.reference else ()):
            if self.outcome.findings or len(self.outcome.straight) == len(self.problem.inputs):
                return
            if self.problem.runs - runs > most or time.process_time() - begun > SLOW:
                self.outcome.hurried = True
                return
            self.at(point, list(cotangents(self.problem, self.rng, plain=False))[:1], example=False)

    def at(self, point: Point, gradients: list[Array], example: bool = True) -> None:
        """Compare at one point."""
        problem, outcome = self.problem, self.outcome
        try:
            with np.errstate(all="ignore"):
                if not example and (not np.isfinite(y := problem.f(point.v)).all() or cut(problem, point)):
                    return
                if not example and (b := projected(problem, point.v, y, gradients[0], self.rng)) is not None:
                    return outcome.right(b)
                truth, comparison = self.compared(point, gradients, example)
        except Exception:
            if example:
                raise
            return  # these inputs were not the user's: outside of the domain, for all we know
        worst = max(comparison.found.values(), key=lambda each: each.weight, default=None)
        if worst is not None and not example:
            if problem.overflows(point.v) or not point.lost and gone_in_double(problem, truth, worst):
                return
            if not point.lost and gradual(problem, point, worst):
                outcome.left.append(point.where)
                return
        outcome.tried += 1
        for part, columns in comparison.owners:
            size = float(np.max(abs(np.nan_to_num(truth.value[:, columns])), initial=0))
            outcome.moves(part, size)
            if example and truth.says_nothing(columns):
                outcome.rough.append(part.name)
        outcome.conventions += [(point, each) for each in comparison.conventions]
        if example:
            outcome.errors = comparison.errors
        if not comparison.found and example:
            outcome.add(opinion(problem, self.reference, point, gradients[0]))
        self.naming.wrong = frozenset(comparison.found)
        for mismatch in comparison.found.values():
            part = mismatch.part
            if part.name in outcome.straight:
                continue
            if careful(shared, problem, point.v, part):
                outcome.shared.add(part.name)
            elif where := careful(handed_through, problem, point.v, part):
                outcome.straight[part.name] = where
            elif point.beyond:
                self.beyond(point, mismatch, truth)
            elif example or counts(point, mismatch):
                self.wrong(point, mismatch, truth, example)

    def compared(self, point: Point, gradients: list[Array], example: bool) -> tuple[Truth, Comparison]:
        """At the example all elements, at others a few directions, and all if those differ."""
        problem, kinks = self.problem, example or counts_at_kinks(point)
        all_of_it = fits(problem) and (example or problem.mode == "jvp")
        truth = whole(problem, point.v) if all_of_it else self.along(point, example)
        comparison = Comparison(problem, truth, gradients, example, kinks)
        if comparison.found and not all_of_it and fits(problem):
            truth = whole(problem, point.v)
            comparison = Comparison(problem, truth, gradients, example, kinks)
        return truth, comparison

    def along(self, point: Point, example: bool) -> Truth:
        """What is special, and a direction or two; at the example, of everything."""
        chosen = sample(self.problem, self.rng) if example else few(self.problem, self.rng, point.coordinates)
        truth = Truth(self.problem, point.v, chosen)
        return truth.sharpened() if example else truth

    def wrong(self, point: Point, mismatch: Mismatch, truth: Truth, example: bool) -> None:
        name = mismatch.part.name
        finding = self.naming.finding(point, mismatch, truth, example)
        if point.lost and mismatch.finite:
            others = (each for each in finding.causes if each.name != "cancellation")
            finding = replace(finding, causes=(Cause("cancellation", point.lost, HINT), *others))
        self.outcome.findings[name] = finding
        if terms := self.naming.terms(point, mismatch):
            self.outcome.terms.setdefault(terms, []).append(name)

    def beyond(self, point: Point, mismatch: Mismatch, truth: Truth) -> None:
        """Outside of what the example spans a gradient that is no number is worth a note, and no fault."""
        name, vague = mismatch.part.name, (truth.unknown | truth.kink)[:, mismatch.column].any()
        if not mismatch.finite and not vague and name not in self.outcome.beyond:
            self.outcome.beyond.add(name)
            cause = self.naming.finding(point, mismatch, truth, example=False).causes[0]
            text = f"the gradient of {name}, beyond your example ({point.where}): {cause.evidence}"
            self.outcome.remarks.append(replace(cause, evidence=text))


def noted(probe: Callable[[T], list[Cause]], problem: T) -> list[Cause]:
    """A note is of inputs that are not the user's: where their code does something strange there, there is none."""
    try:
        return probe(problem)
    except Exception:
        return []


def counts(point: Point, mismatch: Mismatch) -> bool:
    return mismatch.kind == "smooth" or counts_at_kinks(point, mismatch.finite)


def counts_at_kinks(point: Point, finite: bool = True) -> bool:
    """With many special coordinates nothing does there, unless one example is degenerate and has no number."""
    few = len(point.coordinates) <= 2 or point.counts
    return few or point.one_example and not finite
