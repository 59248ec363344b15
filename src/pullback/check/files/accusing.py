"""When an accusation on guessed inputs is believed.

A layer may be right for what it takes, and wrong, or without meaning, for what we give it: numbers outside of its
domain, sizes that its code does not allow. So "wrong" has to be more than what one guess says. It is believed

- where the user gave the inputs, or a layer of this name takes such ones;
- where forward gives there what the rule of its name gives, which is defined for all of them;
- else, if no product of an input in forward is a single number (a vector may stand where a matrix is meant), and
  nothing that it runs with speaks against it: no other sizes or ranks, no array that the whole batch shares, and, where
  the accusation is that backward moves what forward holds fast (it may be beyond its range), no numbers between 0 and
  1.

Gradients that have the shapes of their inputs for no guess at all accuse a layer only if it takes nearly any input.
Nor is "right" believed of single numbers alone, where arrays go in as well and no gradient fits them.
What is not believed cannot be judged, and the sentence says what was guessed, and how to say it.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from pullback.check.adapters import adapt
from pullback.check.adapters.arguments import PLAIN, is_shape, names_of
from pullback.check.adapters.code import body
from pullback.check.files.calling import Guess, example
from pullback.check.files.guessing import Trial, quiet, tried
from pullback.check.files.recipes import Table
from pullback.check.report import RIGHT, WRONG, Report
from pullback.check.steps.watched import Operation, running, unwatched, watched

Judge = Callable[[Guess], Report]
PRODUCTS = "matmul", "dot", "inner", "vdot"
GIVEN = object()  # marks an input, as it is
OTHERS = 5  # further inputs that are asked
ANY = 0.7  # a layer that runs with this share of our guesses takes nearly any input


def settled(
    first: Trial,
    trials: Iterator[Trial],
    judge: Judge,
    vouched: Callable[[Guess], bool],
    said: Callable[[Trial], str],
) -> tuple[Report | None, str]:
    """The report on the first, or why the others leave none."""
    report = judge(first.guess)
    if report.verdict == RIGHT and not first.known and first.shapes and not any(first.shapes.values()):
        larger = next(trials, None)
        if larger is not None and larger.fits < 1:
            return None, f"right for {said(first)}, and no gradient fits {said(larger)}, both guessed; {HOW}"
    if report.verdict != WRONG or first.known or vouched(first.guess):
        return report, ""
    if first.fits < 1:
        return (report, "") if first.runs > ANY else (None, f"no gradient fits what was guessed: {said(first)}; {HOW}")
    if collapses(first.guess):
        return None, f"a product is a single number for {said(first)}, and wrong ({report.cause}), all guessed; {HOW}"
    for other in islice(alternatives(first, report, trials), OTHERS):
        if speaks_against(judge(other.guess)):
            numbers = " between 0 and 1" if other.shapes == first.shapes else ""
            text = f"right for {said(other)}{numbers}, wrong for {said(first)} ({report.cause}), all guessed; {HOW}"
            return None, text
    return report, ""


HOW = "say it with --shape and --set"


def alternatives(first: Trial, report: Report, trials: Iterator[Trial]) -> Iterator[Trial]:
    """Other numbers, other ranks, and once other sizes."""
    if beyond(report):
        yield first._replace(guess=first.guess.inside)
    if (shared := with_shared(first)) is not None:
        yield shared
    seen = [ranks(first)]
    for trial in trials:
        other = trial.shapes != first.shapes and any(trial.shapes.values())
        if trial.fits == 1 and other and seen.count(ranks(trial)) < 2:
            seen.append(ranks(trial))
            yield trial


def with_shared(first: Trial) -> Trial | None:
    """The same, but what has the shape of the first input is one for the whole batch, as position embeddings are."""
    batch, *others = first.guess.arguments or [None]
    if not is_shape(batch) or len(batch) < 2 or batch not in filter(is_shape, others):
        return None
    shared = [(1, *a[1:]) if is_shape(a) and a == batch else a for a in others]
    with suppress(Exception):  # whatever their code may raise
        trial = tried(first.guess._replace(arguments=[batch, *shared]), False)
        return trial if trial.fits == 1 and trial.finite else None
    return None


def collapses(guess: Guess) -> bool:
    """Does forward multiply an input by something and get a single number?"""
    found = []

    def noted(name: str, call: Operation, operands: Any) -> Any:
        result = call(*map(unwatched, operands))
        whole = any(getattr(each, "made", None) is GIVEN for each in operands)
        found.append(whole and name in PRODUCTS and np.ndim(result) == 0)
        return watched(result)

    running.append(noted)
    try:
        with quiet(), suppress(Exception):  # code that takes no watched arrays is not known to do it
            adapted = adapt(*guess)
            adapted.forward(*[watched(example(leaf.value), GIVEN) for leaf in adapted.leaves])
    finally:
        running.pop()
    return any(found)


def speaks_against(report: Report) -> bool:
    """Right, and not because everything there is zero."""
    return report.verdict == RIGHT and not any(text.startswith("the derivative by") for text in report.power)


def beyond(report: Report) -> bool:
    """Is all that is wrong a number where forward does not move, and not at inputs that are special anyway?"""
    wrong = [finding for finding in report.findings if finding.verdict == WRONG]
    return all(finding.wanted == 0 and finding.where == "your example" for finding in wrong)


def ranks(trial: Trial) -> tuple[int, ...]:
    return tuple(map(len, trial.shapes.values()))


def said(trial: Trial, fixed: dict[str, Any]) -> str:
    """The arrays and the hyperparameters that nobody said, as a command line has them."""
    arrays = [f"{name} {','.join(map(str, shape)) or '()'}" for name, shape in trial.shapes.items()]
    return ", ".join(arrays + settings_of(trial.guess, fixed))


def settings_of(guess: Guess, fixed: dict[str, Any]) -> list[str]:
    """Hyperparameters that nobody said, as `--set` takes them."""
    found: dict[str, Any] = {}
    for name, value in zip(names_of(body(guess.forward)), guess.arguments):
        found |= value.read if isinstance(value, Table) else {name: value} if isinstance(value, PLAIN) else {}
    return [f"{name}={value}" for name, value in found.items() if name not in fixed]
