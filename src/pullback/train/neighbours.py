"""Layers that have a kernel together are one layer while a model learns; nobody has to ask."""

from weakref import WeakKeyDictionary

from pullback.discovery import public
from pullback.kernels import ours, twin_of
from pullback.nn.layer import Layer
from pullback.nn.model import Model
from pullback.nn.sequential import Sequential, Series

PAIRS = {("relu", f"max_pool{dims}d") for dims in (1, 2, 3)}

_known: WeakKeyDictionary[Model, tuple[list[Model], Series | None]] = WeakKeyDictionary()


def joined(model: Model) -> Model:
    """The same layers under the same names, but that some neighbours in a Sequential are one chain."""
    if type(model) is not Sequential or twin_of("chain") is None:
        return model
    layers, found = _known.get(model, ([], None))
    if layers != model.layers:
        found = together(model)
        _known[model] = model.layers, found
    return found or model


def together(model: Sequential) -> Series | None:
    """None if no neighbours are a pair."""
    parts: dict[str, Model] = {}
    last = ""
    for name, part in model.parts.items():
        before = parts.get(last)
        if (
            isinstance(before, Layer)
            and isinstance(part, Layer)
            and (before.rule.name, part.rule.name) in PAIRS
            and ours(before.rule)
            and ours(part.rule)
        ):
            parts[last] = Layer(public("Chain")((before.rule, part.rule)))
        else:
            parts[name], last = part, name
    return Series(parts) if len(parts) < len(model.parts) else None
