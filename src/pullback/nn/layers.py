"""The table of layers: torch.nn's names and arguments, `axis` where torch says `dim`, and the rule behind each.

Read a row as: the layer, its rule, where its parameters start, what is put around it, and its arguments in order.
"""

from pullback.discovery import find
from pullback.door import configured
from pullback.errors import OptionError
from pullback.nn.initialisation import normal
from pullback.nn.kind import NEEDED, Kind, axis, fan
from pullback.nn.layer import Layer
from pullback.nn.sequential import Series

# What a rule alone does not say.


def padded(layer, padding_mode):
    """A convolution pads with zeros by itself; the other modes are a rule of their own, in front of it."""
    if padding_mode == "zeros":
        return layer
    if padding_mode not in ("reflect", "replicate", "circular"):
        raise OptionError(
            f"{layer.kind}: padding_mode must be zeros, reflect, replicate or circular, got {padding_mode!r}"
        )
    pad = Layer(configured(find("pad"), {"pad": widths(layer), "mode": padding_mode}), kind="Pad")
    layer.rule = layer.learning = configured(layer.rule, {"padding": 0})
    both = Series({"pad": pad, "": layer})
    both.kind = layer.kind
    return both


def widths(layer):
    """Elements before and behind, the last axis first."""
    rule, kernel = layer.rule, layer.own["weight"].shape[2:]
    if rule.padding == "same":
        spare = [d * (k - 1) for k, d in zip(kernel, rule.dilation)]
        pairs = [(n // 2, n - n // 2) for n in spare]
    else:
        pairs = [(0, 0)] * rule.dims if rule.padding == "valid" else [(n, n) for n in rule.padding]
    return tuple(n for pair in reversed(pairs) for n in pair)


def blank(layer):
    """The row of an Embedding that stands for padding starts as zeros."""
    draw, row = layer.start, layer.rule.padding_idx

    def start(rng):
        own = draw(rng)
        if row is not None:
            own["weight"][row] = 0
        return own

    return Layer(layer.rule, start, kind=layer.kind)


def sleeping(layer):
    """Dropout passes everything on, except in training."""
    layer.rule = configured(layer.rule, {"p": 0.0})
    return layer


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

RNN = Kind("rnn", fan("m"), input_size=axis("n"), hidden_size=axis("m"), num_layers=1, nonlinearity="tanh", bias=True,
           batch_first=False, dropout=0.0, bidirectional=False)
LSTM = Kind("lstm", fan("m"), input_size=axis("n"), hidden_size=axis("m"), num_layers=1, bias=True,
            batch_first=False, dropout=0.0, bidirectional=False, proj_size=0)
GRU = Kind("gru", fan("m"), input_size=axis("n"), hidden_size=axis("m"), num_layers=1, bias=True,
           batch_first=False, dropout=0.0, bidirectional=False)

# Shape, and noise.

Flatten = Kind("flatten", start_axis=1, end_axis=-1)
Select = Kind("select", axis=NEEDED, index=NEEDED)
Dropout = Kind("dropout", None, sleeping, p=0.5)

# Activations: the arguments are those of the rule.

Identity, ReLU, ReLU6, Tanh, Sigmoid = map(Kind, ("identity", "relu", "relu6", "tanh", "sigmoid"))
LeakyReLU, ELU, SELU, CELU, GELU = map(Kind, ("leaky_relu", "elu", "selu", "celu", "gelu"))
SiLU, Mish, Softplus, Softsign, LogSigmoid = map(Kind, ("silu", "mish", "softplus", "softsign", "logsigmoid"))
Hardswish, Hardsigmoid, Hardtanh, Threshold = map(Kind, ("hardswish", "hardsigmoid", "hardtanh", "threshold"))
Hardshrink, Softshrink, Tanhshrink, GLU = map(Kind, ("hardshrink", "softshrink", "tanhshrink", "glu"))
Softmax, Softmin, LogSoftmax = map(Kind, ("softmax", "softmin", "log_softmax"))
PReLU = Kind("prelu", 0.25, num_parameters=axis("p"))

# fmt: on

KINDS = {name: kind for name, kind in vars().items() if isinstance(kind, Kind)}
for name, kind in KINDS.items():
    kind.name = name

__all__ = list(KINDS)
