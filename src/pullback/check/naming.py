"""What is wrong with a gradient gets its name: from the layer itself, from the same one at other sizes, and from the
closed form."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullback.check.diagnosis import HINTS, diagnose
from pullback.check.differences import COARSE
from pullback.check.gathering import taken_apart
from pullback.check.mending import Mend, mends
from pullback.check.points import Point
from pullback.check.probes.element import element
from pullback.check.probes.values import Mismatch, gone_in_double
from pullback.check.problem import Part, Problem
from pullback.check.reference import Reference
from pullback.check.report import WRONG, Cause, Finding, Report
from pullback.check.resizing import others, runs, smaller
from pullback.check.truth import Truth

Array = NDArray[Any]
T = TypeVar("T")

SMALLER = 4  # sizes at which a fault is looked for that does not show at the first
OTHERS = 2  # shapes at which a cause has to hold as well, where `shapes` gives them
APART = 2.0  # seconds of work to take a layer apart, with which it is done at other shapes too


class Naming:
    """Findings of one problem. `another` gives the layer at other shapes, if the user says how; `judged` a report on
    it at a smaller size."""

    def __init__(
        self,
        problem: Problem,
        reference: Reference | None,
        another: Callable[[], Problem] | None,
        judged: Callable[[Problem], Report],
    ) -> None:
        self.problem, self.reference, self.another, self.judged = problem, reference, another, judged
        self.wrong: frozenset[str] = frozenset()  # gradients that are wrong where a name is looked for

    def finding(self, point: Point, mismatch: Mismatch, truth: Truth, example: bool) -> Finding:
        part = mismatch.part
        worst, there = self.single(mismatch, truth)
        return Finding(
            part.name,
            WRONG,
            abs(worst.found - worst.wanted),
            worst.uncertainty,
            self.index(worst, there),
            worst.found,
            worst.wanted,
            point.where,
            kept(lambda: self.causes(point, mismatch if mismatch.finite else worst, truth, example), unnamed),
            kept(lambda: self.mend(part), lambda _: "") if example and mismatch.finite else "",
            self.place(worst, there) is None,
        )

    def single(self, mismatch: Mismatch, truth: Truth) -> tuple[Mismatch, Truth]:
        """The mismatch of one number, where it is one of many together."""
        if mismatch.kind != "smooth" or self.place(mismatch, truth) is not None:
            return mismatch, truth
        return kept(lambda: element(self.problem, truth, mismatch), lambda _: (mismatch, truth))

    def mend(self, part: Part) -> str:
        small = self.at_small_sizes.get(part.name)
        found = self.mends.get(part.name)
        return small.mend if small else found.says if found else ""

    def index(self, mismatch: Mismatch, truth: Truth) -> tuple[int, ...]:
        """Of the worst element, if it is one."""
        place = self.place(mismatch, truth)
        return () if place is None else mismatch.part.where(place)

    def place(self, mismatch: Mismatch, truth: Truth) -> int | None:
        """In the flat vector; None along a direction in which several numbers move."""
        if truth.directions is None or self.problem.mode == "jvp":
            return mismatch.column
        return truth.directions[mismatch.column].coordinate()

    def causes(self, point: Point, mismatch: Mismatch, truth: Truth, example: bool) -> tuple[Cause, ...]:
        small = self.at_small_sizes.get(mismatch.part.name)
        in_double = gone_in_double(self.problem, truth, mismatch)
        causes = (small.causes if small else ()) or diagnose(
            self.problem, point, mismatch, not example, self.elsewhere, in_double
        )
        if self.reference is None or not mismatch.finite:
            return causes
        other = self.reference.other_mode(point.v, mismatch.g, self.problem.b(point.v, mismatch.g))
        if other:
            causes = (Cause("mode_mismatch", f"exactly the gradient of {other}"), *causes)
        return self.known(mismatch.part, point.v, mismatch.g, causes)

    def known(self, part: Part, v: Array, g: Array, causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
        """The causes, with what is known to go wrong in this very layer first."""
        if self.reference is None or part.width == 2 or self.reference.value(v) is None:
            return causes
        exact = self.reference.mistakes(v, g, part)
        told = lambda each: Cause(each.cause, f"exactly this mistake: {each.says}", HINTS.get(each.cause, ""))
        named = {each.cause: told(each) for each in exact[::-1]}
        return (*list(named.values())[::-1], *(cause for cause in causes if cause.name not in named))

    def explained(self, finding: Finding, g: Array) -> Finding:
        part = next(part for part in self.problem.results if part.name == finding.name)
        return replace(finding, causes=self.known(part, self.problem.example, g, finding.causes))

    def terms(self, point: Point, mismatch: Mismatch) -> str:
        """What is wrong with the terms of the closed form."""
        if self.reference is None or not mismatch.finite or mismatch.part.width == 2:
            return ""
        return self.reference.term_by_term(point.v, mismatch.g, mismatch.part)

    @cached_property
    def mends(self) -> dict[str, Mend]:
        """Changes with which gradients are right that are wrong at the example."""
        return mends(self.problem, self.problem.example) if taken_apart(self.problem) else {}

    @cached_property
    def at_small_sizes(self) -> dict[str, Finding]:
        """What is wrong with a layer that is too large to be taken apart: that with the same layer, made smaller.

        Sizes are a guess, and where arrays broadcast forward may run as another layer. So the same gradients have to be
        wrong; or else some of them and no others."""
        several = iter(()) if taken_apart(self.problem) else filter(runs, smaller(self.problem, taken_apart))
        seen: list[dict[str, Finding]] = []
        for small in islice(several, SMALLER):
            wrong = {each.name: located(each, small) for each in self.judged(small).findings if each.verdict == WRONG}
            if wrong.keys() == self.wrong:
                return wrong
            seen.append(wrong)
        some = next((wrong for wrong in seen if wrong and wrong.keys() <= self.wrong), {})
        if not some:
            shows = "what is wrong is another gradient" if any(seen) else "it shows no fault"
            self.problem.alone = f"at smaller sizes {shows}" if seen else "it runs at no smaller sizes"
        return some

    @cached_property
    def elsewhere(self) -> list[Problem]:
        """The same layer at other shapes, small enough to be taken apart; with `like`, still that rule."""
        if not taken_apart(self.problem) or self.seconds > APART:
            return []
        found = others(self.problem) if self.another is None else [self.another() for _ in range(OTHERS)]
        return [each for each in found if taken_apart(each) and self.alike(each)]

    def alike(self, problem: Problem) -> bool:
        return self.reference is None or Reference(problem, self.reference.like).fits

    @cached_property
    def seconds(self) -> float:
        """How long it takes to take the example apart, about, whatever else the machine does: forward moves along
        every number that goes in, backward takes a gradient for every number that comes out."""
        problem, g = self.problem, np.ones(self.problem.given_size)
        forward = least(lambda: problem.f(problem.example)) * problem.sizes[0] * 2 * COARSE
        return forward + least(lambda: problem.b(problem.example, g)) * problem.given_size


def kept(search: Callable[[], T], without: Callable[[Exception], T]) -> T:
    """What a search finds. It runs the user's code on numbers that are not theirs, and with steps changed: whatever
    happens there, the verdict stands."""
    try:
        return search()
    except Exception as error:
        return without(error)


def unnamed(error: Exception) -> tuple[Cause, ...]:
    lines = str(error).splitlines() or [""]
    return (Cause("unknown", f"the search for the cause ended with {type(error).__name__}: {lines[0]}"),)


def located(finding: Finding, problem: Problem) -> Finding:
    """With the sizes at which it was found."""
    at = f" (at {', '.join(f'{part.name} {part.shape}' for part in problem.inputs)})"
    causes = tuple(replace(cause, evidence=f"{cause.evidence}{at}") for cause in finding.causes)
    return replace(finding, causes=causes, mend=f"{finding.mend}{at}" if finding.mend else "")


def least(call: Callable[[], Any]) -> float:
    """The seconds of work of three that take the fewest."""

    def once() -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    return min(once() for _ in range(3))
