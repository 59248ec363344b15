"""The table of layers: torch.nn's names and arguments, `axis` where torch says `dim`, and the rule behind each.

Read a row as: the layer, its rule, where its parameters start, what is added to it, and its arguments in order.
"""

from functools import partial
from typing import Any

import numpy as np

from pullback.door import configured
from pullback.errors import OptionError
from pullback.kernels.buffers import empty
from pullback.nn.derivative import Arrays
from pullback.nn.initialisation import normal
from pullback.nn.kind import NEEDED, Kind, axis, fan
from pullback.nn.layer import Layer, Start
from pullback.nn.model import Model
from pullback.nn.sequential import Series

# What a rule alone does not say.


def padded(layer: Layer, padding_mode: str) -> Model:
    """A convolution pads with zeros by itself; the other modes are a rule of their own, in front of it."""
    if padding_mode == "zeros":
        return layer
    if padding_mode not in ("reflect", "replicate", "circular"):
        raise OptionError(f"{layer.kind}: no padding_mode {padding_mode!r}; zeros, reflect, replicate and circular are")
    pad = Pad(widths(layer), padding_mode)
    layer.rule = layer.learning = configured(layer.rule, {"padding": 0})
    return Series({"pad": pad, "": layer}, layer.kind)


def widths(layer: Layer) -> tuple[int, ...]:
    """How many elements a convolution puts before and behind x, the last axis first."""
    options, kernel = layer.rule.options, layer.own["weight"].shape[2:]
    padding = options["padding"]
    if padding == "same":
        spare = [d * (k - 1) for k, d in zip(kernel, options["dilation"])]
        pairs = [(n // 2, n - n // 2) for n in spare]
    else:
        pairs = [(n, n) for n in ((0,) * len(kernel) if padding == "valid" else padding)]
    return tuple(n for pair in reversed(pairs) for n in pair)


def blank(layer: Layer) -> Layer:
    """The row of an Embedding that stands for padding starts as zeros."""
    row = layer.rule.options["padding_idx"]
    if row is not None:
        layer.own["weight"][row] = 0
        layer.start = partial(drawn_but_one, layer.start, row)
    return layer


def drawn_but_one(draw: Start, row: int, rng: np.random.Generator) -> Arrays:
    own = draw(rng)
    own["weight"][row] = 0
    return own


def dropping(layer: Layer) -> Layer:
    """In training a mask says what stays; otherwise everything does, as it is."""
    p = layer.rule.options["p"]
    layer.rule = configured(layer.rule, {"p": 0.0})
    layer.mask = partial(chosen, p)
    return layer


def chosen(p: float, x: Any, rng: np.random.Generator) -> Any:
    """What stays: each element with probability 1 - p."""
    return at_least(p, np.shape(x), rng)


def at_least(p: float, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """1 with the chance 1 - p, else 0, each by itself."""
    drawn = rng.random(dtype=np.float32, out=empty(shape))
    return np.greater_equal(drawn, p, out=drawn)


def dropping_between(layer: Layer, dropout: float) -> Layer:
    """Dropout of what one layer of a recurrent network hands to the next."""
    if not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
        raise OptionError(f"{layer.kind}: needs 0 <= dropout <= 1, got {dropout!r}")
    if dropout and "weight_ih_l1" in layer.own:
        between, width = layer.rule.options["num_layers"] - 1, layer.own["weight_ih_l1"].shape[1]
        layer.mask = partial(chosen_between, dropout, between, width)
    return layer


def chosen_between(p: float, between: int, width: int, x: Any, rng: np.random.Generator) -> Any:
    """The same for `between` layers of so many features, scaled so that the mean stays."""
    kept = at_least(p, (between, *np.shape(x)[:-1], width), rng)
    scale = 1 / (1 - p) if p < 1 else 0.0
    wide = empty(kept.shape, float)  # the rule takes of it what its precision holds
    return np.multiply(kept, scale, out=wide, dtype=float)


# fmt: off

# Dense.

Linear = Kind("linear", fan("i"), in_features=axis("i"), out_features=axis("o"), bias=True)
Embedding = Kind("embedding", normal, blank, num_embeddings=axis("v"), embedding_dim=axis("d"), padding_idx=None)

# Convolution.

Conv1d, Conv2d, Conv3d = (
    Kind(f"conv{d}d", fan("i / groups * prod(k)"), padded,
         in_channels=axis("i"), out_channels=axis("o"), kernel_size=axis("k"), stride=1, padding=0, dilation=1,
         groups=1, bias=True, padding_mode="zeros")
    for d in (1, 2, 3)
)
ConvTranspose1d, ConvTranspose2d, ConvTranspose3d = (
    Kind(f"conv_transpose{d}d", fan("o * prod(k)"),
         in_channels=axis("i"), out_channels=axis("o", shared="groups"), kernel_size=axis("k"), stride=1, padding=0,
         output_padding=0, groups=1, bias=True, dilation=1)
    for d in (1, 2, 3)
)

# Pooling.

MaxPool1d, MaxPool2d, MaxPool3d = (
    Kind(f"max_pool{d}d", kernel_size=NEEDED, stride=None, padding=0, dilation=1, ceil_mode=False) for d in (1, 2, 3)
)
AvgPool1d, AvgPool2d, AvgPool3d = (
    Kind(f"avg_pool{d}d", kernel_size=NEEDED, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
         divisor_override=None)
    for d in (1, 2, 3)
)
LPPool1d, LPPool2d, LPPool3d = (
    Kind(f"lp_pool{d}d", norm_type=NEEDED, kernel_size=NEEDED, stride=None, ceil_mode=False) for d in (1, 2, 3)
)
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = (
    Kind(f"adaptive_max_pool{d}d", output_size=NEEDED) for d in (1, 2, 3)
)
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = (
    Kind(f"adaptive_avg_pool{d}d", output_size=NEEDED) for d in (1, 2, 3)
)

# Normalisation.

BatchNorm1d, BatchNorm2d, BatchNorm3d = (
    Kind("batch_norm", num_features=axis("c"), eps=1e-5, momentum=0.1, affine=True) for _ in (1, 2, 3)
)
InstanceNorm1d, InstanceNorm2d, InstanceNorm3d = (
    Kind("instance_norm", num_features=axis("c"), eps=1e-5, affine=False) for _ in (1, 2, 3)
)
LayerNorm = Kind("layer_norm", normalized_shape=axis("n"), eps=1e-5, elementwise_affine=True, bias=True)
RMSNorm = Kind("rms_norm", normalized_shape=axis("n"), eps=None, elementwise_affine=True)
GroupNorm = Kind("group_norm", num_groups=NEEDED, num_channels=axis("c"), eps=1e-5, affine=True)

# Recurrent: what comes out is y alone, of all steps.

RNN = Kind("rnn", fan("m"), dropping_between,
           input_size=axis("n"), hidden_size=axis("m"), num_layers=1, nonlinearity="tanh", bias=True, batch_first=False,
           dropout=0.0, bidirectional=False)
LSTM = Kind("lstm", fan("m"), dropping_between,
            input_size=axis("n"), hidden_size=axis("m"), num_layers=1, bias=True, batch_first=False,
            dropout=0.0, bidirectional=False, proj_size=axis("k", default=0))
GRU = Kind("gru", fan("m"), dropping_between,
           input_size=axis("n"), hidden_size=axis("m"), num_layers=1, bias=True, batch_first=False,
           dropout=0.0, bidirectional=False)

# Shape, and noise.

Flatten = Kind("flatten", start_axis=1, end_axis=-1)
Select = Kind("select", axis=NEEDED, index=NEEDED)
Pad = Kind("pad")
Dropout = Kind("dropout", None, dropping, p=0.5)

# Activations: the arguments are those of the rule.

Identity, ReLU, ReLU6, Tanh, Sigmoid = map(Kind, ("identity", "relu", "relu6", "tanh", "sigmoid"))
LeakyReLU, ELU, SELU, CELU, GELU = map(Kind, ("leaky_relu", "elu", "selu", "celu", "gelu"))
SiLU, Mish, Softplus, Softsign, LogSigmoid = map(Kind, ("silu", "mish", "softplus", "softsign", "logsigmoid"))
Hardswish, Hardsigmoid, Hardtanh, Threshold = map(Kind, ("hardswish", "hardsigmoid", "hardtanh", "threshold"))
Hardshrink, Softshrink, Tanhshrink, GLU = map(Kind, ("hardshrink", "softshrink", "tanhshrink", "glu"))
Softmax, Softmin, LogSoftmax = map(Kind, ("softmax", "softmin", "log_softmax"))
PReLU = Kind("prelu", 0.25, num_parameters=axis("p", default=1), kink="right")

# fmt: on

KINDS = {name: kind for name, kind in vars().items() if isinstance(kind, Kind)}
for name, kind in KINDS.items():
    kind.name = name

__all__ = list(KINDS)
