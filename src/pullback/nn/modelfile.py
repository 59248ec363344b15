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

import numpy as np

from pullback.errors import DataError, PullbackError
from pullback.nn import files
from pullback.nn.layers import KINDS
from pullback.nn.residual import Residual
from pullback.nn.sequential import Sequential
from pullback.sizes import Sizes

NESTS = {"Sequential": Sequential, "Residual": Residual}


def read_model(path, shape, classes, tokens=None, rng=None):
    """The model that a TOML file describes; see `build_model`."""
    return build_model(text(path), shape, classes, tokens, rng, source=str(path))


def text(path):
    try:
        return files.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text (UTF-8): {error.reason} at byte {error.start}") from None


def build_model(toml, shape, classes, tokens=None, rng=None, source="the model"):
    """The model that a TOML text describes, for examples of this shape, giving one score per class.

    `tokens` says that the examples are integers, and how many different ones there are: the `num_embeddings` of an
    Embedding that leaves them out.
    """
    try:
        tables = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{source} is not TOML: {error}") from None
    if tables.keys() != {"layer"} or not listed(tables["layer"]):
        raise DataError(f"{source}: needs [[layer]] tables and nothing else, got {', '.join(tables) or 'none'}")
    x = np.zeros((2, *shape), np.float32 if tokens is None else int)  # two examples: some layers mix them
    try:
        model, y = Builder(source, classes, tokens).series(tables["layer"], x, last=True)
    except MemoryError:
        raise DataError(f"{source}: the model is too large for the memory of this machine") from None
    if y.shape[1:] != (classes,):
        wanted = f"needs {classes} scores, one per class, as from a Linear with out_features = {classes}"
        raise DataError(f"{source}: the last layer gives {y.shape[1:]} per example; {wanted}")
    model.draw(rng)
    return model


def listed(tables):
    return isinstance(tables, list) and all(isinstance(table, dict) for table in tables)


class Builder:
    """Tables to layers; x is an array like the input that a layer will get, and what comes back beside a layer is
    one like its output."""

    def __init__(self, source, classes, tokens):
        self.source, self.classes, self.tokens = source, classes, tokens

    def series(self, tables, x, place="", last=False):
        layers = []
        for k, table in enumerate(tables):
            layer, x = self.layer(table, x, f"{place}{k}", last and table is tables[-1])
            layers.append(layer)
        return Sequential(*layers), x

    def layer(self, table, x, place, last):
        """A layer and its output, or what is wrong, and where."""
        options = dict(table)
        kind = options.pop("kind", None)
        where = f"{self.source}: layer {place} ({kind})"
        if kind not in KINDS and kind not in NESTS:
            raise DataError(f"{where}: {unknown('kind of layer', kind, [*KINDS, *NESTS])}")
        try:
            if kind in NESTS:
                layer = self.nest(kind, options, x, place, where)
            else:
                layer = KINDS[kind](**self.complete(KINDS[kind], options, x, where, last))
            return layer, layer.follow(x, lambda name, layer, x: layer.stand_in(x))
        except DataError:
            raise
        except PullbackError as error:
            raise DataError(f"{where} gets {x.shape[1:]} per example: {error}") from None

    def nest(self, kind, options, x, place, where):
        inner = options.pop("layer", [])
        if options or not inner or not listed(inner):
            raise DataError(f"{where}: holds [[layer.layer]] tables and nothing else")
        layers, _ = self.series(inner, x, f"{place}.")
        return NESTS[kind](*layers.layers)

    def complete(self, kind, options, x, where, last):
        """The arguments of a kind, with what was left out read off x."""
        arguments = [name for name in kind.arguments if name not in ("init", "rng")]
        for name in options:
            if name not in arguments:
                raise DataError(f"{where}: {unknown('argument', name, arguments)}")
        sizes = Sizes(kind.rule)
        sizes.bind(kind.rule.inputs[0].axes, x.shape)
        known = {name: sizes.get(letter) for name, (letter, _) in kind.axes.items()}
        known |= {"num_embeddings": self.tokens, "out_features": self.classes if last else None}
        return {name: n for name, n in known.items() if n is not None and name in arguments} | options


def unknown(what, name, known):
    if name is None:
        return f"has no {what}"
    close = get_close_matches(str(name), known, 1, 0.5)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"unknown {what} {name!r}; {advice}"
