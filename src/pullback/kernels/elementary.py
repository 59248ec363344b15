"""Elementary functions in a form that LLVM turns into vectors: no calls, no branches, no tables.

Exponentials of float32 are for softmax, its kin and the hottest activations (`single`). The others compute in float64
for pointwise kernels, which round once at the end as their rules do: no digit is lost on the way, without the tricks
that would save them. Their errors, as stated, are relative, also as the result tends to 0.
"""

from functools import partial

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic

from pullback.kernels.compiled import part

f = np.float32
exact = partial(part, fastmath={"contract"}, forceinline=True)  # sums keep their order: (x + a) - a means what it says


@intrinsic
def float_of_bits(typing, bits):
    return types.float32(types.int32), lambda c, b, s, a: b.bitcast(a[0], ir.FloatType())


@intrinsic
def bits_of_float(typing, x):
    return types.int32(types.float32), lambda c, b, s, a: b.bitcast(a[0], ir.IntType(32))


@intrinsic
def bits(typing, x):
    return types.int64(types.float64), lambda c, b, s, a: b.bitcast(a[0], ir.IntType(64))


@intrinsic
def of_bits(typing, n):
    return types.float64(types.int64), lambda c, b, s, a: b.bitcast(a[0], ir.DoubleType())


@intrinsic
def larger(typing, a, b):
    """The larger of two numbers, anything if one of them is nan: free of that care, a loop of it runs in lanes."""

    def emit(context, b, signature, args):
        care = ("nnan", "nsz")
        return b.select(b.fcmp_ordered(">", *args, flags=care), *args, flags=care)

    return types.float32(types.float32, types.float32), emit


@exact
def reduced(x, lift):
    """n in the last bits of a number, and r: x = n log 2 + r, for x <= 0. Where 2ⁿ⁺ˡⁱᶠᵗ would be subnormal, it is 0."""
    least = f(-88.03 - 0.6931472 * lift)
    z = least if x < least else x
    shifted = z * f(1.44269504) + f(12582912)  # 1.5 2²³: the last bits are n, rounded
    n = shifted - f(12582912)
    return shifted, z - n * f(0.693359375) + n * f(2.12194440e-4)


@exact
def power(shifted, lift):
    """2ⁿ⁺ˡⁱᶠᵗ"""
    return float_of_bits((bits_of_float(shifted) + np.int32(127 + lift)) << np.int32(23))


@exact
def risen(r):
    """eʳ - 1, for |r| < 0.35 (Cephes)."""
    p = f(1.3981999507e-3) + r * f(1.9875691500e-4)
    p = f(8.3334519073e-3) + r * p
    p = f(4.1665795894e-2) + r * p
    p = f(1.6666665459e-1) + r * p
    p = f(5.0000001201e-1) + r * p
    return r + r * r * p


@exact
def exp_of_negative(x):
    """eˣ for x <= 0, in float32, to 1.3 ulp; 0 where the result is subnormal."""
    shifted, r = reduced(x, 0)
    p = power(shifted, 0)
    return p + p * risen(r)


@exact
def halved(x):
    """2ⁿ and q, with eˣ = 2ⁿ (1 + q) and |q| < 0.42. x is kept within ±700, where float32 has 0 and inf."""
    z = -700.0 if x < -700.0 else x
    z = 700.0 if z > 700.0 else z
    shifted = z * 1.4426950408889634 + 6755399441055744.0  # 1.5 2⁵²: the last bits are n, rounded
    n = shifted - 6755399441055744.0
    r = z - n * 0.6931471805599453 - n * 2.3190468138462996e-17
    p = 2.7620088445409746e-07 + r * 2.510038549551032e-08
    p = 2.7557268459997064e-06 + r * p
    p = 2.4801521295954376e-05 + r * p
    p = 0.00019841269863053618 + r * p
    p = 0.0013888888917213717 + r * p
    p = 0.008333333333330062 + r * p
    p = 0.04166666666662413 + r * p
    p = 0.16666666666666669 + r * p
    p = 0.5 + r * p  # (eʳ - 1 - r) / r² to 2e-16: mpmath.chebyfit
    return of_bits((bits(shifted) << 52) + (1023 << 52)), r + r * r * p


@exact
def exp(x):
    """To 4e-16."""
    power, q = halved(x)
    return power + power * q


@exact
def expm1(x):
    """To 1e-15: where n = 0 it is q."""
    power, q = halved(x)
    return (power - 1.0) + power * q


@exact
def log1p_of_part(e):
    """log(1 + e) for 0 <= e <= 1, to 3e-10: 2 artanh(s), s = e / (2 + e)."""
    s = e / (2.0 + e)
    z = s * s
    p = 0.17464539809175522 + z * 0.20788269330075204
    p = 0.22264725215937278 + z * p
    p = 0.2857030523774091 + z * p
    p = 0.40000010775678546 + z * p
    p = 0.666666666500131 + z * p
    return s * (2.0 + z * p)


@exact
def split(x):
    """k and m, with x = 2ᵏ m and √½ <= m < √2."""
    from_half = bits(x) - 4604544271217802189  # the bits of √½
    k = of_bits(((from_half + (1023 << 52)) >> 52) | 0x4330000000000000) - 4503599627371519.0
    return k, of_bits((from_half & 0xFFFFFFFFFFFFF) + 4604544271217802189)


@exact
def log_of(k, rest):
    """log(2ᵏ (1 + rest)) to 2e-11: log(1 + rest) = 2 artanh(s), s = rest / (2 + rest)."""
    s = rest / (2.0 + rest)
    z = s * s
    p = 0.22191394493175057 + z * 0.19362776836747533
    p = 0.2857175463573276 + z * p
    p = 0.39999998796848674 + z * p
    p = 0.6666666666737545 + z * p
    return k * 0.6931471805599453 + s * (2.0 + z * p)


@exact
def log(x):
    """To 2e-11. x is 0, or normal as a float64."""
    k, m = split(x)
    y = log_of(k, m - 1.0)
    y = y if x > 0.0 else np.nan
    y = -np.inf if x == 0.0 else y
    return y if x < np.inf else x


@exact
def log1p(x):
    """log(1 + x) to 2e-11, for finite x >= 0: where k is 0, x is what 1 has beside it, with all digits."""
    k, m = split(1.0 + x)
    return log_of(k, x if k == 0.0 else m - 1.0)


@exact
def tanh(x):
    """To 2e-15."""
    m = expm1(-2.0 * abs(x))
    y = -m / (2.0 + m)
    return -y if x < 0.0 else y


@exact
def sigmoid(x):
    """To 1e-15, on both sides."""
    e = exp(-abs(x))
    return (e if x < 0.0 else 1.0) / (1.0 + e)


@exact
def softplus(x):
    """log(1 + eˣ), to 3e-10."""
    return (x if x > 0.0 else 0.0) + log1p_of_part(exp(-abs(x)))
