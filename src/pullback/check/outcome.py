"""What the tests saw, and the report that tells it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.points import Point
from pullback.check.probes.values import Convention
from pullback.check.problem import Part, Problem
from pullback.check.report import CANNOT, RIGHT, WRONG, Cause, Finding, Report

Array = NDArray[Any]

FAINT = 1e-9  # a derivative that differences do not tell from zero
KINKS = 2  # places, and choices, that are told
HALF = 1e-4  # rounding that only half precision has


@dataclass
class Outcome:
    """What is wrong, what is worth a note, and what could not be seen."""

    problem: Problem
    findings: dict[str, Finding] = field(default_factory=dict)
    remarks: list[Cause] = field(default_factory=list)
    beyond: set[str] = field(default_factory=set)  # inputs of which a remark tells what is wrong beyond the example
    terms: dict[str, list[str]] = field(default_factory=dict)  # what is wrong with them, and in whose gradients
    conventions: list[tuple[Point, Convention]] = field(default_factory=list)
    power: dict[str, float] = field(default_factory=dict)  # the largest derivative by each input
    errors: dict[str, tuple[float, float]] = field(default_factory=dict)  # at the example, and how far to trust them
    rough: list[str] = field(default_factory=list)  # inputs by which differences at the example say nothing
    straight: dict[str, str] = field(default_factory=dict)  # inputs to which the gradient is handed on, and where
    shared: set[str] = field(default_factory=set)  # symmetric inputs, each half of which gets the same
    left: list[str] = field(default_factory=list)  # inputs at which forward does not seem to arrive where it goes
    nan: int = 0  # numbers that forward gives as nan at the example
    infinite: int = 0  # and those that it gives as infinite
    tried: int = 0  # inputs
    hurried: bool = False  # was there no time for all of them?
    all_lengths: bool = True  # was there time for those?

    def add(self, findings: list[Finding]) -> None:
        """The first of an input stays."""
        for finding in findings:
            self.findings.setdefault(finding.name, finding)

    def right(self, gradient: Array) -> None:
        """At one more point it is."""
        self.tried += 1
        for part in self.problem.inputs:
            self.moves(part, float(np.max(abs(gradient[part.begin : part.end]), initial=0)))

    def moves(self, part: Part, size: float) -> None:
        """So large is a derivative by an input."""
        self.power[part.name] = max(self.power.get(part.name, 0.0), size)

    def cannot(self, reason: str) -> Report:
        return Report(self.problem.name, CANNOT, reason=reason)

    def report(self) -> Report:
        problem = self.problem
        vague = self.rough or self.straight or not self.tried
        verdict = WRONG if self.findings else CANNOT if vague else RIGHT
        names = [part.name for part in problem.results]
        return Report(
            problem.name,
            verdict,
            tuple(self.findings.get(name) or self.without_fault(name) for name in names),
            tuple(self.unseen()),
            tuple(self.notes()),
            reason="; ".join(self.reasons()) if verdict == CANNOT else "",
            tried=self.tried,
            complex=problem.convention is None and any(part.width == 2 for part in (*problem.inputs, *problem.outputs)),
        )

    def without_fault(self, name: str) -> Finding:
        """What ended before values were compared says nothing of them."""
        right = self.tried and name not in {*self.rough, *self.straight}
        return Finding(name, RIGHT, *self.errors.get(name, ())) if right else Finding(name, CANNOT)

    def reasons(self) -> Iterator[str]:
        """Why some gradients cannot be judged."""
        for name, where in self.straight.items():
            like = "identity" if where == "everywhere" else "hardtanh"
            through = f"forward moves in steps, and backward hands the gradient of {name} straight through {where}"
            yield f"{through}: that is no derivative; if it is meant, say of what it is one, such as like={like!r}"
        if self.rough:
            yield self.too_rough()

    def too_rough(self) -> str:
        what = f"forward's differences are too rough to judge the gradient of {', '.join(self.rough)}"
        if self.problem.eps > HALF:
            return f"{what}: it computes in half precision; try more"
        return f"{what}: it turns within the smallest steps, or beside large values; try others, or double precision"

    def notes(self) -> list[Cause]:
        terms = [f"the gradient of {', '.join(names)}, term by term: {text}" for text, names in self.terms.items()]
        halves = "and its gradient is right along all changes that keep it so: which half gets it is a choice"
        return [
            *self.remarks,
            *(Cause("", text) for text in terms),
            *(Cause("", f"{name} is symmetric, {halves}") for name in sorted(self.shared)),
            *(Cause("kink_convention", text) for text in self.kinks()),
        ]

    def kinks(self) -> Iterator[str]:
        """What is chosen at kinks, and where: a sentence for every input, of single numbers if there are such."""
        alone = [each for each in self.conventions if each[1].alone] or self.conventions
        for name in dict.fromkeys(convention.part.name for _, convention in alone):
            own = [each for each in alone if each[1].part.name == name]
            places = [*dict.fromkeys(point.where for point, _ in own)]
            choices = {round(convention.share, 3): chosen(convention) for _, convention in reversed(own)}
            told = " and ".join([*choices.values()][::-1][:KINKS])
            yield f"at a kink of {name} ({'; '.join(places[:KINKS])}{'; …' * (len(places) > KINKS)}), {told}"

    def unseen(self) -> Iterator[str]:
        problem = self.problem
        near = f"is zero, or less than {FAINT:g}, wherever it was tried: any fault times zero is zero"
        yield from (f"the derivative by {name} {near}" for name in self.faint())
        for name in problem.dropped:
            yield f"the gradient of {name} is None, and forward moves with it: if it should have one, say wrt={name!r}"
        if problem.adapted.silent:
            what = f"forward moves with {', '.join(problem.adapted.silent)} of the object"
            steps = "which backward may move by its learning rate: that step is not judged"
            name = problem.adapted.silent[0].rpartition(".")[2]
            how = f"keep it as d{name}, say, or return it behind those of the inputs"
            lacks = f"whose gradient was not found ({how}): it is not judged"
            yield f"{what}, {steps if problem.adapted.still else lacks}"
        if problem.adapted.apart:
            yield problem.adapted.apart
        yield from self.example_alone()
        if self.left:
            away = "the gradient leaves the derivative little by little, as where forward iterates and does not arrive"
            yield f"on the way to {self.left[0]}, {away}: what is there is not judged"
        for part in problem.inputs:
            if len(part.shape) > 1 and part.shape[0] == 1:
                yield f"{part.name} has a batch of one: a mean in the place of a sum would not show"
            if len(part.shape) == 2 and part.shape[0] == part.shape[1] > 1:
                yield f"{part.name} is square: a shape that is transposed by mistake would fit"
        if problem.grain:
            yield f"forward rounds to {problem.grain:.0e}: a part of it is computed in less than double precision"
        if self.hurried:
            yield f"forward is large, or slow: of all inputs that could be tried, {self.tried} were"
        if not self.all_lengths:
            yield "forward is slow: errors that grow with the length of a sum were not looked for in all of them"

    def example_alone(self) -> Iterator[str]:
        """Why nothing else was tried, where that is so and nothing is wrong."""
        alone = self.tried == 1 and not (self.findings or self.straight or self.hurried)
        if self.nan or self.infinite and alone:
            what = f"nan in {self.nan}" if self.nan else f"infinite in {self.infinite}"
            where = f"forward is {what} of {self.problem.sizes[1]} numbers at your example"
            yield f"{where}, so no other inputs were tried: give some for which it is not"
        elif alone and not self.left:
            yield "no other inputs were tried: at those made of your example forward is not finite, or does not run"

    def faint(self) -> list[str]:
        """Inputs by which no derivative was seen."""
        power = self.power if self.problem.mode == "vjp" else {}
        said = {*self.findings, *self.straight}
        return [name for name, size in power.items() if size < FAINT and name not in said]


def chosen(convention: Convention) -> str:
    """Which derivative was chosen."""
    low, high = sorted((convention.left, convention.right))
    return f"{convention.found:.4g} of the derivatives from {low:.4g} to {high:.4g}"
