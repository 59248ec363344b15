"""Losses of the difference x - t, as functions of two numbers."""

import numpy as np

from pullback.kernels import pairwise
from pullback.kernels.elementary import exact
from pullback.kernels.pairwise import Row
from pullback.kernels.piecewise import clip


@exact
def squared(x, t):
    return (x - t) * (x - t)


@exact
def squared_x(x, t):
    return 2.0 * (x - t)


@exact
def squared_t(x, t):
    return 2.0 * (t - x)


@exact
def absolute(x, t, at_kink):
    return abs(x - t)


@exact
def absolute_x(x, t, at_kink):
    d = x - t
    return at_kink if d == 0.0 else 1.0 if d > 0.0 else -1.0 if d < 0.0 else d


@exact
def absolute_t(x, t, at_kink):
    return -absolute_x(x, t, at_kink)


@exact
def huber(x, t, delta):
    size = abs(x - t)
    inner = delta if size > delta else size
    return inner * (size - inner / 2.0)


@exact
def huber_x(x, t, delta):
    return clip(x - t, -delta, delta)


@exact
def huber_t(x, t, delta):
    return clip(t - x, -delta, delta)


@exact
def smooth(x, t, beta):
    return huber(x, t, beta) / beta


@exact
def smooth_x(x, t, beta):
    return huber_x(x, t, beta) / beta


@exact
def smooth_t(x, t, beta):
    return huber_t(x, t, beta) / beta


TABLE = {
    "SquaredError": Row(squared, squared_x, squared_t),
    "AbsoluteError": Row(absolute, absolute_x, absolute_t, lambda rule: (rule.slope_x(np.zeros(())),)),
    "SmoothAbsoluteError": Row(smooth, smooth_x, smooth_t, lambda rule: (rule.beta,)),
    "Huber": Row(huber, huber_x, huber_t, lambda rule: (rule.delta,)),
}
takes, made_for = pairwise.of(TABLE)
