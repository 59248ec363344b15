'''Models out of TOML files: a list of layers, under the names of torch.nn.

    """
    [[layer]]
    kind = "Conv2d"
    out_channels = 16
    kernel_size = 3
    padding = 1

    [[layer]]
    kind = "ReLU"

    [[layer]]
    kind = "Residual"           # or "Sequential": layers in layers
      [[layer.layer]]
      kind = "Conv2d"
      out_channels = 16
      kernel_size = 3
      padding = "same"

    [[layer]]
    kind = "Flatten"

    [[layer]]
    kind = "Linear"
    """

An argument that is a size of what comes in (`in_channels`, `in_features`, `num_features`, `input_size`, ...) may be
left out: it is read off the layer before, or off the data. So may `out_features` of a last Linear: one score per class.
'''

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

import pullback.files as files
from pullback.errors import DataError, PullbackError, TooLargeError
from pullback.nn.kind import Kind
from pullback.nn.layers import KINDS
from pullback.nn.model import Model, Random
from pullback.nn.residual import Residual
from pullback.nn.sequential import Sequential
from pullback.sizes import Sizes

NESTS: dict[str, type[Sequential] | type[Residual]] = {"Sequential": Sequential, "Residual": Residual}
EXAMPLES = 13  # a size that nothing else is likely to have: a layer that takes the examples for channels is found out


def read_model(
    path: str | Path, shape: tuple[int, ...], classes: int, tokens: int | None = None, rng: Random = None
) -> Sequential:
    """The model that a TOML file describes; see `build_model`."""
    return build_model(read_text(path), shape, classes, tokens, rng, source=str(path))


def read_text(path: str | Path) -> str:
    try:
        return files.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text (UTF-8): {error.reason} at byte {error.start}") from None


def build_model(
    toml: str,
    shape: tuple[int, ...],
    classes: int,
    tokens: int | None = None,
    rng: Random = None,
    source: str = "the model",
) -> Sequential:
    """The model that a TOML text describes, for examples of this shape, giving one score per class.

    `tokens` says that the examples are integers, and how many different ones there are: the `num_embeddings` of an
    Embedding that leaves them out. `rng`, a seed or a NumPy Generator, decides the first parameters.
    """
    try:
        tables = tomllib.loads(toml)
    except RecursionError:
        raise DataError(f"{source} is not TOML that can be read: it is nested too deeply") from None
    except ValueError as error:  # also of an integer with thousands of digits
        raise DataError(f"{source} is not TOML: {error}") from None
    if tables.keys() != {"layer"} or not listed(tables["layer"]):
        raise DataError(f"{source}: needs [[layer]] tables and nothing else, got {', '.join(tables) or 'none'}")
    x = np.broadcast_to(np.zeros((), "f4" if tokens is None else int), (EXAMPLES, *shape))
    model, y = Builder(source, classes, tokens).series(tables["layer"], x, last=True)
    if y.shape[1:] != (classes,):
        wanted = f"needs {classes} scores, one per class, as from a Linear with out_features = {classes}"
        raise DataError(f"{source}: the last layer gives {y.shape[1:]} per example; {wanted}")
    model.draw(rng)
    return model


def listed(tables: Any) -> bool:
    return isinstance(tables, list) and bool(tables) and all(isinstance(table, dict) for table in tables)


class Builder:
    """Tables to layers. `x` is an array like what a layer will get; beside the layer comes one like what it gives."""

    def __init__(self, source: str, classes: int, tokens: int | None) -> None:
        self.source, self.classes, self.tokens = source, classes, tokens

    def series(self, tables: list[Any], x: Any, place: str = "", last: bool = False) -> tuple[Sequential, Any]:
        layers = []
        for k, table in enumerate(tables):
            self.kind(table, f"{place}{k}")  # of all of them first: the last may be no layer
        for k, table in enumerate(tables):
            layer, x = self.layer(table, x, f"{place}{k}", last and table is tables[-1])
            layers.append(layer)
        return Sequential(*layers), x

    def layer(self, table: dict[str, Any], x: Any, place: str, last: bool) -> tuple[Model, Any]:
        kind, where = self.kind(table, place)
        options = {name: value for name, value in table.items() if name != "kind"}
        try:
            if kind in NESTS:
                layer = self.nest(kind, options, x, place, where)
            else:
                layer = KINDS[kind](**self.complete(KINDS[kind], options, x, where, last))
            y = layer.follow(x, lambda name, layer, x: layer.stand_in(x))
        except DataError:
            raise
        except TooLargeError as error:
            raise DataError(f"{where} is too large for the memory of this machine: {error}") from None
        except PullbackError as error:
            raise DataError(f"{where} gets {x.shape[1:]} per example: {error}") from None
        except RecursionError:
            raise DataError(f"{where} is nested too deeply") from None
        except (MemoryError, OverflowError, ValueError):  # NumPy's ValueError: a size that it cannot count
            raise DataError(f"{where} is too large for the memory of this machine") from None
        if y.shape[:1] != x.shape[:1]:
            raise DataError(f"{where} gets {x.shape[1:]} per example, and takes the examples for another axis")
        return layer, y

    def kind(self, table: dict[str, Any], place: str) -> tuple[str, str]:
        """What a table makes, and how messages call its place."""
        kind = table.get("kind")
        where = f"{self.source}: layer {place}" + (f" ({kind})" if kind is not None else "")
        if not isinstance(kind, str) or kind not in KINDS and kind not in NESTS:
            raise DataError(f"{where}: {unknown('kind', kind, [*KINDS, *NESTS])}")
        return kind, where

    def nest(self, kind: str, options: dict[str, Any], x: Any, place: str, where: str) -> Model:
        inner = options.pop("layer", None)
        if options or not listed(inner):
            raise DataError(f"{where}: holds [[layer.layer]] tables and nothing else")
        layers, _ = self.series(inner, x, f"{place}.")
        return NESTS[kind](*layers.layers)

    def complete(self, kind: Kind, options: dict[str, Any], x: Any, where: str, last: bool) -> dict[str, Any]:
        """The arguments of a kind, those that were left out read off x."""
        for name in options:
            if name not in kind.arguments:
                raise DataError(f"{where}: {unknown('argument', name, list(kind.arguments))}")
        sizes = Sizes(kind.rule)
        sizes.bind(kind.rule.inputs[0].axes, x.shape)
        found = {name: sizes.get(letter) for name, (letter, *_) in kind.axes.items()}
        found |= {"num_embeddings": self.tokens} | ({"out_features": self.classes} if last else {})
        return {name: n for name, n in found.items() if n is not None and name in kind.arguments} | options


def unknown(what: str, name: Any, known: list[str]) -> str:
    if name is None:
        return f"has no {what}"
    if what == "kind" and str(name).lower().endswith("loss"):
        return f"{name!r} is a loss, and no layer; leave it out: training takes the cross-entropy of the last scores"
    lower = {word.lower(): word for word in known}
    close = get_close_matches(str(name).lower(), lower, 1, 0.5)
    advice = f"did you mean {lower[close[0]]}?" if close else f"there are {', '.join(known) or 'none'}"
    return f"unknown {what} {name!r}; {advice}"
