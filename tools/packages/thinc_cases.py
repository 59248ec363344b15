"""Layers and operators of thinc. Its layers are meant for single precision."""

import numpy as np
import thinc.api as thinc
from inputs import ROWS

SINGLE = np.random.default_rng(0).normal(size=ROWS).astype("f4")
DENSE = """Linear Maxout Softmax Relu ReluK Sigmoid HardSigmoid HardTanh ClippedLinear Gelu Mish Swish HardSwish
    HardSwishMobilenet"""
OPS = thinc.NumpyOps()
LENGTHS = np.array([2, 1, 1], "i4")


def cases():
    for name in DENSE.split():
        yield name, getattr(thinc, name)(3, 5), None, [SINGLE]
    yield "LayerNorm", thinc.LayerNorm(5), None, [SINGLE]
    yield "residual", thinc.residual(thinc.Linear(5, 5)), None, [SINGLE]
    yield "chain", thinc.chain(thinc.Maxout(4, 5), thinc.LayerNorm(4), thinc.Linear(3, 4)), None, [SINGLE]
    for name in "gelu mish dish hard_sigmoid hard_tanh clipped_linear hard_swish hard_swish_mobilenet".split():
        yield f"ops.{name}", *of_the_input(getattr(OPS, name), getattr(OPS, f"backprop_{name}")), [ROWS]
    for name in "sigmoid relu".split():
        yield f"ops.{name}", *of_the_output(getattr(OPS, name), getattr(OPS, f"backprop_{name}")), [ROWS]
    yield "ops.swish", OPS.swish, lambda dY, X: OPS.backprop_swish(dY, X, OPS.swish(X)), [ROWS]
    for name in "reduce_sum reduce_mean".split():
        yield f"ops.{name}", *over_rows(getattr(OPS, name), getattr(OPS, f"backprop_{name}")), [SINGLE]


def of_the_input(forward, backward):
    return lambda X: forward(X), lambda dY, X: backward(dY, X)


def of_the_output(forward, backward):
    return lambda X: forward(X), lambda dY, output: backward(dY, output)


def over_rows(forward, backward):
    return lambda X: forward(X, LENGTHS), lambda dY, X: backward(dY, LENGTHS)
