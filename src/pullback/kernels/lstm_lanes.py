"""A step of an lstm's cell, there and back, for as many units as a vector has lanes: nothing is stored on the way.

`forth` and `back` take addresses, the bytes from one gate to the next, and how many units there are at most. Fewer
than a whole vector are read and written through a mask.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.lanes import LANES, Vector, broadcast
from pullback.kernels.tile import BYTES, I32, I64, WIDTH

int64 = types.int64


class Whole:
    """Vectors in memory."""

    def __init__(self, build):
        self.build = build

    def at(self, address, shift=None):
        place = self.build.inttoptr(address, BYTES)
        return self.build.bitcast(self.build.gep(place, [shift]) if shift else place, LANES.as_pointer())

    def load(self, *place):
        return Vector(self.build, self.build.load(self.at(*place), align=4))

    def store(self, vector, *place):
        self.build.store(vector.value, self.at(*place), align=4)


class Some(Whole):
    """Vectors of which only the first lanes are in memory."""

    def __init__(self, build, units):
        super().__init__(build)
        order = ir.Constant(ir.VectorType(I32, WIDTH), list(range(WIDTH)))
        self.mask = build.icmp_signed("<", order, broadcast(build, build.trunc(units, I32), WIDTH))

    def call(self, what, kind, *args):
        called = ir.FunctionType(kind, [arg.type for arg in args])
        name = f"llvm.masked.{what}.v{WIDTH}f32.p0"
        return self.build.call(cgutils.get_or_insert_function(self.build.module, called, name), args)

    def load(self, *place):
        nothing = ir.Constant(LANES, [0.0] * WIDTH)
        return Vector(self.build, self.call("load", LANES, self.at(*place), I32(4), self.mask, nothing))

    def store(self, vector, *place):
        self.call("store", ir.VoidType(), vector.value, self.at(*place), I32(4), self.mask)


def emitted(build, units, body):
    """body(memory), for a whole vector or for some of its lanes."""
    with build.if_else(build.icmp_signed(">=", units, I64(WIDTH))) as (whole, some):
        with whole:
            body(Whole(build))
        with some:
            body(Some(build, units))


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

        emitted(build, units, body)
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

        emitted(build, units, body)
        return context.get_dummy_value()

    return types.void(*[int64] * 10), emit
