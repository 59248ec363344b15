"""What a layer, a Sequential and a Residual have in common: parameters by name, and ways to use and change them."""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from pullback.errors import DtypeError, OptionError, ShapeError
from pullback.nn.derivative import Arrays, Derivative

if TYPE_CHECKING:
    from pullback.nn.layer import Layer

Random = int | np.random.Generator | None  # a seed, a generator, or neither
Visit = Callable[[str, "Layer", Any], Any]  # of a layer: its name, itself, its input; returns its output

COUNTER = "num_batches_tracked"  # PyTorch counts the batches of a BatchNorm; nothing here needs the number


class Row(NamedTuple):
    """One layer in the table of a model."""

    name: str  # its place: "0", "2.fn.1"
    kind: str  # "Conv2d"
    shape: tuple[int, ...]  # of its output
    size: int  # how many numbers it learns
    layer: "Layer"


class Model(ABC):
    """A function with parameters. `parameters` are the arrays themselves, `load` puts others in their place."""

    kind = "Model"
    given: Mapping[str, Any] = {}  # the arguments that it was made with, where they are not the defaults

    @abstractmethod
    def leaves(self) -> Iterator[tuple[str, "Layer"]]:
        """All layers inside, with their names."""

    @abstractmethod
    def linearize(self, x: Any, training: bool = False, rng: Random = None) -> tuple[np.ndarray, Derivative]:
        """The output, and the derivative there.

        In training, batch norm normalises by this batch, and dropout draws its masks from `rng`, a seed or a Generator.
        The model stays as it is. The running statistics that the batch leads to, by which batch norm normalises
        afterwards, stand in `at.updates`, and a loop of one's own loads them after each step:

            y, at = model.linearize(x, training=True, rng=rng)
            gx, gradients = at.vjp(gy)
            optimiser.step(model.parameters, gradients)
            model.load(at.updates, strict=False)
        """

    @abstractmethod
    def follow(self, x: Any, visit: Visit) -> Any:
        """Let `visit(name, layer, x)` stand for every layer, one after the other; return what comes out."""

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    def __call__(self, x: Any, training: bool = False, rng: Random = None) -> np.ndarray:
        return self.linearize(x, training, rng)[0]

    @property
    def parameters(self) -> Arrays:
        """All arrays that the model owns, running statistics too, under their names in a PyTorch state_dict."""
        return {join(place, name): p for place, layer in self.leaves() for name, p in layer.own.items()}

    @property
    def trainable(self) -> list[str]:
        """The names of the parameters that have a gradient."""
        return [join(place, name) for place, layer in self.leaves() for name in layer.learns.values()]

    def load(self, values: Mapping[str, np.ndarray], strict: bool = True) -> tuple[list[str], list[str]]:
        """Take over copies of the arrays that `values` names, as float32, or whatever the model computes in.

        With `strict`, the names must be those of `parameters`. Otherwise what is there is taken, and the names that
        were missing and those that nobody expected are returned. If anything does not fit, nothing is changed. A
        warning says which values were rounded (float64 to float32). PyTorch's num_batches_tracked is ignored.
        """
        refuse_file(values)
        values = {name: value for name, value in values.items() if name.rpartition(".")[2] != COUNTER}
        known = self.parameters
        missing, unexpected = [n for n in known if n not in values], [n for n in values if n not in known]
        if strict and (missing or unexpected):
            raise ShapeError(f"the names do not fit this model: {differing(missing, unexpected)}")
        taken = {name: fit(name, values[name], p) for name, p in known.items() if name in values}
        if rounded := [name for name, p in taken.items() if np.asarray(values[name]).dtype.itemsize > p.itemsize]:
            warnings.warn(f"rounded to {taken[rounded[0]].dtype}: {some(rounded)}", stacklevel=2)
        for place, layer in self.leaves():
            layer.own |= {name: taken[full] for name in layer.own if (full := join(place, name)) in taken}
        return missing, unexpected

    def draw(self, rng: Random) -> None:
        """Draw all parameters anew, layer by layer, from one generator: the same seed gives the same bits."""
        rng = np.random.default_rng(rng)
        for _, layer in self.leaves():
            layer.own = {name: p.astype(layer.own[name].dtype) for name, p in layer.start(rng).items()}

    def astype(self, dtype: Any) -> Self:
        """A copy that computes in float32 or float64."""
        other = copy.deepcopy(self)
        for _, layer in other.leaves():
            layer.own = {name: p.astype(dtype) for name, p in layer.own.items()}
        return other

    def trace(self, x: Any, training: bool = False, rng: Random = None) -> list[tuple[str, "Layer", Any]]:
        """Every layer with its name and its own input, when x runs through the model."""
        rng, met = generator(rng), []

        def visit(name: str, layer: "Layer", x: Any) -> Any:
            met.append((name, layer, x))
            return layer(x, training, rng)

        self.follow(x, visit)
        return met

    def describe(self, x: Any) -> list[Row]:
        """A table of the layers for an input like x; nothing is computed."""
        rows = []

        def visit(name: str, layer: "Layer", x: Any) -> Any:
            y = layer.stand_in(x)
            size = sum(layer.own[name].size for name in layer.learns.values())
            rows.append(Row(name, layer.kind, y.shape, size, layer))
            return y

        self.follow(x, visit)
        return rows


def listed(kind: str, parts: Mapping[str, Model]) -> str:
    """A model made of parts as PyTorch prints one: a part a line, set in."""
    lines = [f"({name}): {part!r}".replace("\n", "\n  ") for name, part in parts.items()]
    return f"{kind}(" + "".join(f"\n  {line}" for line in lines) + ("\n)" if lines else ")")


def join(*names: str) -> str:
    """One name out of the names of places; an empty one is left out."""
    return ".".join(filter(None, names))


def generator(rng: Random) -> np.random.Generator | None:
    """A Generator for a seed; None stays None, for a model that needs none."""
    return None if rng is None else np.random.default_rng(rng)


def fit(name: str, value: Any, like: np.ndarray) -> Any:
    """A copy of the value in the dtype of the parameter, if it has its shape."""
    value = np.asarray(value)
    if value.dtype.kind != "f":
        raise DtypeError(f"{name} is {value.dtype}, needs floating-point numbers")
    if value.shape != like.shape:
        raise ShapeError(f"{name} has shape {value.shape}, needs {like.shape}")
    with np.errstate(over="ignore"):
        found = value.astype(like.dtype)
    if value.itemsize > found.itemsize and (large := np.isinf(found) & ~np.isinf(value)).any():
        raise DtypeError(f"{name} holds {value[large][0]}, too large for {found.dtype}")
    return found


def refuse_file(values: Any) -> None:
    if not isinstance(values, Mapping):
        hint = "; a file is read by nn.load_weights(path)" if isinstance(values, str | PathLike) else ""
        raise OptionError(f"load takes a dict of arrays by name, got {type(values).__name__}{hint}")


def refuse_unknown(tangents: Mapping[str, Any], trainable: Iterable[str]) -> None:
    """A name that is none of a parameter would move nothing, and nobody would see it."""
    if unknown := tangents.keys() - set(trainable):
        raise OptionError(f"no parameter of this model with a derivative: {some(sorted(unknown))}")


def differing(missing: list[str], unexpected: list[str]) -> str:
    found = {"missing": missing, "unexpected": unexpected}
    return "; ".join(f"{what}: {some(names)}" for what, names in found.items() if names)


def some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
