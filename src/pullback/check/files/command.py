"""What `pullback check` does: everything in a file, or one thing in it, is called with what it needs, and judged."""

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pullback.check import check
from pullback.check.adapters.arguments import is_shape
from pullback.check.files.accusing import said, settings_of, settled
from pullback.check.files.calling import Guess, GuessError
from pullback.check.files.finding import Exercise, wanted
from pullback.check.files.guessing import quiet, trials
from pullback.check.files.likeness import likeness
from pullback.check.files.targets import TextError, options, shape, targets
from pullback.check.progress import Bar
from pullback.check.report import Cause, Report
from pullback.errors import OptionError

COLUMNS = 80
CODES = {"right": 0, "wrong": 1, "cannot judge": 3}


class Outcome(NamedTuple):
    """What came out for one exercise: a report, or the reason why there is none."""

    name: str
    report: Report | None
    problem: str = ""
    guessed: str = ""  # the arrays that it was called with, where nobody said them

    @property
    def verdict(self) -> str:
        return self.report.verdict if self.report is not None else "cannot judge"

    @property
    def line(self) -> str:
        inputs = f"with {self.guessed}" if self.report is not None and self.guessed else ""
        why = f"{self.why} ({inputs})" if self.why and inputs else self.why or inputs
        return f"{self.name:<28} {self.verdict:<13} {why}".rstrip()

    @property
    def why(self) -> str:
        """Of a wrong one: the input and the cause of its first wrong gradient, and what mends it, or shows it. Of a
        right one: what is not judged."""
        if self.report is None:
            return self.problem
        wrong = self.report.leading
        if wrong is None:
            left_out = [text for text in self.report.power if text.endswith("not judged")]
            return self.report.reason or "; ".join(left_out)
        first = wrong.causes[0] if wrong.causes else Cause("", "")
        says = f"right with {wrong.mend}" if first.hint and wrong.mend else first.evidence
        return f"{wrong.name}: {wrong.cause}: {says}"

    @property
    def data(self) -> dict[str, Any]:
        found = json.loads(self.report.to_json()) if self.report is not None else {"problem": self.problem}
        return found | {"name": self.name, "verdict": self.verdict}  # as the line has it


def run(
    target: str,
    shapes: Sequence[str],
    like: str | None,
    settings: Sequence[str],
    dtype: str,
    seed: int,
    order: int,
    as_json: bool,
    say: Callable[[str], None],
) -> int:
    """Say of each layer what came out as soon as it is known. The exit code: 1 if anything is wrong, else 3 if anything
    cannot be judged, else 0."""
    found = targets(target)
    alone = ".py:" in target
    if not alone and (shapes or like):
        raise TextError(f"--shape and --like are for one layer; name it, as in {target}:{found[0].name}")
    given = [shape(text, seed) for text in shapes]
    judge = partial(outcome, shapes=given, like=like, dtype=dtype, seed=seed, order=order, must_run=alone)
    outcomes = []
    for each in in_turn(found, lambda exercise: judge(exercise, fixed=options(settings))):
        outcomes.append(each)
        if not as_json:
            say(told(each, alone))
    if as_json:
        data = [each.data for each in outcomes]
        say(json.dumps(data[0] if alone else data, indent=2))
    return max((CODES[each.verdict] for each in outcomes), key=[0, 3, 1].index)


def told(outcome: Outcome, alone: bool) -> str:
    """A line of a file, and the whole report on one layer."""
    lines = str(outcome.report).split("\n") if alone and outcome.report is not None else [outcome.line]
    return "\n".join(wrapped(line, 12 if alone else 4) for line in lines)


def is_a_base(exercise: Exercise, found: Sequence[Exercise]) -> bool:
    """Is it a class that others here are made of? That it does not run is no fault of it."""
    kind, others = exercise.forward, (each.forward for each in found if each is not exercise)
    return isinstance(kind, type) and any(isinstance(other, type) and issubclass(other, kind) for other in others)


def wrapped(line: str, indent: int) -> str:
    """What is said of a layer, within the columns of a terminal."""
    return textwrap.fill(line, COLUMNS, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def in_turn(found: Sequence[Exercise], judge: Callable[[Exercise], Outcome]) -> Iterator[Outcome]:
    """What came out, with a bar over several layers; a single one has its own."""
    if len(found) == 1:
        yield judge(found[0])
        return
    with Bar(f"{len(found)} layers", lambda: len(found)) as bar:
        for exercise in found:
            each = judge(exercise)
            bar.step(each.name)
            if each.report is not None or not is_a_base(exercise, found):
                with bar.aside():
                    yield each


def outcome(
    exercise: Exercise,
    shapes: Sequence[Any] = (),
    fixed: dict[str, Any] | None = None,
    like: str | None = None,
    dtype: str = "float64",
    seed: int = 0,
    order: int = 1,
    must_run: bool = False,
) -> Outcome:
    """Guess what is not given, and judge. What cannot be called cannot be judged, unless it `must_run`."""
    if exercise.alone:
        return Outcome(exercise.name, None, f"no forward found: {', '.join(wanted(exercise.name))}")
    found: dict[int, str | None] = {}

    def rule(guess: Guess) -> str | None:
        return like or found.setdefault(id(guess), likeness(exercise.name, guess))

    def judge(guess: Guess) -> Report:
        arguments = [single(value, seed) for value in guess.arguments] if dtype == "float32" else guess.arguments
        with quiet():
            return check(*guess[:2], *arguments, like=rule(guess), seed=seed, order=order)

    try:
        several = trials(exercise, shapes, fixed or {})
        first = next(several)
        if first.larger and rule(first.larger.guess) and not rule(first.guess):
            first = first.larger  # such a layer has these axes, and with them a gradient has a wrong shape
        tell = partial(said, fixed=fixed or {})
        guessed = ", ".join(settings_of(first.guess, fixed or {})) if shapes else tell(first)
        report, problem = settled(first, several, judge, lambda guess: rule(guess) is not None, tell)
        if report is not None and guessed:
            report = replace(report, notes=(*report.notes, Cause("", f"the inputs are guessed: {guessed}")))
        if report and first.larger:
            text = f"forward runs with {tell(first.larger)} too, and a gradient does not fit that; say it with --shape"
            report = replace(report, power=(*report.power, text))
        return Outcome(exercise.name, report, problem, guessed)
    except GuessError as error:
        if must_run:
            raise GuessError(f"{exercise.name}: {error}") from error
        return Outcome(exercise.name, None, str(error))
    except OptionError:  # what was said makes no sense, such as a rule that does not exist
        raise
    except Exception as error:  # code of anybody may raise anything, anywhere
        return Outcome(exercise.name, None, f"it raises while it is judged: {type(error).__name__}: {error}")


def single(value: Any, seed: int) -> Any:
    """Shapes and arrays become arrays of single precision, in dicts of weights too."""
    if isinstance(value, dict):
        value.update({name: single(item, seed) for name, item in value.items()})
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype("f4")
    return np.random.default_rng(seed).normal(size=value).astype("f4") if is_shape(value) else value
