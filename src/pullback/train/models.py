"""The standard networks, as the TOML text that a model file would hold."""

import json
from collections.abc import Callable
from typing import Any

from pullback.errors import DataError
from pullback.nn.modelfile import read_text

Shape = tuple[int, ...]
STAGES = 16, 32, 64  # channels of the convolutions
SMALL = 6  # pixels: too few for another convolution
LARGE = 16  # pixels: smaller images are not halved at once


def layer(kind: str, **options: Any) -> str:
    return "".join(["[[layer]]\n", f'kind = "{kind}"\n', *(f"{k} = {json.dumps(v)}\n" for k, v in options.items())])


def cnn(shape: Shape) -> list[str]:
    """Convolutions of 3 x 3, each stage with more channels and half the pixels, as long as there are enough."""
    size = min(shape[1:])
    layers = stage(STAGES[0], halved=size >= LARGE)
    size //= 2 if size >= LARGE else 1
    for channels in STAGES[1:]:
        if size >= SMALL:
            layers += stage(channels, halved=True)
            size //= 2
    return [*layers, layer("Flatten"), layer("Dropout"), layer("Linear")]


def stage(channels: int, halved: bool) -> list[str]:
    seen = layer("Conv2d", out_channels=channels, kernel_size=3, padding=1)
    return [seen, layer("BatchNorm2d"), layer("ReLU")] + [layer("MaxPool2d", kernel_size=2)] * halved


def mlp(shape: Shape) -> list[str]:
    hidden = [layer("Linear", out_features=128), layer("ReLU")]
    return [layer("Flatten")] * (len(shape) > 1) + hidden + hidden + [layer("Linear")]


def recurrent(kind: str) -> Callable[[Shape], list[str]]:
    """It reads a text character by character, and an image row by row."""

    def layers(shape: Shape) -> list[str]:
        if not shape:
            reads = layer(kind, hidden_size=128, batch_first=True)
            return [layer("Embedding", embedding_dim=64), reads, layer("Linear")]
        rows = layer("Flatten", start_axis=1, end_axis=2)  # of all channels
        reads = layer(kind, hidden_size=96, batch_first=True)
        return [rows, reads, layer("Select", axis=1, index=-1), layer("Linear")]

    return layers


NAMES: dict[str, Callable[[Shape], list[str]]] = {
    "cnn": cnn, "mlp": mlp, "rnn": recurrent("RNN"), "lstm": recurrent("LSTM"), "gru": recurrent("GRU"),
}  # fmt: skip
TAKES = {0: ("rnn", "lstm", "gru"), 1: ("mlp",), 3: ("cnn", "mlp", "rnn", "lstm", "gru")}  # by axes of an example
DEFAULT = {0: "lstm", 1: "mlp", 3: "cnn"}
EXAMPLES = {0: "a text", 1: "rows of features", 3: "images"}


def network(name: str | None, shape: Shape) -> str:
    """The TOML text of a model for examples of this shape (a text: none), by name or from a file."""
    kind = len(shape)
    name = name or DEFAULT[kind]
    if name.endswith(".toml"):
        return read_text(name)
    if name not in NAMES:
        raise DataError(f"no model {name!r}; there are {', '.join(NAMES)}, or give a file that ends in .toml")
    if name not in TAKES[kind]:
        raise DataError(f"{name} cannot read {EXAMPLES[kind]}; {' and '.join(TAKES[kind])} can")
    return "\n".join(NAMES[name](shape))
