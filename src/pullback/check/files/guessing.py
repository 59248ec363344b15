"""What a layer can be called with: guessed from its name and the names of its parameters, and tried."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters import Adapted, UnknownStyleError, adapt
from pullback.check.adapters.arguments import Arguments
from pullback.check.adapters.frameworks import framework_of
from pullback.check.files.calling import Guess, GuessError, Layer, example
from pullback.check.files.finding import Exercise

MOST, COMPILED = 600, 60  # guesses to try, and fewer where each is compiled
FLAGS = re.compile(r"boolean|bool tensor")  # and so where they take no flags, but 0 and 1
INTEGERS = re.compile(r"used as indices|only integer|as an integer|to dtype\('int")  # so errors ask for them
STRANGE = 30  # so often something that is no layer may run


class Trial(NamedTuple):
    """A guess with which forward and backward ran."""

    guess: Guess
    shapes: dict[str, tuple[int, ...]]
    fits: float  # the share of the gradients that have the shapes of their inputs
    finite: bool
    known: bool  # the user said it, or it is what such a layer takes
    runs: float = 1.0  # with what share of all guesses forward runs
    larger: "Trial | None" = None  # one with axes where this has a number alone; it runs, and a gradient does not fit


def guess(exercise: Exercise, given: Sequence[Any] = (), **fixed: Any) -> Guess:
    """Arguments with which forward and backward run and all gradients have their shapes, or as many as possible.

    `given` are the arrays or shapes, where they are known, and `fixed` other parameters by name. Raises GuessError.
    """
    return next(trials(exercise, given, fixed)).guess


def trials(exercise: Exercise, given: Sequence[Any], fixed: dict[str, Any]) -> Iterator[Trial]:
    """What it runs with: what fits, the likeliest first; then the rest, the best first. Raises GuessError."""
    poor: list[Trial] = []
    problems: list[str] = []
    strange, count = 0, 0
    layer = Layer(exercise, given, fixed, lambda: any(map(INTEGERS.search, problems)))
    most = COMPILED if framework_of(exercise.forward).name == "jax" else MOST
    for make, known in islice(layer.ways(), most):
        count += 1
        try:
            trial = tried(make(), known)
        except (Exception, SystemExit) as error:  # whatever their code may raise
            problems.append(str(error).partition("\n")[0].removesuffix("; these are:"))
            strange += isinstance(error, UnknownStyleError)
            if strange == STRANGE:
                break
            continue
        if trial.fits == 1 and trial.finite:
            yield trial._replace(larger=next((each for each in poor if has_more_axes(each, trial)), None))
        else:
            poor.append(trial)
    if len(problems) == count:
        with_ = "what was given" if given else "any inputs that we tried; the first try"
        first = next(iter(problems), "it takes nothing")
        ask = "" if given or "; say " in first else '; say what it takes: --shape 4,5, or "4<5" for labels'
        raise GuessError(f"it did not run with {with_}: {first}{ask}")
    best = sorted(poor, key=lambda trial: (-trial.fits, not trial.finite))
    yield from (trial._replace(runs=1 - len(problems) / count) for trial in best)


def tried(guess: Guess, known: bool) -> Trial:
    """Run it; where flags are calculated with, with numbers in their place."""
    try:
        return ran(guess, known)
    except Exception as error:  # whatever their code may raise
        if not FLAGS.search(str(error)):
            raise
        return ran(guess.numeric, known)


def ran(guess: Guess, known: bool) -> Trial:
    """Where forward is not finite at any numbers, at numbers between 0 and 1."""
    with quiet():
        adapted = adapt(*guess)
        shapes = {leaf.name: np.shape(example(leaf.value)) for leaf in adapted.leaves}
        own = len(Arguments(guess.arguments).leaves)
        fits, finite = gradients_that_fit(adapted, own), is_finite(adapted)
        if not finite and is_finite(within := adapt(*guess.inside)):
            return Trial(guess.inside, shapes, gradients_that_fit(within, own), True, known)
    return Trial(guess, shapes, fits, finite, known)


def has_more_axes(one: Trial, other: Trial) -> bool:
    """Is it the same, but for axes where the other has numbers alone? Both run forward and backward."""
    pairs = [(one.shapes.get(name), shape) for name, shape in other.shapes.items()]
    changed = [(mine, shape) for mine, shape in pairs if mine != shape]
    return one.fits > 0 and one.finite and bool(changed) and all(mine and shape == () for mine, shape in changed)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what is printed and warned of while we try is shown."""
    with redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def gradients_that_fit(adapted: Adapted, own: int | None = None) -> float:
    """The share of the gradients that have the shapes of their inputs; none if backward does not run. The shapes of a
    layer's parameters are not of our guessing: where one of the `own` inputs has a gradient, those of them count."""
    inputs = [example(leaf.value) for leaf in adapted.leaves]
    try:
        found = adapted.backward([np.ones_like(y) for y in adapted.forward(*inputs)], inputs)
    except Exception:
        return 0
    fit = lambda some: [np.shape(g) == np.shape(x) for g, x in some if g is not None]
    pairs = list(zip(found, inputs))
    fits = fit(pairs[:own]) or fit(pairs)
    return sum(fits) / len(fits) if fits and len(found) == len(inputs) else 0


def is_finite(adapted: Adapted) -> bool:
    return all(np.isfinite(y).all() for y in adapted.forward(*[example(leaf.value) for leaf in adapted.leaves]))
