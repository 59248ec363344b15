"""Convolution: images have their channels last in memory, whatever their shapes say, and so have results.

every channel by itself                                       depthwise.py
from few channels to few, at stride 1, no dilation            narrow.py
1 × 1 at stride 1, no groups, few whole strips of channels    one_by_one.py
3 × 3 at stride 1, no dilation, no groups, whole vectors
of channels, 256 pixels or more                               winograd.py, if all results are finite
the same at stride 2, not too many channels                   polyphase.py, if all results are finite
anything else                                                 direct.py, direct_weights.py
"""

from math import prod

import numpy as np

from pullback.kernels import direct, direct_weights, narrow, one_by_one, polyphase, twin_of, winograd
from pullback.kernels.arrays import plain
from pullback.kernels.compiled import kernel
from pullback.kernels.images import channels_last, flat, result, three


def by_itself(groups, w):
    """Is every channel?"""
    return w.shape[1] == 1 and groups == len(w) > 1


def depthwise():
    """Loaded where it is needed: what its tile is made of is compiled then."""
    return twin_of("depthwise")


def takes(rule, x, w, b):
    return 0 not in (*x.shape, *w.shape)


def forward(rule, x, w, b):
    x = channels_last(x, rule.dims)
    return correlate(rule, x, w, b), (x, w)


def jvp(rule, tx, tw, tb, x, w):
    ty = correlate(rule, tx, w, tb)
    ty += correlate(rule, x, tw)
    return ty


def vjp(rule, gy, x, w):
    gy = channels_last(gy, rule.dims)
    return lambda wanted: gradients(rule, gy, x, w, *wanted)


def gradients(rule, gy, x, w, of_x, of_w, of_b):
    """Those that are wanted, and perhaps one more."""
    if of_x and (of_w or of_b) and by_itself(rule.groups, w) and finite(plain(w).reshape(w.size)):
        return together(rule, gy, x, w)
    gx = spread(rule, gy, w, None, rule.space(x)) if of_x else None
    return gx, *(weigh(rule, gy, x, w) if of_w or of_b else (None, None))


# The three maps of rules/convolution.py; the transposed convolution needs them as well.


def correlate(rule, x, w, b=None, flags=0):
    out = rule.out(rule.space(x), rule.space(w))
    return correlated(rule, x, w, b, out, flags)


def correlated(rule, x, w, b, out, flags=0):
    """`flags` are for the tile; depthwise and narrow convolutions have none."""
    dims, windows = rule.dims, three(rule.windows(rule.space(x), w, out))
    y, answer = result(rule.examples(x), out, len(w))
    quick = at_points(rule, windows, w, prod(rule.examples(x)))
    x, w, b = flat(channels_last(x, dims), dims), plain(w), bias(b)
    if by_itself(rule.groups, w) and finite(w.reshape(w.size)):  # it leaves out 0 · inf in the padding
        depthwise().correlate(x, w, b, windows, y)
    elif narrow.suits(windows, rule.groups, *w.shape[:2]):
        narrow.correlate(x, w, b, windows, y)
    elif one_by_one.suits(windows, rule.groups, w.shape[1], len(w)):
        one_by_one.correlate(x, w, b, y, flags)
    elif not (quick and quick.correlate(x, w, b, windows, y, flags)):
        direct.correlate(x, w, b, windows, rule.groups, y, flags)
    return answer


def directly(rule, windows, w, batch):
    """Does neither of the special ways take it?"""
    return not (
        by_itself(rule.groups, w)
        or narrow.suits(windows, rule.groups, *w.shape[:2])
        or at_points(rule, windows, w, batch)
    )


def at_points(rule, windows, w, batch):
    """The module that has fewer multiplications for it, or None."""
    sizes = windows, rule.groups, w.shape[1], len(w), batch
    return next((way for way in (winograd, polyphase) if way.suits(*sizes)), None)


def spread(rule, y, w, b, n):
    w = plain(w)
    if not finite(w.reshape(w.size)):  # where no window reaches, zeros stand here: inf · 0 would come in
        x = rule.spread(y, w, n)
        return x if b is None else x + rule.bias(b)
    dims, windows = rule.dims, three(rule.windows(n, w, rule.space(y)))
    x, answer = result(rule.examples(y), n, rule.groups * w.shape[1])
    quick = at_points(rule, windows, w, prod(rule.examples(y)))
    y, b = flat(channels_last(y, dims), dims), bias(b)
    if by_itself(rule.groups, w):
        depthwise().spread(y, w, b, windows, x)
    elif one_by_one.suits(windows, rule.groups, w.shape[1], len(w)):
        one_by_one.spread(y, w, b, x)
    elif not (quick and quick.spread(y, w, b, windows, x)):
        direct.spread(y, w, b, windows, rule.groups, x)
    return answer


def weigh(rule, y, x, w):
    dims, windows = rule.dims, three(rule.windows(rule.space(x), w, rule.space(y)))
    quick = at_points(rule, windows, w, prod(rule.examples(y)))
    y, x = flat(channels_last(y, dims), dims), flat(channels_last(x, dims), dims)
    if by_itself(rule.groups, w):
        gw, gb = depthwise().weigh(y, x, windows, w.shape)
        if finite(gb):  # and so is y: there was no 0 · inf in the padding to be left out
            return gw, gb
    if narrow.suits(windows, rule.groups, *w.shape[:2]):
        return narrow.weigh(y, x, windows, w.shape)
    if one_by_one.suits(windows, rule.groups, w.shape[1], len(w)):
        return one_by_one.weigh(y, x, w.shape)
    if quick:
        gw, gb = quick.weigh(y, x, windows, w.shape)
        if finite(gw.reshape(gw.size)):
            return gw, gb
    return direct_weights.weigh(y, x, windows, rule.groups, w.shape)


def together(rule, y, x, w):
    """`spread` and `weigh` of a depthwise convolution."""
    dims, windows = rule.dims, three(rule.windows(rule.space(x), w, rule.space(y)))
    gx, answer = result(rule.examples(x), rule.space(x), len(w))
    y_flat, x_flat = flat(channels_last(y, dims), dims), flat(channels_last(x, dims), dims)
    gw, gb = depthwise().weigh_and_spread(y_flat, x_flat, windows, plain(w), gx)
    return answer, *((gw, gb) if finite(gb) else weigh(rule, y, x, w))  # as there


def bias(b):
    return None if b is None else plain(b)


@kernel
def finite(x):
    zero = np.float32(0)
    for i in range(x.size):
        zero += x[i] * np.float32(0)
    return zero == 0
