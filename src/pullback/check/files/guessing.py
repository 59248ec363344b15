"""What a layer can be called with: guessed from its name and the names of its parameters, and tried."""

import inspect
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters import Adapted, adapt
from pullback.check.adapters.arguments import parameters
from pullback.check.adapters.code import body
from pullback.check.files.finding import Exercise
from pullback.check.files.recipes import WEIGHTS, Table, arrays, option, size
from pullback.errors import PullbackError

MOST = 400  # guesses to try


class GuessError(PullbackError):
    """No arguments were found with which a layer runs."""


class Guess(NamedTuple):
    """What to check, a class having become an object, and arguments with which it runs."""

    forward: Any
    backward: Any
    arguments: list[Any]


def guess(exercise: Exercise, given: Sequence[Any] = (), **fixed: Any) -> Guess:
    """Arguments with which forward and backward run and all gradients have their shapes, or as many as possible.

    `given` are the arrays or shapes, where they are known, and `fixed` other parameters by name. Raises GuessError.
    """
    best, reached, problem = None, -1.0, "it takes nothing"
    with quiet():
        for make in islice(guesses(exercise, given, fixed), MOST):
            try:
                each = make()
                adapted = adapt(*each)
            except Exception as error:  # whatever their code may raise
                problem = str(error).partition("\n")[0]
                continue
            fits = gradients_that_fit(adapted)
            if fits == 1:
                return each
            if fits > reached:
                best, reached = each, fits
    if best is None:
        raise GuessError(f"it did not run with any inputs that we tried; the last try: {problem}")
    return best


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what is printed and warned of while we try is shown."""
    with redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def gradients_that_fit(adapted: Adapted) -> float:
    """The share of the gradients that have the shapes of their inputs; none if backward does not run."""
    inputs = [np.ones(leaf.value) if isinstance(leaf.value, tuple) else leaf.value for leaf in adapted.leaves]
    try:
        found = adapted.backward([np.ones_like(y) for y in adapted.forward(*inputs)], inputs)
    except Exception:
        return 0
    fits = [np.shape(g) == np.shape(x) for g, x in zip(found, inputs) if g is not None]
    return sum(fits) / len(fits) if fits and len(found) == len(inputs) else 0


def guesses(exercise: Exercise, given: Sequence[Any], fixed: dict[str, Any]) -> Iterator[Callable[[], Guess]]:
    """Ways to call it, the likeliest first. A class is made with arrays, sizes and options as well."""
    kind = exercise.forward if isinstance(exercise.forward, type) and not hasattr(exercise.forward, "apply") else None
    taken = wanted(body(exercise.forward), fixed, skip=kind is not None)
    made = wanted(kind, fixed) if kind else {}
    known = {name: size(name) for name in made if size(name)} | options({**taken, **made}, exercise.forward)
    known |= {name: value for name, value in fixed.items() if name in {**taken, **made}}
    if unknown := [name for name in fixed if name not in known]:
        tables = [value for value in known.values() if isinstance(value, Table)]
        if not tables:
            raise GuessError(f"it has no parameter {' or '.join(unknown)}")
        tables[0].update({name: fixed[name] for name in unknown})
    free = [name for name in {**taken, **made} if name not in known]
    if given and len(given) != len(free):
        raise GuessError(f"it takes {len(free)} arrays ({', '.join(free)}), got {len(given)} shapes")
    called = f"{exercise.name} {getattr(exercise.forward, '__name__', '')}".lower()
    for layout in [given] if given else arrays(called, len(free)):
        values = dict(zip(free, layout)) | known
        yield partial(assembled, exercise, kind, [values[n] for n in taken], [drawn(values[n]) for n in made])


def assembled(exercise: Exercise, kind: type | None, taken: list[Any], made: list[Any]) -> Guess:
    return Guess(kind(*made) if kind else exercise.forward, exercise.backward, taken)


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
        elif name in ("parameters", "params") and (weights := weights_of(function)):
            found[name] = weights
        elif option(name) is not None:
            found[name] = option(name)
    return found


def weights_of(function: Any) -> dict[str, tuple[int, ...]]:
    """The weights that a cell takes out of its dict, and that we know."""
    code = getattr(function, "__code__", None)
    asked = code.co_consts if isinstance(code, CodeType) else ()
    return {name: WEIGHTS[name] for name in asked if isinstance(name, str) and name in WEIGHTS}


def drawn(value: Any) -> Any:
    """A constructor wants arrays, not shapes."""
    return np.random.default_rng(0).normal(size=value) if isinstance(value, tuple) else value
