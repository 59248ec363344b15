"""What a layer can be called with: guessed from its name and the names of its parameters, and tried."""

import inspect
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters import Adapted, UnknownStyleError, adapt
from pullback.check.adapters.arguments import Arguments, Value, is_shape, parameters
from pullback.check.adapters.code import body
from pullback.check.adapters.frameworks import framework_of
from pullback.check.files.finding import Exercise
from pullback.check.files.layouts import layouts
from pullback.check.files.numbers import drawn, inside
from pullback.check.files.recipes import LETTERS, WEIGHTS, Table, option, size
from pullback.errors import PullbackError

MOST, COMPILED = 600, 60  # guesses to try, and fewer where each is compiled
BESIDE_P = re.compile(r"[yYtTnq]|y_?true|targets?|labels?")  # there it is a prediction, a positive: no rate
STRANGE = 30  # so often something that is no layer may run


class GuessError(PullbackError):
    """No arguments were found with which a layer runs."""


class Guess(NamedTuple):
    """What to check, a class having become an object, and arguments with which it runs."""

    forward: Any
    backward: Any
    arguments: list[Any]

    @property
    def inside(self) -> "Guess":
        """The same with numbers between 0 and 1."""
        return self._replace(arguments=[inside(value) for value in self.arguments])


class Trial(NamedTuple):
    """A guess with which forward and backward ran."""

    guess: Guess
    shapes: dict[str, tuple[int, ...]]
    fits: float  # the share of the gradients that have the shapes of their inputs
    finite: bool
    known: bool  # the user said it, or it is what such a layer takes
    runs: float = 1.0  # with what share of all guesses forward runs


def guess(exercise: Exercise, given: Sequence[Any] = (), **fixed: Any) -> Guess:
    """Arguments with which forward and backward run and all gradients have their shapes, or as many as possible.

    `given` are the arrays or shapes, where they are known, and `fixed` other parameters by name. Raises GuessError.
    """
    return next(trials(exercise, given, fixed)).guess


def trials(exercise: Exercise, given: Sequence[Any], fixed: dict[str, Any]) -> Iterator[Trial]:
    """What it runs with: what fits, the likeliest first; then the rest, the best first. Raises GuessError."""
    poor, problems, strange, count = [], [], 0, 0
    most = COMPILED if framework_of(exercise.forward).name == "jax" else MOST
    for make, known in islice(guesses(exercise, given, fixed), most):
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
            yield trial
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
    """Run it; where forward is not finite at any numbers, at numbers between 0 and 1."""
    with quiet():
        adapted = adapt(*guess)
        shapes = {leaf.name: np.shape(example(leaf.value)) for leaf in adapted.leaves}
        own = len(Arguments(guess.arguments).leaves)
        fits, finite = gradients_that_fit(adapted, own), is_finite(adapted)
        if not finite and is_finite(within := adapt(*guess.inside)):
            return Trial(guess.inside, shapes, gradients_that_fit(within, own), True, known)
    return Trial(guess, shapes, fits, finite, known)


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


def example(value: Any) -> Any:
    return np.random.default_rng(0).normal(size=value) if is_shape(value) else value


def guesses(
    exercise: Exercise, given: Sequence[Any], fixed: dict[str, Any]
) -> Iterator[tuple[Callable[[], Guess], bool]]:
    """Ways to call it, the likeliest first, and whether such a layer takes that. A class is made with arrays, sizes
    and options as well."""
    kind = exercise.forward if isinstance(exercise.forward, type) and not hasattr(exercise.forward, "apply") else None
    taken = wanted(body(exercise.forward), fixed, skip=kind is not None)
    made = wanted(kind, fixed) if kind else {}
    known = {name: size(name) for name in made if size(name)} | options({**taken, **made}, exercise.forward)
    known |= {name: value for name, value in fixed.items() if name in {**taken, **made}}
    known = {name: Value(value) if isinstance(value, tuple) else value for name, value in known.items()}
    if unknown := [name for name in fixed if name not in known]:
        tables = [value for value in known.values() if isinstance(value, Table)]
        if not tables:
            raise GuessError(f"it has no parameter {' or '.join(unknown)}")
        tables[0].update({name: fixed[name] for name in unknown})
    needed = [n for n, default in {**taken, **made}.items() if default is inspect.Parameter.empty and n not in fixed]
    if len(given) == len(needed):  # then all of them are arrays
        known = {name: value for name, value in known.items() if name not in needed}
    yield from assembled(exercise, kind, taken, made, known, given)
    if letters := {name for name in known if name in LETTERS and name not in fixed}:
        others = {name: value for name, value in known.items() if name not in letters}
        yield from assembled(exercise, kind, taken, made, others, given)
    numbers = {name: np.asarray(known[name]) for name in needed if type(known.get(name)) is float}
    if numbers:  # a number may be an array without axes
        yield from assembled(exercise, kind, taken, made, known | numbers, given)


def assembled(
    exercise: Exercise,
    kind: type | None,
    taken: dict[str, Any],
    made: dict[str, Any],
    known: dict[str, Any],
    given: Sequence[Any],
) -> Iterator[tuple[Callable[[], Guess], bool]]:
    """The same with values for what is known, and shapes in turn for the arrays."""
    free = [name for name in {**taken, **made} if name not in known]
    if given and len(given) != len(free):
        shapes = f"{len(given)} shape{'s' * (len(given) != 1)}"
        raise GuessError(f"it takes {len(free)} arrays ({', '.join(free)}), got {shapes}")
    names = ",".join(free)
    called = f"{exercise.name} {getattr(exercise.forward, '__name__', '')} ({names})".lower()
    code = [exercise.forward, exercise.backward]
    for layout, fitting in [(given, True)] if given or not free else layouts(called, free, code):
        values = {name: drawn(name, value) for name, value in zip(free, layout)} | known

        def make(values: dict[str, Any] = values) -> Guess:
            forward = constructed(kind, {n: example(values[n]) for n in made}) if kind else exercise.forward
            return Guess(forward, exercise.backward, [values[n] for n in taken])

        yield make, fitting


def constructed(kind: type, given: dict[str, Any]) -> Any:
    try:
        return kind(*given.values())
    except (Exception, SystemExit) as error:
        name, arrays = kind.__name__, [n for n, a in given.items() if np.ndim(a)]
        shown = ", ".join(f"{n} {np.shape(a)}" if np.ndim(a) else f"{n}={a!r}" for n, a in given.items())
        said = " ".join(f"--set {n}=..." for n in arrays or given)
        raise GuessError(
            f"{name}({shown}) raises {type(error).__name__}: {error}; say what {name} is made with, {said}, or make an "
            f"object in the file, layer = {name}(...), and name that, FILE.py:layer"
        ) from error


def wanted(function: Any, fixed: dict[str, Any], skip: bool = False) -> dict[str, Any]:
    """Parameters that have to be given, and their defaults: those without one, and what is before a fixed one.

    `skip` the first: the object itself.
    """
    found = parameters(function)[skip:]
    last = max((k for k, p in enumerate(found) if p.default is p.empty or p.name in fixed), default=-1)
    return {p.name: p.default for p in found[: last + 1]}


def options(names: dict[str, Any], function: Any) -> dict[str, Any]:
    """Hyperparameters among the parameters, by name: their defaults, or what we know of such names."""
    found = {}
    for name, default in names.items():
        if default is not inspect.Parameter.empty:
            found[name] = default
        elif name == "p" and any(BESIDE_P.fullmatch(other) for other in names):
            continue
        elif name in ("parameters", "params") and (weights := weights_of(function)):
            found[name] = weights
        elif option(name) is not None:
            found[name] = option(name)
    return found


def weights_of(function: Any) -> dict[str, tuple[int, ...]]:
    """The weights that a cell takes out of its dict, and that we know."""
    return {name: WEIGHTS[name] for name in texts(getattr(function, "__code__", None)) if name in WEIGHTS}


def texts(constant: Any) -> Iterator[str]:
    """In a code, and in the tuples and the functions inside of it."""
    if isinstance(constant, str):
        yield constant
    elif isinstance(constant, (CodeType, tuple)):
        for each in constant.co_consts if isinstance(constant, CodeType) else constant:
            yield from texts(each)
