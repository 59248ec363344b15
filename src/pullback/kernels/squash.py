"""sigmoid and tanh, with their slopes, of vectors while code is being emitted. Both come from e^x = p (1 + q).

p is a power of two, and q is accurate where it is small. So e^x - 1 = p q + (p - 1) loses no digits near 0, and e^x
none where it is small: no cases, and no sign to take off and to put back.
"""

import llvmlite.ir as ir

from pullback.kernels.lanes import Vector
from pullback.kernels.tile import I32

FAR = 87.0  # both e^x and e^-x are normal numbers up to here
LEAST = 2e-38  # what is below is 0: so it is where x was infinite


def exponential(x):
    """p and q. Cephes' expf."""
    x = x.all(-FAR).where(x < -FAR, x)
    x = x.all(FAR).where(x > FAR, x)
    shifted = x * 1.44269504 + 12582912.0  # the whole number nearest to it stands in the last bits
    n = shifted - 12582912.0
    r = x - n * 0.693359375 + n * 2.12194440e-4
    q = r * 1.9875691500e-4 + 1.3981999507e-3
    for number in (8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        q = q * r + number
    b, lanes = x.build, x.value.type.count
    whole = lambda number: ir.Constant(ir.VectorType(I32, lanes), [number] * lanes)
    p = b.add(b.shl(shifted.bits(), whole(23)), whole(127 << 23))
    return Vector(b, b.bitcast(p, x.value.type)), q * (r * r) + r


def falling(z):
    """e^-z"""
    p, q = exponential(z * -1.0)
    return p * q + p


def cleared(y):
    return y.all(0.0).where(y < LEAST, y)


def sigmoid(e):
    """Of z, with its slope, where e is e^-z."""
    y = e.all(1.0) / (e + 1.0)
    return y, cleared(e * y * y)


def tanh(z):
    """With its slope."""
    p, q = exponential(z * -2.0)
    e = p * q + p
    share = e.all(1.0) / (e + 1.0)
    return (p * q + (p - 1.0)) * share * -1.0, cleared(e * share * share) * 4.0
