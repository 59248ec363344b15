"""Elementary functions of float32 in a form that LLVM turns into vectors: no calls, no branches, no tables."""

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic

from pullback.kernels.compiled import part

f = np.float32


@intrinsic
def float_of_bits(typing, bits):
    return types.float32(types.int32), lambda c, b, s, a: b.bitcast(a[0], ir.FloatType())


@part
def power_of_two(n):
    return float_of_bits((n + np.int32(127)) << np.int32(23))


@part
def exp(x):
    """To 1.3 ulp: x = n log 2 + r, 2ⁿ from the bits, a polynomial for eʳ (Cephes). 0 where the result is subnormal."""
    z = min(max(x, f(-88)), f(88.72))
    n = np.floor(z * f(1.44269504) + f(0.5))
    r = z - n * f(0.693359375) + n * f(2.12194440e-4)
    p = f(1.9875691500e-4)
    p = p * r + f(1.3981999507e-3)
    p = p * r + f(8.3334519073e-3)
    p = p * r + f(4.1665795894e-2)
    p = p * r + f(1.6666665459e-1)
    p = p * r + f(5.0000001201e-1)
    p = p * r * r + r + f(1)
    half = np.int32(n) >> np.int32(1)  # 2ⁿ in two factors, for 2¹²⁸ is no number
    y = p * power_of_two(half) * power_of_two(np.int32(n) - half)
    y = y if x >= f(-87.33) else f(0)
    y = y if x <= f(88.72) else f(np.inf)
    return y if x == x else x
