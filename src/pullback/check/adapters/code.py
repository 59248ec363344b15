"""A user's forward and backward, with example arguments, as the styles look at them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial, wraps
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters.arguments import Arguments, Leaf, is_array, names_of, parameters
from pullback.check.adapters.containers import holds_data, is_written, states
from pullback.check.adapters.dice import Dice
from pullback.check.adapters.frameworks import framework_of, function_of, named, to_numpy
from pullback.check.adapters.gradients import assigned
from pullback.errors import PullbackError


class StyleError(PullbackError, TypeError):
    """The code is in no style that is known, or does not run at all."""


class UnknownStyleError(StyleError):
    """It runs, and is in no style that is known."""


LESS = 0.8  # of a number that an option is by default: a rate stays one

Backward = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
Second = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], tuple[Sequence[Any], Sequence[Any]]]


# What classes call their forward and their backward.
METHODS = (
    ("forward", "backward"), ("forward", "backprop"), ("forward", "backward_pass"), ("forward_pass", "backward_pass"),
    ("forward_prop", "backward_prop"), ("forward_prop", "back_prop"),
    ("forward_propagation", "backward_propagation"), ("forward_propagate", "backward_propagate"),
)  # fmt: skip


class Adapted(NamedTuple):
    """The code with one face: `forward(*arrays) -> outputs`, `backward(cotangents, arrays) -> gradients`, all tuples of
    NumPy's arrays (None for what has no gradient); and those arrays: arguments, then the layer's own parameters.

    `second(cotangents, arrays, tangents)` is the backward of backward, where the code brings one: how
    ⟨tangents, gradients⟩ changes with the cotangents, and with the arrays. `again(cotangents, arrays)` is a backward
    after another one: over what the same forward kept, or of the same object after another forward."""

    name: str
    forward: Callable[..., tuple[Any, ...]]
    backward: Callable[[Sequence[Any], Sequence[Any]], tuple[Any, ...]]
    leaves: list[Leaf]
    second: Second | None = None
    convention: str | None = None  # of complex gradients, where the library has one
    again: Backward | None = None
    anew: bool = False  # does it run forward once more?
    silent: tuple[str, ...] = ()  # what an object holds and forward moves with, and whose gradient nobody finds
    still: Backward | None = None  # backward whose step is 0, if it has one
    module: bool = False  # of PyTorch: with parameters of sizes that do not fit, some read beyond them
    options: dict[str, Any] = {}  # numbers, flags and words that forward has by default, or that the layer holds
    otherwise: Callable[..., tuple[Any, ...]] = lambda options, *arrays: ()  # forward with others of them
    apart: str = ""  # what else has no gradient here, and why that is not judged
    tuned: tuple[Callable[..., Any], ...] = ()  # both, where they have numbers by default in common, with other ones


class Code:
    """What the user handed over. Every style looks at it; the first that knows it makes a subject of it."""

    def __init__(self, forward: Any, backward: Any, values: Sequence[Any]) -> None:
        self.forward = forward = function_of(forward)
        self.backward = backward
        self.framework, self.dice = framework_of(forward, backward, values=values), Dice()
        self.arguments = Arguments(values, names_of(body(forward)))
        self.keeps = False  # does forward write to objects that it is given?
        self.changed: dict[str, Any] = {}  # options that are not as they were, for the time being

    @property
    def name(self) -> str:
        return name_inside(self.forward) or name_of(self.forward)

    @property
    def judged(self) -> str:
        """What is judged: the backward, if it has a name, or what brings it."""
        return own_name(self.backward) or name_inside(self.backward) or self.name

    def lifted(self, arrays: Sequence[Any]) -> list[Any]:
        return [self.framework.lift(array) for array in arrays]

    def filled(self, inputs: Sequence[Any]) -> list[Any]:
        """The user's arguments with these arrays in their places."""
        return self.arguments.filled(self.lifted(inputs))

    def run(self, inputs: Sequence[Any]) -> Any:
        """What forward gives, as it gives it; several things always in a tuple."""
        with self.framework.scope():
            return self.ran(self.filled(inputs))

    def ran(self, given: Sequence[Any]) -> Any:
        with self.framework.scope():
            found = self.forward(*given, **self.changed)
        return tuple(found) if several(found) else found

    @cached_property
    def trial(self) -> Any:
        """What forward gives for the example."""
        with self.framework.scope():
            given = self.filled(self.arguments.example())
        before = states(given)
        found = self.tried(self.name, lambda: self.ran(given))
        self.keeps = any(is_written(each, parts) for each, parts in before)
        if self.keeps:
            self.arguments.leave_records()
            found = self.tried(self.name, lambda: self.run(self.arguments.example()))
        return found

    def tried(self, name: str, call: Callable[[], Any]) -> Any:
        """The result of a first call; where it raises, an error that says with what."""
        try:
            with contained(), self.dice.watched():
                return call()
        except PullbackError:
            raise
        except Exception as error:
            if isinstance(error, NotImplementedError) and not str(error):
                raise StyleError(f"{name} is not written yet: it raises NotImplementedError") from error
            with_ = ", ".join(self.arguments.shown())
            says = f": {error}" if str(error) else ""
            raise StyleError(f"{name} raises {type(error).__name__} with {with_ or 'no arrays'}{says}") from error

    def gradients(self, found: Any) -> tuple[Any, ...]:
        return assigned(found, self.arguments.leaves)

    def adapted(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        *parameters: Leaf,
        second: Second | None = None,
    ) -> Adapted:
        leaves = [*self.arguments.leaves, *parameters]

        def under(function: Callable[..., Any], options: dict[str, Any], *arguments: Any) -> Any:
            self.changed = options
            try:
                return guarded(function)(*arguments)
            finally:
                self.changed = {}

        options = self.options()
        common = {n: LESS * a for n, a in self.taken_back(options).items() if isinstance(a, float)}
        return Adapted(
            self.judged, guarded(forward), guarded(backward), leaves, second, options=options,
            otherwise=partial(under, forward), apart=self.arguments.apart,
            tuned=tuple(partial(under, each, common) for each in (forward, backward)) if common else (),
        )  # fmt: skip

    def taken_back(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those of them that the backward of a pair takes too."""
        own = {p.name for p in parameters(self.backward)} if self.backward is not None else {}
        return {name: value for name, value in options.items() if name in own}

    def options(self) -> dict[str, Any]:
        """Numbers, flags and words that a function has by default, and an object among its attributes."""
        if hasattr(self.forward, "forward"):
            found = dict(getattr(self.forward, "__dict__", {}))
        else:
            given = len(self.arguments.values)
            found = {p.name: p.default for p in parameters(self.forward)[given:]}
        return {name: value for name, value in found.items() if isinstance(value, (bool, float, str))}


@contextmanager
def contained() -> Iterator[None]:
    """What their code does to the process stays inside: it may neither end it, nor change NumPy's settings."""
    with np.errstate():
        try:
            yield
        except SystemExit as error:
            raise RuntimeError(f"it ends the program, by sys.exit({error.code!r})") from error


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def inside(*arguments: Any) -> Any:
        with contained():
            return function(*arguments)

    return inside


def body(forward: Any) -> Any:
    """Where the arguments have their names: in the method of an object, in what a primitive wraps."""
    for name in dict.fromkeys([*(name for name, _ in METHODS), "fun"]):
        forward = getattr(forward, name, forward)
    return forward


def is_function(value: Any) -> bool:
    """A function, or something like it: no class, and no object with a backward of its own."""
    return callable(value) and not isinstance(value, type) and not hasattr(value, "backward")


def name_of(function: Any) -> str:
    name = getattr(function, "__name__", None) or getattr(function, "name", None)
    kind = type(function).__name__
    if isinstance(function, MethodType) and not isinstance(function.__self__, type):
        return f"{type(function.__self__).__name__}.{name}"
    return name if isinstance(name, str) else kind


def name_inside(function: Any) -> str:
    """Of a lambda, the one class or function of its file that it calls."""
    if getattr(function, "__name__", "") != "<lambda>":
        return ""
    found = [each for each in named([function], 0) if getattr(each, "__module__", None) == function.__module__]
    layers = [each for each in found if callable(each) and not (isinstance(each, type) and holds_data(each))]
    names = {name_of(each) for each in layers if getattr(each, "__name__", "<lambda>") != "<lambda>"}
    return names.pop() if len(names) == 1 else ""


def own_name(function: Any) -> str:
    """Nothing for a lambda, a partial, an object that is called: they have none."""
    return "" if getattr(function, "__name__", "<lambda>") == "<lambda>" else name_of(function)


def outputs(value: Any) -> tuple[Any, ...]:
    """One array or several, as a tuple of NumPy's."""
    each = value if several(value) else (value,)
    try:
        found = tuple(np.asarray(to_numpy(item)) for item in each)
    except ValueError as error:
        raise StyleError(f"forward gives {kinds(each)}: {NUMBERS}, outputs before what is kept for backward") from error
    if found and not any(map(is_numeric, found)):
        raise StyleError(f"forward gives {kinds(each)}: {NUMBERS}")
    return found


NUMBERS = "an output is an array of numbers, or several are, in a tuple"


def kinds(values: Sequence[Any]) -> str:
    return ", ".join("None" if value is None else f"a {type(value).__name__}" for value in values)


def several(value: Any) -> bool:
    """Several things; a list of numbers is one array."""
    return isinstance(value, tuple) or isinstance(value, list) and bool(value) and not is_array(value)


def is_numeric(array: Any) -> bool:
    """Numbers, or objects that can be calculated with: no text, coroutine, dict."""
    if array.dtype.kind != "O":
        return array.dtype.kind in "biufc"
    return all(hasattr(item, "__mul__") and hasattr(item, "__sub__") for item in array.flat)


def scaled(found: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
    """Gradients of a loss, or slopes element by element, times the gradient from above."""
    return tuple(None if g is None else np.asarray(cotangents[0]) * g for g in found)
