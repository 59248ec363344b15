"""A layer: a rule that owns its parameters."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from pullback.errors import OptionError
from pullback.linearization import Linearization, as_tuple
from pullback.nn.derivative import Arrays, Derivative, Walk
from pullback.nn.model import Model, Random, Visit, refuse_unknown
from pullback.rule import Rule
from pullback.signature import Slot

Start = Callable[[np.random.Generator], Arrays]


def nothing(rng: np.random.Generator) -> Arrays:
    return {}


class Layer(Model):
    """A rule, and the arrays that it owns under PyTorch's names. A bare rule is a layer that owns nothing.

    `start(rng)` draws these arrays. `learning` is the rule in training, where that is another one.
    """

    def __init__(
        self,
        rule: Rule,
        start: Start = nothing,
        learning: Rule | None = None,
        kind: str | None = None,
        rng: Random = None,
    ) -> None:
        self.rule, self.learning, self.start = rule, learning or rule, start
        self.kind = kind or rule.name
        self.own = start(np.random.default_rng(rng))
        self.names = [rule.long_names[slot.name] for slot in rule.inputs[1:]]
        self.mask: Callable[[Any, np.random.Generator], Any] | None = None  # what dropout keeps

    @cached_property
    def learns(self) -> dict[str, str]:
        """The letters of what has a gradient, with their names."""
        others = zip(self.rule.inputs[1:], self.names)
        return {slot.name: name for slot, name in others if slot.differentiable and name in self.own}

    def arguments(self, x: Any, training: bool = False, rng: Random = None) -> tuple[Any, ...]:
        """What the rule takes when the input is x: the parameters, None for what is left out, a mask if it has one."""
        values = [self.own.get(name) for name in self.names]
        if "mask" in self.names:
            k = self.names.index("mask")
            values[k] = self.drawn(x, rng) if training and self.mask else self.rest(x, self.rule.inputs[k + 1])
        return x, *values

    def drawn(self, x: Any, rng: Random) -> Any:
        assert self.mask is not None
        if rng is None:
            raise OptionError("draws a mask in training; give rng, a seed or a NumPy Generator")
        return self.mask(x, np.random.default_rng(rng))

    def rest(self, x: Any, slot: Slot) -> Any:
        """The mask that keeps everything."""
        return None if slot.default else np.broadcast_to(True, np.shape(x))

    def linearize(self, x: Any, training: bool = False, rng: Random = None) -> tuple[np.ndarray, "Step"]:
        rule = self.learning if training else self.rule
        y, at = rule.linearize(*self.arguments(x, training, rng))
        y, *rest = as_tuple(y)
        return y, Step(self, at, rest)

    def leaves(self) -> Iterator[tuple[str, "Layer"]]:
        yield "", self

    def follow(self, x: Any, visit: Visit) -> Any:
        return visit("", self, x)

    def stand_in(self, x: Any) -> Any:
        """An array like the output, with no memory behind it."""
        return self.rule.plan(*self.arguments(x)).gradients[0]


class Step(Derivative):
    """The derivative of a layer at one point, and the running statistics that it leaves behind."""

    def __init__(self, layer: Layer, at: Linearization, rest: list[Any]) -> None:
        self.layer, self.at, self.rest = layer, at, rest

    @property
    def updates(self) -> Arrays:
        name = self.layer.rule.long_names  # the new m is called m1
        left = zip(self.at.rule.outputs[1:], self.rest)
        return {name[slot.name.removesuffix("1")]: value for slot, value in left if slot.kind == "const"}

    def jvp(self, tx: np.ndarray | None = None, tangents: Mapping[str, np.ndarray] = {}) -> Any:
        learns = self.layer.learns
        refuse_unknown(tangents, learns.values())
        given = [tangents.get(learns.get(slot.name, "")) for slot in self.at.rule.inputs[1:]]
        return as_tuple(self.at.jvp(tx, *given))[0]

    def walk(self, gy: np.ndarray, x: bool = True) -> Walk:
        learns = self.layer.learns
        gx, *found = as_tuple(self.at.vjp(gy, wrt=None if x else tuple(learns)))
        gradients = zip(self.at.rule.inputs[1:], found)
        yield "", gx, {learns[slot.name]: g for slot, g in gradients if slot.name in learns}
