"""The rows of the table: what is computed, and what we want of it.

All in float32: forward and backward, with the optimiser's step where a row trains. `must` and `aim` are ratios against
the best peer. Work is counted as the algorithm needs it: multiply-adds twice, memory as compulsory reads and writes,
each array once on the way there and once on the way back.
"""

from typing import Any, NamedTuple

MULTIPLY, COPY = 0.75, 0.7  # of the roofline, wanted of what is bound by arithmetic, and by memory


class Row(NamedTuple):
    name: str
    kind: str  # which function of the libraries' files builds it
    sizes: dict[str, Any]
    must: float
    aim: float
    flops: float = 0  # 0: bound by memory
    bytes: float = 0
    share: float = MULTIPLY  # of the roofline, wanted


def mlp(name, layers, batch, optimizer, must, aim):
    flops = sum(6 * batch * i * o for i, o in zip(layers, layers[1:])) - 2 * batch * layers[0] * layers[1]
    return Row(name, "mlp", dict(layers=layers, batch=batch, optimizer=optimizer), must, aim, flops)


def conv(name, batch, i, o, size, must, aim=2.0, k=3, stride=1, padding=None, groups=1, first=False):
    padding = k // 2 if padding is None else padding
    out = (size + 2 * padding - k) // stride + 1
    sizes = dict(batch=batch, i=i, o=o, size=size, k=k, stride=stride, padding=padding, groups=groups, first=first)
    flops = 2 * batch * out * out * o * (i // groups) * k * k * (2 if first else 3)
    moved = 4 * batch * ((2 if first else 3) * i * size * size + 2 * o * out * out)  # x, and gx if wanted; y and gy
    few = first or groups > 1  # products for every number that is moved
    return Row(name, "conv", sizes, must, aim, 0 if few else flops, moved, COPY if few else MULTIPLY)


def recurrent(kind, gates, t, batch, n, m, must, aim):
    flops = 6 * t * batch * gates * m * (n + m)
    return Row(
        f"{kind} {t}x{batch} {n}-{m}", "recurrent", dict(kind=kind, t=t, batch=batch, n=n, m=m), must, aim, flops
    )


def pointwise(name, moved, must, aim, share=COPY):
    shape = (8192, 1024)
    return Row(name, "pointwise", dict(name=name, shape=shape), must, aim, 0, 4 * moved * shape[0] * shape[1], share)


def xent(batch, classes, must, aim):
    sizes, moved = dict(batch=batch, classes=classes), 8 * batch * classes
    return Row(f"xent {batch}x{classes}", "xent", sizes, must, aim, 0, moved, COPY)


def pool(kind):
    n = 64 * 64 * 28 * 28
    return Row(f"{kind} pool", "pool", dict(kind=kind, shape=(64, 64, 28, 28)), 1.3, 2.0, 0, 4 * (n + n / 4) * 2, COPY)


def attention(causal):
    batch, heads, t, d = 8, 8, 256, 64
    flops = 2 * batch * heads * t * t * d * 6 / (2 if causal else 1)
    name = "attention causal" if causal else "attention"
    return Row(name, "attention", dict(batch=batch, heads=heads, t=t, d=d, causal=causal), 1.5, 2.5, flops)


CNN_FLOPS = 2 * 64 * (2 * 32 * 28 * 28 * 9 + 3 * 64 * 14 * 14 * 32 * 9 + 3 * 3136 * 128 + 3 * 1280)

ROWS = [
    mlp("mlp-tiny", [64, 64, 64, 10], 32, "momentum", 6, 10),
    mlp("mlp-mid", [784, 512, 512, 10], 128, "adam", 1.3, 1.6),
    mlp("mlp-big", [784, 1024, 1024, 1024, 10], 256, "sgd", 1.0, 1.15),
    Row("cnn", "cnn", dict(batch=64), 1.7, 2.5, CNN_FLOPS),
    conv("conv 64-64 32x32", 32, 64, 64, 32, 1.4),
    conv("conv 64-64 56x56", 8, 64, 64, 56, 1.3),
    conv("conv 128-128 16x16", 32, 128, 128, 16, 1.1),
    conv("conv 32-64 14x14", 64, 32, 64, 14, 1.4),
    conv("conv 1x1", 32, 64, 64, 32, 1.1, 1.5, k=1),
    conv("conv first 3x3", 64, 1, 32, 28, 1.2, 1.5, first=True),
    conv("conv first 5x5", 64, 1, 6, 28, 1.2, 1.5, k=5, padding=2, first=True),
    conv("conv stride 2", 32, 64, 64, 32, 1.2, 1.5, stride=2),
    conv("conv depthwise", 32, 64, 64, 32, 1.5, 1.5, groups=64),
    recurrent("rnn", 1, 64, 32, 64, 128, 1.5, 2.5),
    recurrent("rnn", 1, 28, 64, 28, 64, 1.5, 2.5),
    recurrent("gru", 3, 64, 32, 64, 128, 2.5, 4),
    recurrent("gru", 3, 28, 64, 28, 64, 2.5, 4),
    recurrent("lstm", 4, 64, 32, 64, 128, 1.3, 2),
    recurrent("lstm", 4, 28, 64, 28, 64, 1.3, 2),
    xent(2048, 32000, 8, 10),
    xent(4096, 1000, 3, 4),
    pointwise("gelu", 5, 3, 4),
    pointwise("silu", 5, 3, 4),
    pointwise("sigmoid", 5, 3, 4),
    pointwise("tanh", 5, 3, 4),
    pointwise("softmax", 5, 3, 4, 0.5),
    pointwise("layer_norm", 5, 2.5, 4, 0.5),
    pool("max"),
    pool("avg"),
    attention(False),
    attention(True),
    Row("adam", "adam", dict(n=8_000_000), 1.0, 1.2, 0, 7 * 4 * 8e6, COPY),
]
# No peer has it: what a call costs over NumPy itself, in microseconds, at most.
SMALL = Row("small", "softmax 4x8", {}, must=5, aim=3)
