"""A step of an rnn's cell, there and back, for as many units as a vector has lanes, as in lstm_lanes.py."""

from numba import types
from numba.extending import intrinsic

from pullback.kernels.lanes import for_units
from pullback.kernels.squash import tanh
from pullback.kernels.tile import WIDTH

int64 = types.int64
UNITS = 2 * WIDTH


@intrinsic
def forth(typing, units, z, h1, h1_too):
    """h1 = tanh(z), stored in two places; its slope stays where z was."""

    def emit(context, build, signature, args):
        units, z, *places = args

        def body(memory):
            y, slope = tanh(memory.load(z))
            memory.store(slope, z)
            for place in places:
                memory.store(y, place)

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 4), emit


@intrinsic
def back(typing, units, slope, gy, gh, gz, gb):
    """gz, and gb += gz"""

    def emit(context, build, signature, args):
        units, slope, gy, gh, gz, gb = args

        def body(memory):
            pulled = (memory.load(gh) + memory.load(gy)) * memory.load(slope)
            memory.store(pulled, gz)
            memory.store(memory.load(gb) + pulled, gb)

        for_units(build, units, body, UNITS)
        return context.get_dummy_value()

    return types.void(*[int64] * 6), emit
