"""The ways to call a layer: what it has to be given, of that what its names tell, and shapes in turn for the rest."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters.arguments import Value, is_shape, parameters
from pullback.check.adapters.code import body
from pullback.check.files.finding import Exercise
from pullback.check.files.layouts import layouts
from pullback.check.files.numbers import drawn, inside, numeric
from pullback.check.files.recipes import LETTERS, OPTIONS, WEIGHTS, Table, option, size
from pullback.errors import PullbackError

BESIDE_P = re.compile(r"[yYtTnq]|y_?true|targets?|labels?")  # there p is a prediction, a positive: no rate


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

    @property
    def numeric(self) -> "Guess":
        """The same with 0 and 1 for flags."""
        return self._replace(arguments=[numeric(value) for value in self.arguments])


MANY = 150  # arrays that a class is made with, before whole numbers are tried
SIZES = 5, 4, 3, 2  # what a class may be made with whatever it calls that; of several the next ones

Ways = Iterator[tuple[Callable[[], Guess], bool]]


@dataclass(frozen=True)
class Layer:
    """What is called, with the arrays or shapes that are given and other parameters by name."""

    exercise: Exercise
    given: Sequence[Any]
    fixed: dict[str, Any]
    asked: Callable[[], bool] = lambda: False  # did it ask for integers where it was given other numbers?

    @cached_property
    def kind(self) -> type | None:
        forward = self.exercise.forward
        return forward if isinstance(forward, type) and not hasattr(forward, "apply") else None

    @cached_property
    def taken(self) -> dict[str, Any]:
        """The parameters of forward, and their defaults."""
        return wanted(body(self.exercise.forward), self.fixed, skip=self.kind is not None)

    @cached_property
    def made(self) -> dict[str, Any]:
        """Those that a class is made with: arrays, sizes, options."""
        return wanted(self.kind, self.fixed) if self.kind else {}

    @property
    def names(self) -> dict[str, Any]:
        return {**self.taken, **self.made}

    @property
    def needed(self) -> list[str]:
        return [n for n, default in self.names.items() if default is inspect.Parameter.empty and n not in self.fixed]

    @property
    def known(self) -> dict[str, Any]:
        """What is said, what has a default, and what names tell; a tuple among it is no shape."""
        found = {name: size(name) for name in self.made if size(name)} | options(self.names, self.exercise.forward)
        found |= {name: value for name, value in self.fixed.items() if name in self.names}
        found = {name: Value(value) if isinstance(value, tuple) else value for name, value in found.items()}
        if unknown := [name for name in self.fixed if name not in found]:
            tables = [value for value in found.values() if isinstance(value, Table)]
            if not tables:
                raise GuessError(f"it has no parameter {' or '.join(unknown)}")
            for name in unknown:
                if name not in OPTIONS and name not in source_of(self.exercise.forward, name):
                    close = get_close_matches(name, OPTIONS)
                    advice = f" (did you mean {' or '.join(close)}?)" if close else ""
                    raise GuessError(f"it has no parameter {name}, and nothing in its file is called so{advice}")
            tables[0].update({name: self.fixed[name] for name in unknown})
        if len(self.given) == len(self.needed):  # then all of them are arrays
            return {name: value for name, value in found.items() if name not in self.needed}
        return found

    def ways(self) -> Ways:
        """To call it, the likeliest first, and whether such a layer takes that."""
        known = self.known
        first, arrays = self.assembled(known), list(self.numbers_as_arrays(known))
        if arrays:
            for each in (first, *arrays):
                yield from islice(each, MANY)
        if sizes := [name for name in self.made if name not in known]:
            yield from islice(first, MANY)
            for k in range(len(SIZES)):
                yield from self.assembled(known | {name: SIZES[(k + i) % len(SIZES)] for i, name in enumerate(sizes)})
        for each in (first, *arrays):
            yield from each
        if letters := {name for name in known if name in LETTERS and name not in self.fixed}:
            yield from self.assembled({name: value for name, value in known.items() if name not in letters})

    def numbers_as_arrays(self, known: dict[str, Any]) -> Iterator[Ways]:
        """What we take for a number may be an array, without axes or with some; and so may what is called params."""
        numbers = {name: np.asarray(known[name]) for name in self.needed if type(known.get(name)) is float}
        tables = {name for name in self.needed if isinstance(known.get(name), Table)}
        if numbers:
            yield self.assembled(known | numbers)
        for some in (numbers, tables):
            if some:
                yield self.assembled({name: value for name, value in known.items() if name not in some})

    def assembled(self, known: dict[str, Any]) -> Ways:
        """With values for what is known, and shapes in turn for the arrays."""
        free = [name for name in self.names if name not in known]
        given, exercise = self.given, self.exercise
        if given and len(given) != len(free):
            shapes = f"{len(given)} shape{'s' * (len(given) != 1)}"
            raise GuessError(f"it takes {len(free)} arrays ({', '.join(free)}), got {shapes}")
        names = ",".join(free)
        called = f"{exercise.name} {getattr(exercise.forward, '__name__', '')} ({names})".lower()
        code = [exercise.forward, exercise.backward]
        several = [(given, True)] if given or not free else layouts(called, free, code, self.asked)
        for layout, fitting in several:
            values = {name: drawn(name, value) for name, value in zip(free, layout)} | known

            def make(values: dict[str, Any] = values) -> Guess:
                made = {name: example(values[name]) for name in self.made}
                forward = constructed(self.kind, made) if self.kind else exercise.forward
                return Guess(forward, exercise.backward, [values[name] for name in self.taken])

            yield make, fitting


def example(value: Any) -> Any:
    return np.random.default_rng(0).normal(size=value) if is_shape(value) else value


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


def source_of(function: Any, otherwise: str) -> str:
    """The text of its file, if it is at hand."""
    try:
        return inspect.getsource(sys.modules[body(function).__module__])
    except (AttributeError, KeyError, OSError, TypeError):
        return otherwise


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
