"""Layers one after the other."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from pullback.errors import OptionError, PullbackError
from pullback.nn.derivative import Arrays, Derivative, Walk
from pullback.nn.layer import Layer
from pullback.nn.model import Model, Random, Visit, generator, join, listed, refuse_unknown
from pullback.nn.neighbours import Group, Together, groups, together
from pullback.rule import Rule


class Series(Model):
    """Parts by name, each fed with what the one before gives. A part without a name keeps the names of its own."""

    def __init__(self, parts: Mapping[str, Model], kind: str = "Series") -> None:
        self.parts, self.kind = parts, kind
        self.last = list(parts)[-1] if parts else None
        self.lowest = next((k for k, part in enumerate(parts.values()) if part.trainable), len(parts))
        owners = [id(layer) for _, layer in self.leaves() if layer.own]
        if len(owners) > len(set(owners)):
            raise OptionError("a layer stands twice in the model; parameters are not shared: make two layers")

    def leaves(self) -> Iterator[tuple[str, Layer]]:
        for name, part in self.parts.items():
            for inner, layer in part.leaves():
                yield join(name, inner), layer

    def linearize(self, x: Any, training: bool = False, rng: Random = None) -> tuple[np.ndarray, "Path"]:
        rng = generator(rng)
        pieces: dict[tuple[str, ...], Derivative | Together] = {}
        for group in groups(self):
            if group.chain and (found := self.together(group, x, training)):
                x, pieces[group.names] = found
                continue
            for name, part in zip(group.names, group.parts):
                try:
                    x, pieces[name,] = part.linearize(x, training, rng)
                except PullbackError as error:
                    raise placed(error, name, part) from None
        return x, Path(self, pieces)

    def together(self, group: Group, x: Any, training: bool) -> tuple[np.ndarray, Together] | None:
        """Not where the result is for people to read: there relu's zeros have no sign."""
        return together(group, x) if training or group.names[-1] != self.last else None

    def follow(self, x: Any, visit: Visit) -> Any:
        for name, part in self.parts.items():
            try:
                x = part.follow(x, within(name, visit))
            except PullbackError as error:
                raise placed(error, name, part) from None
        return x


class Sequential(Series):
    """Layers, one after the other; a rule is a layer too: `Sequential(nn.Linear(2, 8), pb.tanh, nn.Linear(8, 3))`.

    Layers are numbered, and so are their parameters: `0.weight`, `0.bias`, `2.weight`, ... as in PyTorch.
    With `rng`, a seed or a NumPy Generator, all parameters are drawn anew, from the first layer to the last: the
    same seed gives the same model, bit for bit. Without it the layers keep those that they were made with.
    """

    def __init__(self, *layers: Model | Rule, rng: Random = None) -> None:
        super().__init__({str(k): as_part(layer) for k, layer in enumerate(layers)}, "Sequential")
        if rng is not None:
            self.draw(rng)

    @property
    def layers(self) -> list[Model]:
        return list(self.parts.values())

    def __repr__(self) -> str:
        return listed(self.kind, self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, k: int) -> Model:
        return self.layers[k]

    def __iter__(self) -> Iterator[Model]:
        return iter(self.layers)


class Path(Derivative):
    """The derivative of a Series at one point. Neighbours that were one step are one piece."""

    def __init__(self, series: Series, pieces: Mapping[tuple[str, ...], Derivative | Together]) -> None:
        self.series, self.pieces = series, pieces

    @cached_property
    def steps(self) -> dict[str, Derivative]:
        """One for every part."""
        found: dict[str, Derivative] = {}
        for names, piece in self.pieces.items():
            found |= zip(names, piece.steps if isinstance(piece, Together) else [piece])
        return found

    @property
    def updates(self) -> Arrays:
        own = ((first, piece.updates) for (first, *_), piece in self.pieces.items())
        return {join(first, name): value for first, updates in own for name, value in updates.items()}

    def jvp(self, tx: np.ndarray | None = None, tangents: Mapping[str, np.ndarray] = {}) -> np.ndarray:
        refuse_unknown(tangents, self.series.trainable)
        for name, step in self.steps.items():
            own = self.series.parts[name].trainable
            tx = step.jvp(tx, {n: tangents[full] for n in own if (full := join(name, n)) in tangents})
        if tx is None:
            raise OptionError("a model without layers moves only with x; give tx")
        return tx

    def vjp(self, gy: np.ndarray, x: bool = True) -> tuple[np.ndarray | None, Arrays]:
        g: Any = gy
        gradients: Arrays = {}
        k = sum(map(len, self.pieces))
        for names, piece in reversed(list(self.pieces.items())):
            k -= len(names)
            if k < self.series.lowest and not x:
                break  # nothing from here on learns
            g, own = piece.vjp(g, x or k > self.series.lowest)
            gradients |= {join(names[0], name): gradient for name, gradient in own.items()}
        return (g if x else None), gradients

    def walk(self, gy: np.ndarray, x: bool = True) -> Walk:
        g: Any = gy
        for k, (name, step) in reversed(list(enumerate(self.steps.items()))):
            if k < self.series.lowest and not x:
                break  # nothing from here on learns
            layers = step.walk(g, x or k > self.series.lowest)
            for inner, g, own in layers:
                yield join(name, inner), g, {join(name, n): gradient for n, gradient in own.items()}


def within(place: str, visit: Visit) -> Visit:
    """The visit, told the names inside a part as names inside the whole."""
    return lambda name, layer, x: visit(join(place, name), layer, x)


def as_part(layer: Model | Rule) -> Model:
    if isinstance(layer, Model):
        return layer
    if isinstance(layer, Rule):
        return bare(layer)
    raise OptionError(f"{layer!r} is no layer; a layer is made by a call, as in nn.ReLU(), or it is a rule, as pb.relu")


def bare(rule: Rule) -> Layer:
    if missing := [str(slot) for slot in rule.inputs[1:] if not slot.default]:
        raise OptionError(f"{rule.name} is no layer by itself: nobody gives it {', '.join(missing)}")
    return Layer(rule)


def placed(error: PullbackError, name: str, part: Model) -> PullbackError:
    """The same error, saying where it happened."""
    return type(error)(f"layer {name} ({part.kind}): {error}")
