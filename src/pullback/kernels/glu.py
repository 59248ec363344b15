"""Gated linear unit along the last axis: a row holds what is gated, and the gates behind it."""

import numpy as np

from pullback.kernels.arrays import back, last, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.single import sigmoid, sigmoid_slope
from pullback.kernels.threads import parallel

f = np.float32
SHARE = 1 << 14  # elements that are worth a chunk of their own


def takes(rule, x):
    return 0 not in x.shape


@part
def rows(lo, hi, x, y):
    m = y.shape[1]
    for i in range(lo, hi):
        gated(x[i][:m], x[i][m:], y[i])


@part
def gated(a, b, y):
    for j in range(y.size):
        y[j] = a[j] * sigmoid(b[j])


@part
def pulled_rows(lo, hi, gy, x, gx):
    m = gy.shape[1]
    for i in range(lo, hi):
        pulled(gy[i], x[i][:m], x[i][m:], gx[i][:m], gx[i][m:])


@part
def pulled(g, a, b, ga, gb):
    for j in range(g.size):
        ga[j] = g[j] * sigmoid(b[j])
    for j in range(g.size):
        gb[j] = g[j] * (a[j] * sigmoid_slope(b[j]))


@kernel
def fill(x, y):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y))


@kernel
def pull(gy, x, gx):
    parallel(pulled_rows, x.shape[0], max(1, SHARE // x.shape[1]), (gy, x, gx))


def in_rows(x):
    return x.reshape(-1, x.shape[-1])


def forward(rule, x):
    z = last(x, rule.axis)
    y = empty((*z.shape[:-1], z.shape[-1] // 2))
    fill(in_rows(plain(z)), in_rows(y))
    return back(y, rule.axis), (x,)


def vjp(rule, gy, x):
    z = last(x, rule.axis)
    gx = empty(z.shape)
    pull(in_rows(plain(last(gy, rule.axis))), in_rows(plain(z)), in_rows(gx))
    return back(gx, rule.axis)
