"""Transposed convolution: the maps of a convolution, the other way round."""

from pullback.kernels.conv import correlated, spread, weigh
from pullback.kernels.images import channels_last


def takes(rule, x, w, b):
    return 0 not in (*x.shape, *w.shape)


def forward(rule, x, w, b):
    x = channels_last(x, rule.dims)
    return spread(rule, x, w, b, rule.out(rule.space(x), rule.space(w))), (x, w)


def jvp(rule, tx, tw, tb, x, w):
    out = rule.out(rule.space(x), rule.space(w))
    ty = spread(rule, tx, w, tb, out)
    ty += spread(rule, x, tw, None, out)
    return ty


def vjp(rule, gy, x, w):
    gy = channels_last(gy, rule.dims)
    gx = lambda: correlated(rule, gy, w, None, rule.space(x))
    gw = lambda: weigh(rule, x, gy, w)[0]
    gb = lambda: rule.sum_bias(gy)
    return gx, gw, gb
