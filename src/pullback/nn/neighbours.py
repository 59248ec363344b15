"""Neighbours that have a kernel together are one step, there and back; nobody has to ask."""

from collections.abc import Iterable
from functools import cached_property
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from pullback.discovery import public
from pullback.door import remembered
from pullback.errors import PullbackError
from pullback.linearization import Linearization, as_tuple
from pullback.nn.derivative import Arrays
from pullback.nn.layer import Layer, Step
from pullback.nn.model import Model
from pullback.rule import Rule

DIMS = "1d", "2d", "3d"
GROUPS = [
    *((f"conv{d}", "relu", f"max_pool{d}") for d in DIMS),
    *((f"conv{d}", "relu") for d in DIMS),
    *(("relu", f"max_pool{d}") for d in DIMS),
    ("linear", "relu"),
]  # the longest first; only a first layer owns anything
FLOAT = np.dtype(np.float32)  # what kernels take


class Group(NamedTuple):
    """Parts that stand one after the other: one alone, or layers whose rules are a chain."""

    names: tuple[str, ...]
    parts: list[Any]
    chain: Rule | None = None


_known: WeakKeyDictionary[Model, tuple[list[Any], list[Group]]] = WeakKeyDictionary()


def groups(model: Any) -> list[Group]:
    """The parts of a Series, from front to back. They are looked at anew when one of them is another one."""
    before, found = _known.get(model, ([], []))
    now = [*model.parts, *model.parts.values(), *[getattr(part, "rule", None) for part in model.parts.values()]]
    if len(before) != len(now) or not all(map(is_, before, now)):  # an altered copy of a rule is equal to it
        found = list(grouped(model.parts))
        _known[model] = now, found
    return found


def grouped(parts: dict[str, Model]) -> Iterable[Group]:
    rest = list(parts)
    while rest:
        layers = beginning([parts[name] for name in rest])
        names, rest = tuple(rest[: len(layers) or 1]), rest[len(layers) or 1 :]
        chain = public("Chain")(tuple(layer.rule for layer in layers)) if layers else None
        yield Group(names, [parts[name] for name in names], chain)


def beginning(parts: list[Model]) -> list[Layer]:
    """The first few of them, if they may have a kernel together."""
    for group in GROUPS:
        some = [part for part in parts[: len(group)] if type(part) is Layer and part.learning is part.rule]
        if tuple(layer.rule.name for layer in some) == group:
            return some
    return []


def together(group: Group, x: Any) -> tuple[np.ndarray, "Together"] | None:
    """What a group makes of x in one step; None if it has no kernel for that, or x does not fit: each layer says so."""
    if not group.chain or type(x) is not np.ndarray or x.dtype != FLOAT:
        return None
    inputs = group.parts[0].arguments(x)
    try:
        if remembered(group.chain, inputs).forward is None:
            return None
        y, at = group.chain.linearize(*inputs)
    except PullbackError:
        return None
    return y, Together(group.parts, inputs, at)


class Together:
    """The derivative of such a group. Only backwards it is one step; all else is asked of `steps`, layer by layer."""

    updates: Arrays = {}

    def __init__(self, layers: list[Layer], inputs: tuple[Any, ...], at: Linearization) -> None:
        self.layers, self.inputs, self.at = layers, inputs, at

    @cached_property
    def steps(self) -> list[Step]:
        """Those of the layers, one by one; what lies between them was not kept, and is computed once more."""
        inputs, found = self.inputs, []
        for layer in self.layers:
            y, at = layer.rule.linearize(*inputs)
            found.append(Step(layer, at, []))
            inputs = (y,)
        return found

    def vjp(self, gy: np.ndarray, x: bool = True) -> tuple[np.ndarray | None, Arrays]:
        learns = {f"{letter}0": name for letter, name in self.layers[0].learns.items()}  # as the chain calls them
        gx, *found = as_tuple(self.at.vjp(gy, wrt=None if x else tuple(learns)))
        gradients = zip(self.at.rule.inputs[1:], found)
        return gx, {learns[slot.name]: g for slot, g in gradients if slot.name in learns}
