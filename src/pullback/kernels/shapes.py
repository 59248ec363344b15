"""flatten and select: what cannot share the memory of x lies in memory that was used before.

An image has its channels last in memory, and its rows of features have them first: that is a transpose.
"""

from functools import partial
from math import prod

import numpy as np

from pullback.kernels import images
from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty


def takes(rule, x):
    return type(rule).__name__ in METHODS and 0 not in x.shape


def made_for(rule):
    return {name: partial(method, rule) for name, method in METHODS[type(rule).__name__].items()}


def flatten(rule, x):
    return flattened(rule, x), (x.shape, x.dtype)


def flatten_jvp(rule, tx, n, dtype):
    return flattened(rule, tx)


def flatten_vjp(rule, gy, n, dtype):
    return gy.reshape(n)


def flattened(rule, x):
    first, last = rule.start_axis % x.ndim, rule.end_axis % x.ndim
    return (x if in_line(x, first, last) else copied(x)).reshape(rule.out(x.shape))


def in_line(x, first, last):
    """Do the elements of these axes lie at equal distances? Then no copy is needed."""
    axes = [k for k in range(first, last + 1) if x.shape[k] > 1]
    return all(x.strides[k] == x.strides[after] * x.shape[after] for k, after in zip(axes, axes[1:]))


def copied(x):
    """With the elements one after the other."""
    inside = x.transpose(images.order(x.ndim, x.ndim - 2)) if x.ndim > 2 else x
    if inside is x or not (inside.flags.c_contiguous and inside.flags.aligned):
        return plain(x)
    y, (batch, channels) = empty(x.shape), x.shape[:2]
    images.turn(inside.reshape(batch, prod(x.shape[2:]), channels), y.reshape(batch, channels, prod(x.shape[2:])))
    return y


def select(rule, x):
    return rule.forward(x)


def select_vjp(rule, gy, n, dtype):
    gx = empty(n)
    gx.fill(0)
    np.moveaxis(gx, rule.axis, 0)[rule.index] = gy
    return gx


METHODS = {
    "Flatten": {"forward": flatten, "jvp": flatten_jvp, "vjp": flatten_vjp},
    "Select": {"forward": select, "vjp": select_vjp},
}
