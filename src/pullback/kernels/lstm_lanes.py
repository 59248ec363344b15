"""A step of an lstm's cell, there and back, for as many units as a vector has lanes: nothing is stored on the way.

`forth` and `back` take addresses, the bytes from one gate to the next, and how many units there are at most. Fewer
than a whole vector are read and written through a mask.
"""

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic

from pullback.kernels.lanes import LANES, Vector, for_units
from pullback.kernels.tile import I32, I64, WIDTH

int64 = types.int64


def exp_of_negative(x):
    """As in elementary.py."""
    low = x < -87.33
    shifted = x.all(-87.33).where(low, x) * 1.44269504 + 12582912.0
    n = shifted - 12582912.0
    r = x.all(-87.33).where(low, x) - n * 0.693359375 + n * 2.12194440e-4
    p = r * 1.9875691500e-4 + 1.3981999507e-3
    for number in (8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + number
    y = p * (r * r) + r + 1.0
    b, exponent = x.build, ir.Constant(ir.VectorType(I32, WIDTH), [23] * WIDTH)
    power = Vector(b, b.bitcast(b.add(y.bits(), b.shl(shifted.bits(), exponent)), LANES))
    return x.all(0.0).where(low, power)


def sigmoid_and_slope(z):
    e = exp_of_negative(abs(z) * -1.0)
    share = z.all(1.0) / (e + 1.0)
    return (e * share).where(z < 0.0, share), e * share * share


def tanh_and_slope(z):
    """As in cells.py."""
    size, s = abs(z), z * z
    e = exp_of_negative(size * -2.0)
    share = z.all(1.0) / (e + 1.0)
    p = s * -5.70498872745e-3 + 2.06390887954e-2
    for number in (-5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1):
        p = p * s + number
    far = (z.all(1.0) - e) * share
    return (z * s * p + z).where(size < 0.625, (far * -1.0).where(z < 0.0, far)), e * share * share * 4.0


def gates(memory, z, gate):
    """The gates i f g o and their slopes."""
    functions = sigmoid_and_slope, sigmoid_and_slope, tanh_and_slope, sigmoid_and_slope
    return [f(memory.load(z, memory.build.mul(gate, I64(k)))) for k, f in enumerate(functions)]


@intrinsic
def forth(typing, units, z, gate, c, c1, h1, h1_too):
    """c1 = f c + i g, h1 = o tanh(c1), which is stored in two places"""

    def emit(context, build, signature, args):
        units, z, gate, c, c1, *shown = args

        def body(memory):
            (i, _), (f, _), (g, _), (o, _) = gates(memory, z, gate)
            new = f * memory.load(c) + i * g
            h = o * tanh_and_slope(new)[0]
            memory.store(new, c1)
            for place in shown:
                memory.store(h, place)

        for_units(build, units, body)
        return context.get_dummy_value()

    return types.void(*[int64] * 7), emit


@intrinsic
def back(typing, units, z, gate, c, c1, gy, gh, gc, gz, gb):
    """gz, and gb += gz; gh is read only, gc becomes that of the step before."""

    def emit(context, build, signature, args):
        units, z, gate, c, c1, gy, gh, gc, gz, gb = args

        def body(memory):
            (i, i_slope), (f, f_slope), (g, g_slope), (o, o_slope) = gates(memory, z, gate)
            r, slope = tanh_and_slope(memory.load(c1))
            shown = memory.load(gh) + memory.load(gy)
            gm = memory.load(gc) + shown * o * slope  # through h1 = o tanh(c1) as well
            memory.store(gm * f, gc)
            before = memory.load(c)
            found = gm * g * i_slope, gm * before * f_slope, gm * i * g_slope, shown * r * o_slope
            for k, pulled in enumerate(found):
                shift = build.mul(gate, I64(k))
                memory.store(pulled, gz, shift)
                memory.store(memory.load(gb, shift) + pulled, gb, shift)

        for_units(build, units, body)
        return context.get_dummy_value()

    return types.void(*[int64] * 10), emit
