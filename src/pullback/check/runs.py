"""One call of check: which orders, modes, conventions and shapes are judged, and what they say together."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters import adapt
from pullback.check.differences import COARSE
from pullback.check.judge import NUMBERS, SLOW, Judge
from pullback.check.moves import COORDINATES
from pullback.check.points import anything, whole
from pullback.check.probes.contract import contract
from pullback.check.problem import Problem, forward_derivative
from pullback.check.progress import Bar
from pullback.check.reference import named as named_rule
from pullback.check.report import CANNOT, RIGHT, WRONG, Cause, Report
from pullback.check.second import NoSecondError, named, second
from pullback.check.truth import fits
from pullback.errors import OptionError

PROBES = 60  # runs before values are compared, about
POINTS = 33, 14, 3  # further inputs made of one that may be any numbers, of positive ones, of whole ones
FOR_EACH = 7  # runs for each of these
LATER = 150  # and behind them
NEARLY = 0.9  # of what is expected: what comes then may be anything
SHAPES = 3  # how often other shapes are asked for


def judge(
    forward: Any,
    backward: Any,
    inputs: Sequence[Any],
    like: Any,
    wrt: Any,
    seed: int,
    mode: str,
    convention: str | None,
    shapes: Any,
    order: int = 1,
) -> Report:
    if order not in (1, 2) or order == 2 and mode == "jvp":
        raise OptionError(f"order is {order!r} with mode={mode!r}; it is 1, or 2 for the derivative of a vjp as well")
    if mode not in ("vjp", "jvp"):
        raise OptionError(f"mode is {mode!r}; it is 'vjp' or 'jvp'")
    if convention not in (None, "conjugate", "transpose"):
        raise OptionError(f"convention is {convention!r}; it is 'conjugate' (torch), 'transpose' (JAX) or None")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise OptionError(f"seed is {seed!r}; it is a whole number, 0 or more")
    if shapes is not None and not callable(shapes):
        raise OptionError(f"shapes is {shapes!r}; it is a function of a random generator that gives example inputs")
    if like is not None:
        named_rule(like)  # a name that is none is said before anything else
    rng = np.random.default_rng(seed + 2)
    run = lambda given, as_: judged(forward, backward, given, like, wrt, seed, mode, as_, shapes)
    report = run(inputs, convention)
    for _ in range(SHAPES if shapes else 0):
        if report.verdict == RIGHT:
            other = run(shapes(rng), convention)
            report = replace(report, tried=report.tried + other.tried) if other.verdict == RIGHT else other
    if report.verdict == WRONG and report.complex:
        other = run(inputs, "transpose")
        if other.verdict == RIGHT:
            text = "gradients are those of the plain transpose, as in JAX; torch's are their conjugates"
            report = replace(other, notes=(*other.notes, Cause("complex_conjugate", text)))
    if report.verdict == RIGHT and order == 2:
        return and_second(report, Problem(adapt(forward, backward, inputs), wrt, seed, mode, convention), seed)
    return report


def and_second(report: Report, problem: Problem, seed: int) -> Report:
    """The same report, with the verdict on the second derivative."""
    contract(problem, np.zeros(problem.given_size))  # what has no gradient is left out
    try:
        other = Judge(second(problem, seed), None, seed).report()
    except NoSecondError as error:
        return replace(report, verdict=CANNOT, reason=str(error))
    findings = (*report.findings, *map(named, other.findings))
    return replace(
        report, verdict=other.verdict, findings=findings, reason=other.reason, tried=report.tried + other.tried
    )


def judged(
    forward: Any,
    backward: Any,
    inputs: Sequence[Any],
    like: Any,
    wrt: Any,
    seed: int,
    mode: str,
    convention: str | None,
    shapes: Any,
) -> Report:
    def problem_at(inputs: Sequence[Any]) -> Problem:
        if mode == "jvp":
            adapted = forward_derivative(adapt(forward, lambda *_: None, inputs), backward)
        else:
            adapted = adapt(forward, backward, inputs)
        problem = Problem(adapted, wrt, seed, mode, convention)
        problem.wanted |= set() if wrt is None else {part.name for part in problem.inputs}
        return problem

    problem, rng = problem_at(inputs), np.random.default_rng(seed + 3)
    begun = time.process_time()
    with Bar(problem.name, lambda: ahead(expected(problem, bar.done, begun), bar.done)) as bar:
        problem.called = bar.step
        return Judge(problem, like, seed, shapes and (lambda: problem_at(shapes(rng)))).report()


def expected(problem: Problem, done: int, begun: float) -> float:
    """How often forward and backward will run, about, where nothing is wrong: as so many have since it began."""
    moves = problem.sizes[0] if fits(problem) else (1 + COORDINATES) * len(problem.inputs)
    points = sum(likely(problem.example[part.begin : part.end]) for part in problem.inputs)
    slowly = SLOW * done / max(time.process_time() - begun, 1e-9)
    further = min(points * FOR_EACH, NUMBERS / sum(problem.sizes), slowly)
    return PROBES + moves * 2 * COARSE + further + LATER


def likely(values: NDArray[Any]) -> int:
    """So many further inputs are made of these."""
    return POINTS[0] if anything(values) else POINTS[1] if not whole(values) else POINTS[2]


def ahead(expected: float, done: int) -> float:
    """The same, unless more have run than nearly all of them: of the rest that nobody knows some is always left."""
    most = NEARLY * expected
    return expected if done <= most else done / (1 - (1 - NEARLY) * most / done)
