"""A step of an lstm's cell, there and back, for as many units as a vector has lanes.

All take addresses, the bytes from one gate to the next, and how many units there are at most. Fewer than a whole vector
are read and written through a mask. There in two passes over a row, `forth` and `show`: with tanh(c) behind the gates,
what depends on each other would be so long that a core has no room to begin the next vector meanwhile.
"""

from numba import types
from numba.extending import intrinsic

from pullback.kernels.lanes import for_units
from pullback.kernels.squash import falling, sigmoid, tanh
from pullback.kernels.tile import I64, WIDTH

int64 = types.int64
UNITS = 2 * WIDTH


@intrinsic
def forth(typing, units, z, gate, c, c1, o):
    """c1 = f c + i g, and o; of i, f and o, e^-z stays where z was."""

    def emit(context, build, signature, args):
        units, z, gate, c, c1, o = args

        def body(memory):
            places = [(z, build.mul(gate, I64(k))) for k in range(4)]
            exponentials = [falling(memory.load(*places[k])) for k in (0, 1, 3)]
            i, f, out = (sigmoid(e)[0] for e in exponentials)
            g = tanh(memory.load(*places[2]))[0]
            memory.store(f * memory.load(c) + i * g, c1)
            memory.store(out, o)
            for k, e in zip((0, 1, 3), exponentials):
                memory.store(e, *places[k])

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 6), emit


@intrinsic
def show(typing, units, c1, h1, h1_too):
    """h1 = o tanh(c1), where o lies in h1; it is stored in two places."""

    def emit(context, build, signature, args):
        units, c1, *places = args

        def body(memory):
            h = memory.load(places[0]) * tanh(memory.load(c1))[0]
            for place in places:
                memory.store(h, place)

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 4), emit


@intrinsic
def back(typing, units, z, gate, c, c1, gy, gh, gc, gz, gb):
    """gz, and gb += gz; gh is read only, gc becomes that of the step before."""

    def emit(context, build, signature, args):
        units, z, gate, c, c1, gy, gh, gc, gz, gb = args

        def body(memory):
            functions = sigmoid, sigmoid, tanh, sigmoid
            gates = [f(memory.load(z, build.mul(gate, I64(k)))) for k, f in enumerate(functions)]
            (i, i_slope), (f, f_slope), (g, g_slope), (o, o_slope) = gates
            r, slope = tanh(memory.load(c1))
            shown = memory.load(gh) + memory.load(gy)
            gm = memory.load(gc) + shown * o * slope  # through h1 = o tanh(c1) as well
            memory.store(gm * f, gc)
            before = memory.load(c)
            found = gm * g * i_slope, gm * before * f_slope, gm * i * g_slope, shown * r * o_slope
            for k, pulled in enumerate(found):
                shift = build.mul(gate, I64(k))
                memory.store(pulled, gz, shift)
                memory.store(memory.load(gb, shift) + pulled, gb, shift)

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 10), emit
