"""A user's forward and backward, with example arguments, as the styles look at them."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters.arguments import Arguments, Leaf, names_of
from pullback.check.adapters.dice import Dice
from pullback.check.adapters.frameworks import framework_of, to_numpy
from pullback.check.adapters.gradients import assigned
from pullback.errors import PullbackError


class StyleError(PullbackError, TypeError):
    """The code is in no style that is known, or does not run at all."""


class UnknownStyleError(StyleError):
    """It runs, and is in no style that is known."""


Second = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], tuple[Sequence[Any], Sequence[Any]]]


class Adapted(NamedTuple):
    """The code with one face: `forward(*arrays) -> outputs`, `backward(cotangents, arrays) -> gradients`, all tuples of
    NumPy's arrays (None for what has no gradient); and those arrays: arguments, then the layer's own parameters.

    `second(cotangents, arrays, tangents)` is the backward of backward, where the code brings one: how
    ⟨tangents, gradients⟩ changes with the cotangents, and with the arrays."""

    name: str
    forward: Callable[..., tuple[Any, ...]]
    backward: Callable[[Sequence[Any], Sequence[Any]], tuple[Any, ...]]
    leaves: list[Leaf]
    second: Second | None = None
    convention: str | None = None  # of complex gradients, where the library has one


class Code:
    """What the user handed over. Every style looks at it; the first that knows it makes a subject of it."""

    def __init__(self, forward: Any, backward: Any, values: Sequence[Any]) -> None:
        self.forward, self.backward = forward, backward
        self.framework, self.dice = framework_of(forward, backward, values=values), Dice()
        self.arguments = Arguments(values, names_of(body(forward)))

    @property
    def name(self) -> str:
        return name_of(self.forward)

    def lifted(self, arrays: Sequence[Any]) -> list[Any]:
        return [self.framework.lift(array) for array in arrays]

    def filled(self, inputs: Sequence[Any]) -> list[Any]:
        """The user's arguments with these arrays in their places."""
        return self.arguments.filled(self.lifted(inputs))

    def run(self, inputs: Sequence[Any]) -> Any:
        """What forward gives, as it gives it."""
        with self.framework.scope():
            return self.forward(*self.filled(inputs))

    @cached_property
    def trial(self) -> Any:
        """What forward gives for the example."""
        return self.tried(self.name, lambda: self.run(self.arguments.example()))

    def tried(self, name: str, call: Callable[[], Any]) -> Any:
        """The result of a first call; where it raises, an error that says with what."""
        try:
            with self.dice.watched():
                return call()
        except PullbackError:
            raise
        except Exception as error:
            with_ = ", ".join(
                f"{leaf.name} {np.shape(a)}" for leaf, a in zip(self.arguments.leaves, self.arguments.example())
            )
            raise StyleError(f"{name} raises {type(error).__name__} with {with_ or 'no arrays'}: {error}") from error

    def gradients(self, found: Any) -> tuple[Any, ...]:
        return assigned(found, self.arguments.leaves)

    def adapted(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        *parameters: Leaf,
        second: Second | None = None,
    ) -> Adapted:
        return Adapted(self.name, forward, backward, [*self.arguments.leaves, *parameters], second)


def body(forward: Any) -> Any:
    """Where the arguments have their names: in the method of an object, in what a primitive wraps."""
    for name in ("forward", "forward_pass", "fun"):
        forward = getattr(forward, name, forward)
    return forward


def is_function(value: Any) -> bool:
    """A function, or something like it: no class, and no object with a backward of its own."""
    return callable(value) and not isinstance(value, type) and not hasattr(value, "backward")


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", None) or getattr(function, "name", None) or type(function).__name__)


def outputs(value: Any) -> tuple[Any, ...]:
    """One array or several, as a tuple of NumPy's."""
    several = isinstance(value, tuple) or isinstance(value, list) and any(np.ndim(to_numpy(item)) for item in value)
    return tuple(np.asarray(to_numpy(item)) for item in (value if several else (value,)))


def scaled(found: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
    """Gradients of a loss, or slopes element by element, times the gradient from above."""
    return tuple(None if g is None else np.asarray(cotangents[0]) * g for g in found)
