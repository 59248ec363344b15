"""A line of pixels whose windows look alike: all channels, whole vectors first and the rest one by one.

What the first pixel meets stands in tables: addresses of other pixels, and a number for each. What the next one meets
lies a step further on.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import part, symbol
from pullback.kernels.lanes import Vector, broadcast, channel_loops, channels_at, clipped, entry, floats
from pullback.kernels.tile import FLOAT, I64, int64

PLACES = {2: ir.IntType(16), 4: ir.IntType(32)}  # by their bytes
SUM, LARGEST, WON = (types.void(*[int64] * n) for n in (8, 12, 13))
WRITTEN_OUT = 1, 2, 4, 9  # so many taps, one after the other: windows of 2 × 2 and 3 × 3, and their transposes


class Taps:
    """What a window meets, from two tables: an address and a number for each."""

    def __init__(self, build, count, addresses, numbers, kind=I64):
        self.build, self.count, self.addresses, self.numbers, self.kind = build, count, addresses, numbers, kind

    def __getitem__(self, t):
        t = t if isinstance(t, ir.Value) else I64(t)
        return entry(self.build, self.addresses, t), entry(self.build, self.numbers, t, self.kind)

    def each(self, body, start=0):
        with cgutils.for_range(self.build, self.count, start=I64(start)) as loop:
            body(*self[loop.index])


class FewTaps(list):
    """The same, read before any loop begins: all stays in registers."""

    def each(self, body, start=0):
        for tap in self[start:]:
            body(*tap)


def line(build, pixels, channels, taps, body):
    """`body(taps, lanes, pixel, c)` for every channel c of every pixel, as many as there are lanes at once."""

    def loops(taps):
        with cgutils.for_range(build, pixels) as loop:
            channel_loops(build, channels, lambda lanes, c: body(taps, lanes, loop.index, c))

    many, end = build.append_basic_block("many"), build.append_basic_block("end")
    choice = build.switch(taps.count, many)
    for count in WRITTEN_OUT:
        few = build.append_basic_block("few")
        choice.add_case(I64(count), few)
        build.position_at_end(few)
        loops(FewTaps(taps[t] for t in range(count)))
        build.branch(end)
    build.position_at_end(many)
    loops(taps)
    build.branch(end)
    build.position_at_end(end)


@intrinsic
def _summed(typing, table, factors, taps, y, channels, pixels, x_step, y_step):
    def emit(context, build, signature, args):
        table, factors, taps, y, channels, pixels, x_step, y_step = args

        def body(taps, lanes, pixel, c):
            x, out = (floats(build, c, lanes, pixel, step) for step in (x_step, y_step))
            total = cgutils.alloca_once_value(build, ir.Constant(x.kind, [0.0] * lanes))

            def add(place, factor):
                found = x.load(place) * Vector(build, broadcast(build, factor, lanes))
                build.store((Vector(build, build.load(total)) + found).value, total)

            taps.each(add)
            out.store(Vector(build, build.load(total)), y)

        line(build, pixels, channels, Taps(build, taps, table, factors, FLOAT), body)
        return context.get_dummy_value()

    return SUM, emit


def make_largest(size):
    place = PLACES[size]

    @intrinsic
    def largest(typing, table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip):
        def emit(context, build, signature, args):
            table, places, taps, y, index, channels, pixels, x_step, y_step, n_step, advance, clip = args
            clipping = build.icmp_signed("!=", clip, I64(0))

            def body(taps, lanes, pixel, c):
                x, out = (floats(build, c, lanes, pixel, step) for step in (x_step, y_step))
                winners, moved = channels_at(build, c, lanes, pixel, n_step, place), build.mul(pixel, advance)
                element = lambda address, _: clipped(x.load(address), clipping).value
                number = lambda _, there: broadcast(build, build.trunc(build.add(there, moved), place), lanes)
                best = cgutils.alloca_once_value(build, element(*taps[0]))
                winner = cgutils.alloca_once_value(build, number(*taps[0]))

                def challenge(*tap):
                    found, before = element(*tap), build.load(best)
                    beats = build.fcmp_unordered(">", found, before)  # or one of them is nan: but not before
                    wins = build.and_(beats, build.fcmp_ordered("==", before, before))
                    build.store(build.select(wins, found, before), best)
                    build.store(build.select(wins, number(*tap), build.load(winner)), winner)

                taps.each(challenge, start=1)
                out.store(Vector(build, build.load(best)), y)
                winners.store(Vector(build, build.load(winner)), index)

            line(build, pixels, channels, Taps(build, taps, table, places), body)
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

            def body(taps, lanes, pixel, c):
                g, out = (floats(build, c, lanes, pixel, step) for step in (g_step, x_step))
                numbers, zero = channels_at(build, c, lanes, pixel, n_step, place), ir.Constant(g.kind, [0.0] * lanes)
                mine = broadcast(build, build.trunc(build.add(number, build.mul(pixel, advance)), place), lanes)
                total = cgutils.alloca_once_value(build, zero)

                def collect(address, winner):
                    won = build.icmp_signed("==", numbers.load(winner).value, mine)
                    build.store(build.fadd(build.load(total), build.select(won, g.load(address).value, zero)), total)

                taps.each(collect)
                with build.if_then(masking):
                    alive = build.fcmp_ordered(">=", out.load(signs).value, zero)
                    build.store(build.select(alive, build.load(total), zero), total)
                out.store(Vector(build, build.load(total)), gx)

            line(build, pixels, channels, Taps(build, taps, table, winners), body)
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
