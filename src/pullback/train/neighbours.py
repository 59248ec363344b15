"""Layers that have a kernel together are one layer while a model learns; nobody has to ask."""

from typing import Any
from weakref import WeakKeyDictionary

from pullback.discovery import public
from pullback.door import remembered
from pullback.kernels import ours, twin_of
from pullback.nn.derivative import Arrays
from pullback.nn.layer import Layer
from pullback.nn.model import Model
from pullback.nn.sequential import Sequential, Series

DIMS = "1d", "2d", "3d"
GROUPS = [
    *((f"conv{d}", "relu", f"max_pool{d}") for d in DIMS),
    *((f"conv{d}", "relu") for d in DIMS),
    *(("relu", f"max_pool{d}") for d in DIMS),
]  # the longest first

_known: WeakKeyDictionary[Model, tuple[list[Any], Series | None]] = WeakKeyDictionary()


class Joined(Layer):
    """Layers in one chain, under the name of the first, which alone owns something."""

    def __init__(self, *layers: Layer) -> None:
        self.first = layers[0]
        super().__init__(public("Chain")(tuple(layer.rule for layer in layers)))
        self.names = self.first.names
        self.each = Series({str(k) if k else "": layer for k, layer in enumerate(layers)})

    def linearize(self, x: Any, training: bool = False, rng: Any = None) -> Any:
        """Layer by layer where the chain has no kernel: then its rule knows none of theirs."""
        if remembered(self.rule, self.arguments(x)).forward is None:
            return self.each.linearize(x, training, rng)
        return super().linearize(x, training, rng)

    @property
    def own(self) -> Arrays:
        return self.first.own

    @own.setter
    def own(self, values: Arrays) -> None:
        pass  # they stay where they are


def joined(model: Model) -> Model:
    """The same layers under the same names, but that some neighbours in a Sequential are one chain."""
    if type(model) is not Sequential or twin_of("chain") is None:
        return model
    before, found = _known.get(model, ([], None))
    now = [(part, getattr(part, "rule", None)) for part in model.layers]
    if before != now:
        found = together(model)
        _known[model] = now, found
    return found or model


def together(model: Sequential) -> Series | None:
    """None if no neighbours have a kernel together."""
    names, parts = list(model.parts), dict[str, Model]()
    while names:
        group = beginning([model.parts[name] for name in names])
        parts[names[0]] = Joined(*group) if group else model.parts[names[0]]
        names = names[max(1, len(group)) :]
    return Series(parts) if len(parts) < len(model.parts) else None


def beginning(parts: list[Model]) -> list[Layer]:
    """The first few of them, if they have a kernel together."""
    for group in GROUPS:
        some = [part for part in parts[: len(group)] if type(part) is Layer and ours(part.rule)]
        if tuple(layer.rule.name for layer in some) == group:
            return some
    return []
