"""Around a layer, not only through it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pullback.errors import ShapeError
from pullback.kernels.arrays import like
from pullback.nn.derivative import Arrays, Derivative, Walk
from pullback.nn.layer import Layer
from pullback.nn.model import Model, Random, Visit, generator, join, listed, refuse_unknown
from pullback.nn.sequential import Sequential, as_part, within
from pullback.rule import Rule


class Residual(Model):
    """y = x + fn(x): the gradient has a way past fn. Several layers are one Sequential.

    Parameters are those of `fn`: `fn.weight`, or `fn.0.weight` if it is a Sequential, as of a PyTorch module with an
    attribute `fn`.

    Source: He et al. (2016), Deep residual learning for image recognition.
    """

    kind = "Residual"

    def __init__(self, *layers: Model | Rule) -> None:
        self.fn = as_part(layers[0]) if len(layers) == 1 else Sequential(*layers)

    def __repr__(self) -> str:
        return listed(self.kind, {"fn": self.fn})

    def leaves(self) -> Iterator[tuple[str, Layer]]:
        for name, layer in self.fn.leaves():
            yield join("fn", name), layer

    def linearize(self, x: Any, training: bool = False, rng: Random = None) -> tuple[np.ndarray, "Around"]:
        y, at = self.fn.linearize(x, training, generator(rng))
        return add(x, y), Around(self, at)

    def follow(self, x: Any, visit: Visit) -> Any:
        return add(x, self.fn.follow(x, within("fn", visit)))


class Around(Derivative):
    """The derivative of a Residual at one point."""

    def __init__(self, residual: Residual, at: Derivative) -> None:
        self.residual, self.at = residual, at

    @property
    def updates(self) -> Arrays:
        return {join("fn", name): value for name, value in self.at.updates.items()}

    def jvp(self, tx: np.ndarray | None = None, tangents: Mapping[str, np.ndarray] = {}) -> np.ndarray:
        refuse_unknown(tangents, self.residual.trainable)
        ty = self.at.jvp(tx, {name.removeprefix("fn."): t for name, t in tangents.items()})
        return ty if tx is None else tx + ty

    def vjp(self, gy: np.ndarray, x: bool = True) -> tuple[np.ndarray | None, Arrays]:
        gx, own = self.at.vjp(gy, x)
        return (None if gx is None else plus(gy, gx)), {join("fn", name): g for name, g in own.items()}

    def walk(self, gy: np.ndarray, x: bool = True) -> Walk:
        gx: np.ndarray | None = gy
        for name, gx, own in self.at.walk(gy, x):
            yield join("fn", name), gx, {join("fn", n): g for n, g in own.items()}
        yield "", (None if not x or gx is None else plus(gy, gx)), {}


def add(x: Any, y: np.ndarray) -> Any:
    x = x if hasattr(x, "dtype") else np.asarray(x, y.dtype)
    if x.shape != y.shape:
        raise ShapeError(f"fn makes {y.shape} of {x.shape}; what is added to its input must have its shape")
    return plus(x, y)


def plus(x: Any, y: np.ndarray) -> np.ndarray:
    """The sum, which lies in memory as y does."""
    total: np.ndarray = np.add(x, y, out=like(y, np.result_type(x, y)))
    return total
