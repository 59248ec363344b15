"""The derivative of a model at one point."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import numpy as np

Arrays = dict[str, np.ndarray]
Walk = Iterator[tuple[str, np.ndarray | None, Arrays]]


class Derivative(ABC):
    """A linear map of x and of the parameters; backwards it is a walk from the last layer to the first."""

    @property
    @abstractmethod
    def updates(self) -> Arrays:
        """The running statistics after this batch, by name; empty outside of training, and without a batch norm.

        Until they are loaded, with `model.load(at.updates, strict=False)`, the model keeps those that it had.
        """

    @abstractmethod
    def jvp(self, tx: np.ndarray | None = None, tangents: Mapping[str, np.ndarray] = {}) -> np.ndarray:
        """How the output moves when x moves along tx, and the parameters along the tangents that are given by name."""

    @abstractmethod
    def walk(self, gy: np.ndarray, x: bool = True) -> Walk:
        """From back to front, for every layer: its name, the gradient that leaves it (towards x), and the gradients
        of its own parameters by their names in the model. If `x` is false, no gradient leaves the first layer that
        learns (it is None), and the walk ends there."""

    def vjp(self, gy: np.ndarray, x: bool = True) -> tuple[np.ndarray | None, Arrays]:
        """The gradient of x (None if `x` is false: it is not computed), and of every parameter by name."""
        gx: np.ndarray | None = gy
        gradients: Arrays = {}
        for _, g, own in self.walk(gy, x):
            gx = g
            gradients |= own
        return (gx if x else None), gradients
