"""Does the error grow with the length of a sum? One number added to another in turn loses digits in proportion to N.

Each size of the example in turn is made longer and longer. Numbers are all positive there, so that errors of one sign
add up. Only a backward that is not even linear to the last digits at the longest length is looked at more closely.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dense
from pullback.check.points import anything
from pullback.check.probes.values import tolerance
from pullback.check.problem import Part, Problem
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.resizing import resized, runs
from pullback.check.shaken import digits, sensitivity
from pullback.check.truth import Truth

Array = NDArray[Any]

STEP = 2  # from one length to the next
SHORT, MOST = 64, 2**16  # the first length that counts, and how many numbers there may be at the last
PATIENCE = 0.1  # seconds of work for a length, before it is the last: what needs N² of something stays short
SLOW = 4.0  # seconds of work for all, after which code that is slow in itself gets no more
ENDLESS = 5.0  # seconds that the next length would take, if time grew as before, and by as much again
LEAST = 1e-5  # seconds that a run takes
SMALLER = 2e-4, 2e-6  # steps of the differences
EARLY = 100  # times the tolerance: what is as wrong as that at the first length is so for another reason
SUMS, VAGUE = 4, 0.1  # behind one another; and an error that no precision excuses
ABOVE, TRIFLE = 0.1, 0.1  # from above, everywhere; and a part of what cancels that is none of it
SEVERAL = 4  # times the first: the last of errors that grow
BY_CHANCE, MANY = 30, 500  # roundings: what may be chance, and what is worth a note
HINT = "sum pairwise (np.sum along the last axis), or in a wider type"


class Growth(NamedTuple):
    """The relative errors of one gradient at some lengths."""

    part: Part
    lengths: list[int]
    errors: list[float]
    noise: float  # of the truth, at the last
    found: float
    wanted: float
    forward: float = 0.0  # the error of forward itself there

    @property
    def power(self) -> float:
        """p where errors go with Nᵖ: 0 for pairwise sums, 1/2 for roundings at random, 1 for those of one sign."""
        return float(
            np.polyfit(np.log(self.lengths), np.log(np.maximum(self.errors, np.finfo(self.part.dtype).eps)), 1)[0]
        )

    @property
    def shows(self) -> bool:
        """Is the last more than rounding, and more than the truth's own?"""
        return bool(self.errors[-1] > max(MANY * np.finfo(self.part.dtype).eps, 3 * self.noise))

    @property
    def grows(self) -> bool:
        return bool(self.shows and self.errors[-1] > SEVERAL * self.errors[0] and self.power > 0.3)

    @property
    def says(self) -> str:
        ends = (f"{self.errors[k]:.1e} at {self.lengths[k]}" for k in (0, -1))
        return f"the relative error grows with the length of a sum: {', '.join(ends)}, as N^{self.power:.2f}"


def lengths(problem: Problem) -> tuple[list[Finding], list[Cause], bool]:
    """What is wrong at lengths that the example does not have, and what is only less exact there than it could be;
    and whether there was time for all of them."""
    findings: list[Finding] = []
    notes: list[Cause] = []
    for growth in grown(problem):
        if growth is None:
            return findings, notes, False
        cause = Cause("low_precision_accumulation", growth.says, HINT)
        if growth.errors[-1] > max(tolerance(problem), by_turns(problem, growth.lengths[-1]), growth.forward):
            error = abs(growth.found - growth.wanted)
            where = f"a length of {growth.lengths[-1]}"
            values = growth.found, growth.wanted
            findings.append(Finding(growth.part.name, WRONG, error, 0.0, (), *values, where, (cause,)))
        else:
            notes.append(Cause(cause.name, f"{growth.part.name}: {growth.says}", HINT))
    return findings, notes, True


def by_turns(problem: Problem, n: int) -> float:
    """What a rounding of the numbers' own precision for each of n terms leaves, in a sum or two behind one another."""
    return min(SUMS * n * digits(problem), VAGUE)


def grown(problem: Problem) -> Iterator[Growth | None]:
    """What grows; None where time ends before all is looked at."""
    if problem.mode == "jvp" or not problem.takes_double:
        return
    begun = time.process_time()
    for n in sorted({n for part in problem.inputs for n in part.shape if n > 1}):
        ladder = longer(problem, n)
        ladder = ladder[::-2][::-1]
        for k in uneven(ladder[-1][1]) if len(ladder) > 2 else ():
            if time.process_time() - begun > SLOW:
                yield None
                return
            growth = along(ladder, k)
            if growth and growth.grows and of_precision(ladder[-1][1], k, growth):
                yield growth._replace(forward=of_forward(ladder[-1][1]))


def along(ladder: list[tuple[int, Problem]], k: int) -> Growth | None:
    """The errors of the k-th gradient; None if its last, or that and the first, tell that they do not grow."""
    (shortest, *between), (length, longest) = ladder[:-1], ladder[-1]
    part = longest.inputs[k]
    last, *at_last = error(longest, part)
    if not Growth(part, [length], [last], *at_last).shows:
        return None
    first = error(shortest[1], shortest[1].inputs[k])[0]
    if first > EARLY * tolerance(longest) or last <= SEVERAL * first:
        return None
    errors = [first, *(error(each, each.inputs[k])[0] for _, each in between), last]
    return Growth(part, [each for each, _ in ladder], errors, *at_last)


def of_forward(problem: Problem) -> float:
    """What it loses in its own precision, of its largest value: nobody gives back what it has not kept."""
    exact = problem.f(problem.example)
    return float(np.max(abs(problem.rounded(problem.example) - exact)) / (np.max(abs(exact)) + 1e-300))


def of_precision(problem: Problem, k: int, growth: Growth) -> bool:
    """Do smaller steps of the differences find it as well? One step may cross kinks between many numbers."""
    again = (error(problem, problem.inputs[k], h) for h in SMALLER)
    return all(off + noise > growth.errors[-1] / 2 for off, noise, *_ in again)


def longer(problem: Problem, n: int) -> list[tuple[int, Problem]]:
    """The layer at greater and greater lengths, as long as it runs and takes no time."""
    start = time.process_time()
    runs(problem)
    found, length, before = [], n, time.process_time() - start
    while length < MOST:
        length *= STEP
        start = time.process_time()
        each = resized(problem, {n: length})
        if each is None or max(each.sizes) > MOST:
            break
        positive(each)
        if not runs(each):
            break
        if length >= SHORT:
            found.append((length, each))
        took = time.process_time() - start
        ahead = took * (took / max(before, LEAST)) ** 2  # what tries all orders would never come back
        if took > PATIENCE or ahead > ENDLESS:
            break
        before = took
    return found


def positive(problem: Problem) -> None:
    for part in problem.inputs:
        own = problem.example[part.begin : part.end]
        if anything(own):
            own[...] = abs(own)


def doubtful(problem: Problem) -> float:
    """Less than this is rounding of the numbers' own precision, or nothing that differences could see."""
    return max(BY_CHANCE * digits(problem), 1e-10)


def uneven(problem: Problem) -> Iterator[int]:
    """The gradients that are not linear to the last digits, by their places: terms that cancel leave nothing else."""
    b = lambda g: problem.b(problem.example, np.full(problem.given_size, g))
    with np.errstate(all="ignore"):
        together = b(0.3)
        gap = np.nan_to_num(abs(b(0.1) + b(0.2) - together))
    for k, part in enumerate(problem.inputs):
        own = slice(part.begin, part.end)
        largest = float(np.max(abs(np.nan_to_num(together[own])), initial=0))
        more = np.sum(gap[own]) > TRIFLE * cancelling(problem, part)
        if more and np.max(gap[own], initial=0) > doubtful(problem) * largest:
            yield k


def cancelling(problem: Problem, part: Part) -> float:
    """What terms that cancel leave in a sum over a gradient."""
    return problem.rounding(np.array([ABOVE])) * max(part.end - part.begin, problem.given_size)


def error(problem: Problem, part: Part, h: float = 0.02) -> tuple[float, float, float, float]:
    """(relative error, that of the truth, found, wanted) of a gradient, for one number from above everywhere."""
    v = problem.example
    along = dense(np.random.default_rng(5).uniform(0.5, 1.5, part.end - part.begin), part.begin)
    truth = Truth(problem, v, [along], h)
    g = np.where(truth.smooth_rows, ABOVE, 0)
    b = problem.b(v, g)
    size = float(np.sum(abs(b[part.begin : part.end]))) + 1e-300
    wanted, doubt = (float(each[0]) for each in truth.pulled(g))
    found = float(truth.measured(b)[0])
    if truth.smooth_rows.mean() < 0.5:  # a function that turns within a step: what seems known is chance
        doubt = np.inf
    off = max(abs(found - wanted) - cancelling(problem, part), 0.0)
    if off > digits(problem) * size:  # for one number everywhere, terms may cancel: what they are made of counts
        size = max(size, float(abs(g) @ sensitivity(problem, v, along, digits(problem))))
    return off / size, doubt / size, found, wanted
