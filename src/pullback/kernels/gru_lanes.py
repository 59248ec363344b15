"""A step of a gru's cell, there and back, for as many units as a vector has lanes. Blocks stand as n r z v.

All take addresses, the bytes from one block to the next, and how many units there are at most, as in lstm_lanes.py.
There in two passes as well: tanh waits for the gate of the reset.
"""

from numba import types
from numba.extending import intrinsic

from pullback.kernels.lanes import for_units
from pullback.kernels.squash import cleared, falling, sigmoid, tanh
from pullback.kernels.tile import I64, WIDTH

int64 = types.int64
UNITS = 2 * WIDTH


@intrinsic
def forth(typing, units, a, block, stays):
    """a += r v for n, and z as it will be needed; of r and z, e^-a stays where their pre-activations were."""

    def emit(context, build, signature, args):
        units, a, block, stays = args

        def body(memory):
            places = [(a, build.mul(block, I64(k))) for k in range(4)]
            reset, update = (falling(memory.load(*places[k])) for k in (1, 2))
            r, z = (cleared(sigmoid(e)[0]) for e in (reset, update))  # what they open for may be infinite
            memory.store(memory.load(*places[0]) + r * memory.load(*places[3]), *places[0])
            memory.store(z, stays)
            memory.store(reset, *places[1])
            memory.store(update, *places[2])

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 4), emit


@intrinsic
def show(typing, units, a, h, h1, h1_too):
    """h1 = n + z (h - n), where z lies in h1; it is stored in two places."""

    def emit(context, build, signature, args):
        units, a, h, *places = args

        def body(memory):
            n = tanh(memory.load(a))[0]
            new = n + memory.load(places[0]) * (memory.load(h) - n)
            for place in places:
                memory.store(new, place)

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 5), emit


@intrinsic
def back(typing, units, a, block, h, gy, gh, ga, gb):
    """The gradients of all four blocks, and gb += them; gh becomes what goes past the gates to the step before."""

    def emit(context, build, signature, args):
        units, a, block, h, gy, gh, ga, gb = args

        def body(memory):
            shifts = [build.mul(block, I64(k)) for k in range(4)]
            n, n_slope = tanh(memory.load(a, shifts[0]))
            r, r_slope = sigmoid(memory.load(a, shifts[1]))
            e = memory.load(a, shifts[2])
            z, z_slope = sigmoid(e)
            g = memory.load(gh) + memory.load(gy)
            memory.store(g * cleared(z), gh)
            gn = g * cleared(e * z) * n_slope  # e z is 1 - z
            found = gn, gn * memory.load(a, shifts[3]) * r_slope, g * (memory.load(h) - n) * z_slope, gn * cleared(r)
            for shift, pulled in zip(shifts, found):
                memory.store(pulled, ga, shift)
                memory.store(memory.load(gb, shift) + pulled, gb, shift)

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 8), emit
