"""One pixel of a pool: all channels, whole vectors first and the rest one by one.

What the pixel meets stands in tables: addresses of other pixels, and a number for each.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import part, symbol
from pullback.kernels.lanes import Memory, Vector, broadcast
from pullback.kernels.tile import FLOAT, I64, WIDTH, int64

PLACES = {2: ir.IntType(16), 4: ir.IntType(32)}  # by their bytes
SIX, SEVEN = types.void(*[int64] * 6), types.void(*[int64] * 7)
SUM = types.void(int64, int64, int64, types.float32, int64, int64)


def pixel(build, channels, body):
    """`body(lanes, c)` for every channel c, as many as there are lanes at once."""
    whole = build.and_(channels, I64(-WIDTH))
    with cgutils.for_range_slice(build, I64(0), whole, I64(WIDTH), I64) as (c, _):
        body(WIDTH, c)
    with cgutils.for_range_slice(build, whole, channels, I64(1), I64) as (c, _):
        body(1, c)


def entry(build, table, t, kind=I64):
    return build.load(build.gep(build.inttoptr(table, kind.as_pointer()), [t]))


def make_largest(size):
    place = PLACES[size]

    @intrinsic
    def largest(typing, table, places, taps, y, index, channels):
        def emit(context, build, signature, args):
            table, places, taps, y, index, channels = args

            def body(lanes, c):
                floats = Memory(build, build.mul(c, I64(4)), ir.VectorType(FLOAT, lanes))
                numbers = Memory(build, build.mul(c, I64(size)), ir.VectorType(place, lanes))
                number = lambda t: broadcast(build, build.trunc(entry(build, places, t), place), lanes)
                best = cgutils.alloca_once_value(build, floats.load(entry(build, table, I64(0))).value)
                winner = cgutils.alloca_once_value(build, number(I64(0)))
                with cgutils.for_range(build, taps, start=I64(1)) as loop:
                    x, before = floats.load(entry(build, table, loop.index)).value, build.load(best)
                    beats = build.fcmp_unordered(">", x, before)  # or one of them is nan: then before must not be
                    wins = build.and_(beats, build.fcmp_ordered("==", before, before))
                    build.store(build.select(wins, x, before), best)
                    build.store(build.select(wins, number(loop.index), build.load(winner)), winner)
                floats.store(Vector(build, build.load(best)), y)
                numbers.store(Vector(build, build.load(winner)), index)

            pixel(build, channels, body)
            return context.get_dummy_value()

        return SIX, emit

    return largest


def make_won(size):
    place = PLACES[size]

    @intrinsic
    def won(typing, table, winners, taps, number, gx, channels):
        def emit(context, build, signature, args):
            table, winners, taps, number, gx, channels = args

            def body(lanes, c):
                floats = Memory(build, build.mul(c, I64(4)), ir.VectorType(FLOAT, lanes))
                numbers = Memory(build, build.mul(c, I64(size)), ir.VectorType(place, lanes))
                zero = ir.Constant(floats.kind, [0.0] * lanes)
                mine = broadcast(build, build.trunc(number, place), lanes)
                total = cgutils.alloca_once_value(build, zero)
                with cgutils.for_range(build, taps) as loop:
                    g = floats.load(entry(build, table, loop.index)).value
                    winner = numbers.load(entry(build, winners, loop.index)).value
                    share = build.select(build.icmp_signed("==", winner, mine), g, zero)
                    build.store(build.fadd(build.load(total), share), total)
                floats.store(Vector(build, build.load(total)), gx)

            pixel(build, channels, body)
            return context.get_dummy_value()

        return SIX, emit

    return won


@intrinsic
def _summed(typing, table, factors, taps, after, y, channels):
    def emit(context, build, signature, args):
        table, factors, taps, after, y, channels = args

        def body(lanes, c):
            floats = Memory(build, build.mul(c, I64(4)), ir.VectorType(FLOAT, lanes))
            total = cgutils.alloca_once_value(build, ir.Constant(floats.kind, [0.0] * lanes))
            with cgutils.for_range(build, taps) as loop:
                factor = Vector(build, broadcast(build, entry(build, factors, loop.index, FLOAT), lanes))
                found = Vector(build, build.load(total)) + floats.load(entry(build, table, loop.index)) * factor
                build.store(found.value, total)
            floats.store(Vector(build, build.load(total)) * Vector(build, broadcast(build, after, lanes)), y)

        pixel(build, channels, body)
        return context.get_dummy_value()

    return SUM, emit


_largest2, _largest4, _won2, _won4 = make_largest(2), make_largest(4), make_won(2), make_won(4)


@symbol(SIX, "pullback_largest2")
def largest2(table, places, taps, y, index, channels):
    _largest2(table, places, taps, y, index, channels)


@symbol(SIX, "pullback_largest4")
def largest4(table, places, taps, y, index, channels):
    _largest4(table, places, taps, y, index, channels)


@symbol(SIX, "pullback_won2")
def won2(table, winners, taps, number, gx, channels):
    _won2(table, winners, taps, number, gx, channels)


@symbol(SIX, "pullback_won4")
def won4(table, winners, taps, number, gx, channels):
    _won4(table, winners, taps, number, gx, channels)


@symbol(SUM, "pullback_summed")
def summed_pixel(table, factors, taps, after, y, channels):
    """y[c] = after Σt factors[t] x[table[t], c]"""
    _summed(table, factors, taps, after, y, channels)


@part
def largest_pixel(table, places, taps, y, index, channels, size):
    """y[c] = max t of x[table[t], c], the first of several, nan before all; index[c] is its place, of `size` bytes."""
    if size == 2:
        largest2(table, places, taps, y, index, channels)
    else:
        largest4(table, places, taps, y, index, channels)


@part
def won_pixel(table, winners, taps, number, gx, channels, size):
    """gx[c] = Σt gy[table[t], c] where its winner, of `size` bytes, is this number."""
    if size == 2:
        won2(table, winners, taps, number, gx, channels)
    else:
        won4(table, winners, taps, number, gx, channels)
