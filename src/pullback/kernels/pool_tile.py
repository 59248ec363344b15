"""A line of pixels whose windows look alike: all channels, whole vectors first and the rest one by one.

What the first pixel meets stands in tables: addresses of other pixels, and a number for each. What the next one meets
lies a step further on.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import part, symbol
from pullback.kernels.lanes import Memory, Vector, broadcast, clipped
from pullback.kernels.tile import FLOAT, I64, WIDTH, int64

PLACES = {2: ir.IntType(16), 4: ir.IntType(32)}  # by their bytes
SUM, LARGEST, WON = (types.void(*[int64] * n) for n in (8, 12, 13))


def channel_loops(build, channels, body):
    """`body(lanes, c)` for every channel c, as many as there are lanes at once."""
    whole = build.and_(channels, I64(-WIDTH))
    with cgutils.for_range_slice(build, I64(0), whole, I64(WIDTH), I64) as (c, _):
        body(WIDTH, c)
    with cgutils.for_range_slice(build, whole, channels, I64(1), I64) as (c, _):
        body(1, c)


def entry(build, table, t, kind=I64):
    return build.load(build.gep(build.inttoptr(table, kind.as_pointer()), [t]))


def floats(build, c, lanes, pixel, step):
    return Memory(build, build.add(build.mul(c, I64(4)), build.mul(pixel, step)), ir.VectorType(FLOAT, lanes))


@intrinsic
def _summed(typing, table, factors, taps, y, channels, pixels, x_step, y_step):
    def emit(context, build, signature, args):
        table, factors, taps, y, channels, pixels, x_step, y_step = args
        with cgutils.for_range(build, pixels) as line:

            def body(lanes, c):
                x, out = (floats(build, c, lanes, line.index, step) for step in (x_step, y_step))
                total = cgutils.alloca_once_value(build, ir.Constant(x.kind, [0.0] * lanes))
                with cgutils.for_range(build, taps) as loop:
                    factor = Vector(build, broadcast(build, entry(build, factors, loop.index, FLOAT), lanes))
                    found = Vector(build, build.load(total)) + x.load(entry(build, table, loop.index)) * factor
                    build.store(found.value, total)
                out.store(Vector(build, build.load(total)), y)

            channel_loops(build, channels, body)
        return context.get_dummy_value()

    return SUM, emit


def make_largest(size):
    place = PLACES[size]

    @intrinsic
    def largest(typing, table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip):
        def emit(context, build, signature, args):
            table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip = args
            clipping = build.icmp_signed("!=", clip, I64(0))
            with cgutils.for_range(build, pixels) as line:
                moved = build.mul(line.index, advance)

                def body(lanes, c):
                    x, out = (floats(build, c, lanes, line.index, step) for step in (x_step, y_step))
                    here = build.add(build.mul(c, I64(size)), build.mul(line.index, n_step))
                    numbers = Memory(build, here, ir.VectorType(place, lanes))

                    def number(t):
                        return broadcast(build, build.trunc(build.add(entry(build, places, t), moved), place), lanes)

                    def element(t):
                        return clipped(x.load(entry(build, table, t)), clipping).value

                    best = cgutils.alloca_once_value(build, element(I64(0)))
                    winner = cgutils.alloca_once_value(build, number(I64(0)))
                    with cgutils.for_range(build, taps, start=I64(1)) as loop:
                        found, before = element(loop.index), build.load(best)
                        beats = build.fcmp_unordered(">", found, before)  # or one of them is nan: but not before
                        wins = build.and_(beats, build.fcmp_ordered("==", before, before))
                        build.store(build.select(wins, found, before), best)
                        build.store(build.select(wins, number(loop.index), build.load(winner)), winner)
                    out.store(Vector(build, build.load(best)), y)
                    numbers.store(Vector(build, build.load(winner)), index)

                channel_loops(build, channels, body)
            return context.get_dummy_value()

        return LARGEST, emit

    return largest


def make_won(size):
    place = PLACES[size]

    @intrinsic
    def won(typing, table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked):
        def emit(context, build, signature, args):
            table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked = args
            masking = build.icmp_signed("!=", masked, I64(0))
            with cgutils.for_range(build, pixels) as line:
                mine = build.trunc(build.add(number, build.mul(line.index, advance)), place)

                def body(lanes, c):
                    g, out = (floats(build, c, lanes, line.index, step) for step in (g_step, x_step))
                    here = build.add(build.mul(c, I64(size)), build.mul(line.index, n_step))
                    numbers, zero = Memory(build, here, ir.VectorType(place, lanes)), ir.Constant(g.kind, [0.0] * lanes)
                    wanted, total = broadcast(build, mine, lanes), cgutils.alloca_once_value(build, zero)
                    with cgutils.for_range(build, taps) as loop:
                        winner = numbers.load(entry(build, winners, loop.index)).value
                        found = g.load(entry(build, table, loop.index)).value
                        share = build.select(build.icmp_signed("==", winner, wanted), found, zero)
                        build.store(build.fadd(build.load(total), share), total)
                    with build.if_then(masking):
                        alive = build.fcmp_ordered(">=", out.load(signs).value, zero)
                        build.store(build.select(alive, build.load(total), zero), total)
                    out.store(Vector(build, build.load(total)), gx)

                channel_loops(build, channels, body)
            return context.get_dummy_value()

        return WON, emit

    return won


_largest2, _largest4, _won2, _won4 = make_largest(2), make_largest(4), make_won(2), make_won(4)


@symbol(SUM, "pullback_summed_line")
def summed_line(table, factors, taps, y, channels, pixels, x_step, y_step):
    """y[p, c] = Σt factors[t] x[table[t] + p, c]"""
    _summed(table, factors, taps, y, channels, pixels, x_step, y_step)


@symbol(LARGEST, "pullback_largest_line2")
def largest2(table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip):
    _largest2(table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip)


@symbol(LARGEST, "pullback_largest_line4")
def largest4(table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip):
    _largest4(table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip)


@symbol(WON, "pullback_won_line2")
def won2(table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked):
    _won2(table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked)


@symbol(WON, "pullback_won_line4")
def won4(table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked):
    _won4(table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked)


@part
def largest_line(size, table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip):
    """y[p, c] = max t of x[table[t] + p, c], the first of several, nan before all; index, of `size` bytes, says which.

    If `clip` is set, of relu(x).
    """
    if size == 2:
        largest2(table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip)
    else:
        largest4(table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip)


@part
def won_line(size, table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked):
    """gx[p, c] = Σt gy[table[t] + p, c] where the winner, of `size` bytes, is number + p advance.

    If `masked` is set, only where what lies at `signs` is not negative.
    """
    if size == 2:
        won2(table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked)
    else:
        won4(table, winners, taps, number, gx, channels, pixels, g_step, n_step, x_step, advance, signs, masked)
