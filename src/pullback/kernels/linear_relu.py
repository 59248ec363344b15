"""A chain of linear and relu: the product itself clips. What was clipped is -0.0, and that sign is all that the
derivative needs, so the product's own result is not kept. At 0 itself that derivative is 1, from the right.
"""

import numpy as np

from pullback.kernels import linear
from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.conv_pool import keep
from pullback.kernels.tile import RELU


def takes(rule, x, w, b):
    first, relu = rule.rules
    return relu.kink == "right" and linear.takes(first, x, w, b)


def forward(rule, x, w, b):
    y = linear.weigh(x, w, b, RELU)
    return y, (x, w, b, y)


def vjp(rule, gy, x, w, b, y):
    g = empty(y.shape)
    keep(plain(gy).reshape(g.size), y.reshape(g.size).view(np.int32), g.reshape(g.size))
    return linear.vjp(rule.rules[0], g, x, w)


def saved(rule, x, w, b, y):
    """What the rule keeps. What lay between is computed once more, to the same bits."""
    kept = (x, w), (linear.weigh(x, w, b),)
    return ([(each, its, []) for each, its in zip(rule.rules, kept)],)
