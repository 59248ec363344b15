"""Layers of numpy-ml, NumPy implementations for study."""

import collections
import collections.abc

collections.Hashable = collections.abc.Hashable  # a name that Python has removed, and numpy-ml still uses

from inputs import CHANNELS_LAST, ROWS, TOKENS  # noqa: E402
from numpy_ml.neural_nets import activations  # noqa: E402
from numpy_ml.neural_nets.layers import layers  # noqa: E402

ACTIVATIONS = "Affine ELU Exponential HardSigmoid LeakyReLU ReLU SELU Sigmoid SoftPlus Tanh"
TANH = activations.Tanh()


def cases():
    for name in ACTIVATIONS.split():
        f = getattr(activations, name)()
        yield name, f.fn, f.grad, [ROWS]
    yield "FullyConnected", layers.FullyConnected(3, TANH), None, [ROWS]
    yield "Softmax", layers.Softmax(), None, [ROWS]
    yield "BatchNorm1D", layers.BatchNorm1D(), None, [ROWS]
    yield "BatchNorm2D", layers.BatchNorm2D(), None, [CHANNELS_LAST]
    yield "LayerNorm1D", layers.LayerNorm1D(), None, [ROWS]
    yield "LayerNorm2D", layers.LayerNorm2D(), None, [CHANNELS_LAST]
    yield "Conv1D", layers.Conv1D(3, 2, pad=1, stride=2, act_fn=TANH), None, [(2, 7, 3)]
    yield "Conv1D, dilated", layers.Conv1D(3, 2, dilation=1, act_fn=TANH), None, [(2, 7, 3)]
    yield "Conv2D", layers.Conv2D(3, (2, 3), pad=1, stride=2, act_fn=TANH), None, [CHANNELS_LAST]
    yield "Deconv2D", layers.Deconv2D(3, (2, 2), stride=2, act_fn=TANH), None, [(2, 3, 4, 3)]
    yield "Pool2D, max", layers.Pool2D((2, 2), stride=2, mode="max"), None, [CHANNELS_LAST]
    yield "Pool2D, average", layers.Pool2D((2, 2), stride=2, mode="average"), None, [CHANNELS_LAST]
    yield "Embedding", layers.Embedding(4, 7), None, [TOKENS]
    yield "DotProductAttention", layers.DotProductAttention(), None, [(2, 3, 4), (2, 5, 4), (2, 5, 6)]
    yield "Multiply", layers.Multiply(TANH), None, [[ROWS, ROWS]]
    yield "Add", layers.Add(TANH), None, [[ROWS, ROWS]]
