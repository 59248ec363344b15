"""Dropout: the mask is scaled, and laid over x, in one pass."""

import numpy as np

from pullback.kernels.arrays import alike, like
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel

f = np.float32
SHARE = 1 << 14  # elements that are worth a chunk of their own


def takes(rule, x, mask):
    return 0 not in x.shape


@part
def masked(lo, hi, x, mask, factor, y):
    x_now, mask_now, out = x[lo:hi], mask[lo:hi], y[lo:hi]
    for i in range(out.size):
        out[i] = x_now[i] * (mask_now[i] * factor)


@kernel
def lay(x, mask, factor, y):
    parallel(masked, x.size, SHARE, (x, mask, factor, y))


def over(x, mask, factor):
    """x mask factor, which lies in memory as x does."""
    y = like(x)
    lay(straight(alike(x, y)), straight(alike(mask, y)), factor, straight(y))
    return y


def straight(a):
    """The elements in the order in which they lie in memory."""
    return a.ravel("K")


def factor_of(rule):
    return f(1 / (1 - rule.p) if rule.p < 1 else 0)


def forward(rule, x, mask):
    mask = alike(mask, x)  # the gradient will most likely lie as x does, too
    return over(x, mask, factor_of(rule)), (mask,)


def vjp(rule, gy, mask):
    return over(gy, mask, factor_of(rule))


def saved(rule, mask):
    return (mask * factor_of(rule),)
