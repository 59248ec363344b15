"""A chain of dense layers learns by compiled steps; nobody has to ask.

The layers' parameters become views into one flat array, and what the optimiser remembers of them too. When somebody
puts other arrays in their places, that is noticed, and done again.
"""

from operator import getitem, is_
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from pullback.discovery import public
from pullback.kernels import ours, twin_of
from pullback.nn.layer import Layer
from pullback.nn.model import Model
from pullback.nn.sequential import Sequential
from pullback.rule import Rule
from pullback.train.optimisers import Arrays, Optimiser

ACTIVATIONS = ["identity", "relu", "tanh", "sigmoid", "gelu", "silu", "leaky_relu"]  # as the kernel counts them
USUAL = dict(kink="right", approximate="none")  # what the kernel knows, where an activation has these words
DENSE = "weight", "bias"
FLOAT = np.dtype(np.float32)  # sooner compared than the type itself

_known: WeakKeyDictionary[Sequential, "Dense"] = WeakKeyDictionary()


def step(model: Model, x: np.ndarray, t: np.ndarray, optimiser: Optimiser) -> tuple[float, Arrays] | None:
    """The loss and the gradients of one step, if the model is a chain that can be compiled; else None.

    The gradients are overwritten by the next step.
    """
    if type(model) is not Sequential:
        return None
    dense = _known.get(model)
    if dense is None or not dense.serves(model, optimiser):
        chain = layers_of(model)
        if chain is None or twin_of("dense") is None or not optimiser.compiled:
            return None
        dense = _known[model] = Dense(model, chain, optimiser)
    return dense.step(x, t)


class Dense:
    """The compiled steps of one model with one optimiser."""

    def __init__(self, model: Sequential, chain: list[tuple[Layer, Rule]], optimiser: Optimiser) -> None:
        self.optimiser, self.arenas = optimiser, dict[int, np.ndarray]()
        self.parts = list(model.parts.values())
        self.flattens = self.parts[0] is not chain[0][0]
        self.sizes = [(*layer.own["weight"].shape[::-1], ACTIVATIONS.index(rule.name)) for layer, rule in chain]
        self.leaks = np.array([rule.options.get("negative_slope", 0) for _, rule in chain], FLOAT)
        owners: list[tuple[dict[str, Any], str]] = [(layer.own, name) for layer, _ in chain for name in DENSE]
        self.parameters, views = joined([own[name] for own, name in owners])
        self.gradients, parts = joined([np.zeros_like(view) for view in views])
        self.named = dict(zip(model.trainable, parts, strict=True))
        self.remembered, self.memory = optimiser.memory, list[np.ndarray]()
        for name, view in zip(self.named, views):
            optimiser.recall(name, view)
        for what in optimiser.remembers:
            flat, parts = joined([self.remembered[name][what] for name in self.named])
            owners += [(self.remembered[name], what) for name in self.named]
            views, self.memory = views + parts, [*self.memory, flat]
        for (own, name), view in zip(owners, views):
            own[name] = view
        owners += [(self.remembered, name) for name in self.named]
        self.places = *zip(*owners), [*views, *map(self.remembered.get, self.named)]
        self.layers, self.kernel, self.rates = np.array(self.sizes), twin_of("dense"), twin_of("optimisers").rates

    def serves(self, model: Sequential, optimiser: Optimiser) -> bool:
        """Is everything still where it was put?"""
        if optimiser is not self.optimiser or optimiser.memory is not self.remembered:
            return False
        owners, names, values = self.places
        try:
            return list(model.parts.values()) == self.parts and all(map(is_, map(getitem, owners, names), values))
        except KeyError:
            return False

    def step(self, x: np.ndarray, t: np.ndarray) -> tuple[float, Arrays] | None:
        batch, features = len(x), self.sizes[0][0]
        fits = x.size == batch * features and (x.ndim == 2 or x.ndim > 2 and self.flattens)
        if x.dtype != FLOAT or not batch or not fits or t.shape != (batch,) or t.dtype.kind != "i":
            return None  # the layers say what does not fit
        arena = self.arenas.get(batch)
        if arena is None:
            arena = self.kernel.arena_of(batch, self.sizes)
            self.arenas = {**dict(list(self.arenas.items())[-1:]), batch: arena}
        rows, labels = np.ascontiguousarray(x).reshape(batch, features), t.astype(np.int64, copy=False)
        self.optimiser.steps += 1
        formula, numbers = self.rates(self.optimiser)
        flat, memory = (self.parameters, self.gradients, arena), (self.memory[0], self.memory[-1])
        loss = self.kernel.step(rows, labels, self.layers, self.leaks, *flat, formula, *memory, numbers)
        if loss == self.kernel.NO_CLASS:
            self.optimiser.steps -= 1
            return None
        return loss, self.named


def joined(arrays: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One flat array with the numbers of all, and a view for each."""
    flat = np.concatenate([a.reshape(-1) for a in arrays])
    pieces = np.split(flat, np.cumsum([a.size for a in arrays])[:-1])
    return flat, [piece.reshape(a.shape) for piece, a in zip(pieces, arrays)]


def layers_of(model: Sequential) -> list[tuple[Layer, Rule]] | None:
    """The dense layers of a chain, each with its activation, which is identity where there is none."""
    nothing = public("identity")
    found: list[tuple[Layer, Rule]] = []
    for part in model.layers:
        if type(part) is not Layer or not ours(part.rule):
            return None
        name, options = part.rule.name, part.rule.options
        if name == "linear" and tuple(part.own) == DENSE and part.own["weight"].dtype == np.float32:
            found.append((part, nothing))
        elif name in ACTIVATIONS and found and found[-1][1] is nothing and usual(options):
            found[-1] = found[-1][0], part.rule
        elif not (name == "flatten" and not found and options == dict(start_axis=1, end_axis=-1)):
            return None
    return found if found and found[-1][1] is nothing else None


def usual(options: dict[str, Any]) -> bool:
    return all(options.get(name, word) == word for name, word in USUAL.items())
