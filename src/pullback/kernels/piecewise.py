"""Activations made of pieces, as functions of one number. Comparisons are such that nan comes through."""

import numpy as np

from pullback.kernels import pointwise
from pullback.kernels.elementary import exact


@exact
def identity(x):
    return x


@exact
def one(x):
    return 1.0


@exact
def clip(x, low, high):
    x = low if x < low else x
    return high if x > high else x


@exact
def between(x, low, high):
    return 1.0 if (low <= x) & (x < high) else 0.0


@exact
def relu(x):
    return 0.0 if x < 0.0 else x


@exact
def relu_slope(x):
    return 1.0 if x >= 0.0 else 0.0


@exact
def relu6(x):
    return clip(x, 0.0, 6.0)


@exact
def relu6_slope(x):
    return between(x, 0.0, 6.0)


@exact
def leaky_relu(x, negative_slope):
    return negative_slope * x if x < 0.0 else x


@exact
def leaky_relu_slope(x, negative_slope):
    return negative_slope if x < 0.0 else 1.0


@exact
def clamp_slope(x, low, high):
    return 1.0 if (low <= x) & ((x < high) | (high == np.inf)) else 0.0


@exact
def hardsigmoid(x):
    return clip(x + 3.0, 0.0, 6.0) / 6.0


@exact
def hardsigmoid_slope(x):
    return between(x, -3.0, 3.0) / 6.0


@exact
def hardswish(x):
    middle = clip(x, -3.0, 3.0)
    return x if x >= 3.0 else middle * (middle + 3.0) / 6.0


@exact
def hardswish_slope(x):
    inside = (2.0 * x + 3.0) / 6.0
    return inside if (x >= -3.0) & (x < 3.0) else 1.0 if x >= 3.0 else 0.0


@exact
def softshrink(x, lambd):
    return x - clip(x, -lambd, lambd)


@exact
def softshrink_slope(x, lambd):
    return 1.0 if (x < -lambd) | (x >= lambd) else 0.0


@exact
def hardshrink(x, lambd):
    return 0.0 if abs(x) <= lambd else x


@exact
def hardshrink_slope(x, lambd):
    return 1.0 if abs(x) > lambd else 0.0


@exact
def threshold(x, place, value):
    return value if x <= place else x


@exact
def threshold_slope(x, place, value):
    return 1.0 if x > place else 0.0


TABLE = {
    "Identity": (identity, one),
    "ReLU": (relu, relu_slope),
    "ReLU6": (relu6, relu6_slope),
    "LeakyReLU": (leaky_relu, leaky_relu_slope),
    "Hardtanh": (clip, between),
    "Clamp": (clip, clamp_slope),
    "Hardsigmoid": (hardsigmoid, hardsigmoid_slope),
    "Hardswish": (hardswish, hardswish_slope),
    "Softshrink": (softshrink, softshrink_slope),
    "Hardshrink": (hardshrink, hardshrink_slope),
    "Threshold": (threshold, threshold_slope),
}
takes, made_for = pointwise.of(TABLE)
