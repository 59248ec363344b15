"""What a layer, a Sequential and a Residual have in common: parameters by name, and ways to use and change them."""

import copy
import warnings
from typing import Any, NamedTuple

import numpy as np

from pullback.errors import DtypeError, ShapeError

COUNTER = "num_batches_tracked"  # PyTorch counts the batches of a BatchNorm; nothing here needs the number


class Row(NamedTuple):
    """One layer in the table of a model."""

    name: str  # its place: "0", "2.fn.1"
    kind: str  # "Conv2d"
    shape: tuple  # of its output
    count: int  # how many numbers it learns
    layer: Any


class Model:
    """It defines `leaves()`: the layers inside with their names; `linearize(x, training, rng)`: the output and
    the derivative there; and `follow(x, step)`: x through the layers, one `step(name, layer, x)` after the other."""

    def __call__(self, x, training=False, rng=None):
        return self.linearize(x, training, rng)[0]

    @property
    def parameters(self):
        """All arrays that the model owns, running statistics too, under their names in a PyTorch state_dict."""
        return {join(place, name): p for place, layer in self.leaves() for name, p in layer.own.items()}

    @property
    def trainable(self):
        """The names of the parameters that have a gradient."""
        return [join(place, name) for place, layer in self.leaves() for name in layer.learns.values()]

    def load(self, values, strict=True):
        """Take over the arrays that `values` names, as float32 or whatever this model computes in.

        With `strict`, the names must be those of `parameters`. Otherwise what is there is taken, and the names that
        were missing and those that nobody expected are returned. If something does not fit, nothing is changed.
        """
        values = {name: value for name, value in values.items() if name.rpartition(".")[2] != COUNTER}
        known = self.parameters
        missing, unexpected = [n for n in known if n not in values], [n for n in values if n not in known]
        if strict and (missing or unexpected):
            raise ShapeError(f"the names do not fit this model: {differ(missing, unexpected)}")
        fitting = {name: fit(name, values[name], p) for name, p in known.items() if name in values}
        if narrowed := [name for name in fitting if np.asarray(values[name]).dtype.itemsize > known[name].itemsize]:
            said = f"{len(narrowed)} parameters were rounded to {known[narrowed[0]].dtype}: {some(narrowed)}"
            warnings.warn(said, stacklevel=2)
        for place, layer in self.leaves():
            layer.own |= {name: fitting[join(place, name)] for name in layer.own if join(place, name) in fitting}
        return missing, unexpected

    def draw(self, rng):
        """Draw all parameters anew, layer by layer, from one generator: the same seed gives the same bits."""
        rng = np.random.default_rng(rng)
        for _, layer in self.leaves():
            layer.own = {name: p.astype(layer.own[name].dtype) for name, p in layer.start(rng).items()}

    def astype(self, dtype):
        """A copy that computes in float32 or float64."""
        other = copy.deepcopy(self)
        for _, layer in other.leaves():
            layer.own = {name: p.astype(dtype) for name, p in layer.own.items()}
        return other

    def trace(self, x, training=False, rng=None):
        """Every layer with its place and its input, when x runs through: (name, layer, x) in order."""
        rng, met = generator(rng), []

        def step(name, layer, x):
            met.append((name, layer, x))
            return layer(x, training, rng)

        self.follow(x, step)
        return met

    def describe(self, x):
        """A table of the layers for an input like x, as a list of rows; nothing is computed."""
        rows = []

        def step(name, layer, x):
            y = layer.stand_in(x)
            count = sum(layer.own[name].size for name in layer.learns.values())
            rows.append(Row(name, layer.kind, y.shape, count, layer))
            return y

        self.follow(x, step)
        return rows


def join(*names):
    """One name out of the names of places; an empty one is left out."""
    return ".".join(filter(None, names))


def generator(rng):
    """A Generator for a seed; None stays None, for a model that needs none."""
    return None if rng is None else np.random.default_rng(rng)


def fit(name, value, like):
    """A copy of the value in the dtype of the parameter, if it has its shape."""
    value = np.asarray(value)
    if value.dtype.kind != "f":
        raise DtypeError(f"{name} is {value.dtype}, needs floating-point numbers")
    if value.shape != like.shape:
        raise ShapeError(f"{name} has shape {value.shape}, needs {like.shape}")
    return value.astype(like.dtype)


def differ(missing, unexpected):
    found = {"missing": missing, "unexpected": unexpected}
    return "; ".join(f"{what} {some(names)}" for what, names in found.items() if names)


def some(names, most=8):
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
