"""Over a row at a time: sigmoid and tanh with their slopes, both accurate where they saturate, relu, sums and copies.

Every loop has few arrays, all of them different: LLVM makes vectors only where few tests tell that no two overlap.
"""

import numpy as np

from pullback.kernels.compiled import part
from pullback.kernels.elementary import exp_of_negative as exp

f = np.float32


@part
def sigmoid_and_slope(z):
    e = exp(-abs(z))
    share = f(1) / (f(1) + e)
    return (share if z >= 0 else e * share), e * share * share


@part
def tanh_and_slope(z):
    e = exp(f(-2) * abs(z))
    share = f(1) / (f(1) + e)
    far = (f(1) - e) * share
    s = z * z  # near 0 a series in z², for 1 - e loses its digits (Cephes)
    p = f(-5.70498872745e-3) * s + f(2.06390887954e-2)
    p = p * s - f(5.37397155531e-2)
    p = p * s + f(1.33314422036e-1)
    p = p * s - f(3.33332819422e-1)
    far = far if z >= 0 else -far
    y = z + z * s * p if abs(z) < f(0.625) else far
    return y, f(4) * e * share * share


@part
def sigmoids_and_slopes(z, y, slope):
    for j in range(z.size):
        y[j], slope[j] = sigmoid_and_slope(z[j])


@part
def tanhs_and_slopes(z, y, slope):
    for j in range(z.size):
        y[j], slope[j] = tanh_and_slope(z[j])


@part
def rectified(z, y):
    for j in range(z.size):
        y[j] = z[j] if not z[j] < 0 else f(0)


@part
def steps_of(z, at_kink, slope):
    """The slope of relu."""
    for j in range(z.size):
        slope[j] = f(1) if z[j] > 0 else at_kink if z[j] == 0 else f(0)


@part
def add(a, y):
    """y += a"""
    for j in range(y.size):
        y[j] += a[j]


@part
def copy(a, y):
    """As much of a as y has room for; with `y[:] = a`, one number would be copied at a time."""
    for j in range(y.size):
        y[j] = a[j]


@part
def copy_rows(a, y):
    for i in range(len(y)):
        copy(a[i], y[i])
