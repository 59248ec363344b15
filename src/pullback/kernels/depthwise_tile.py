"""A line of pixels of a depthwise convolution: every channel by itself, in whole vectors.

What the first pixel meets stands in tables: addresses of other pixels, and of the taps that they meet. Six pixels
share every tap that is loaded. Where a row of three taps moves on by a pixel at a time, they share the pixels as well:
eight are loaded for eighteen products. More would not have registers for all their addresses.

Behind the addresses in the table stand two more: what the next line will read, and what it will write, or read as well.
These lines come nearer meanwhile, a pixel for each that is computed.
"""

from functools import reduce

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic

from pullback.kernels.compiled import symbol
from pullback.kernels.lanes import Sum, Vector, broadcast, covering, entry, floats, in_groups
from pullback.kernels.tile import BYTES, I32, I64, WIDTH, int64, soon

NINE = types.void(*[int64] * 9)
TOGETHER = 6  # pixels
FORESEES = WIDTH == 16  # the machine itself: asking ahead gave nothing there, but Zen 3 with its 8 lanes waits without


def approach(build, lanes, c, pixels, *lines):
    """For each line: the table and the entry where its address stands, the bytes between pixels, will it be written?"""
    if FORESEES or lanes < WIDTH:
        return
    for table, k, step, written in lines:
        line = build.inttoptr(build.add(entry(build, table, k), build.mul(c, I64(4))), BYTES)
        for p in pixels:
            soon(build, build.gep(line, [build.mul(p, step)]), written)


def make_line(across):
    """The intrinsic for taps in rows of `across`; pixels lie as far apart as the places of a row."""

    @intrinsic
    def line(typing, table, weights, taps, bias, y, channels, pixels, x_step, y_step):
        def emit(context, build, signature, args):
            table, weights, taps, bias, y, channels, pixels, x_step, y_step = args

            def some(count, first, _):
                each = [build.add(first, I64(k)) for k in range(count + across - 1)]

                def body(lanes, c, _):
                    still = floats(build, c, lanes, I64(0), I64(0))
                    sums = [Sum(still.load(bias)) for _ in range(count)]
                    coming = (table, taps, x_step, False), (table, build.add(taps, I64(1)), y_step, True)
                    approach(build, lanes, c, each[:count], *coming)

                    def row(_, t):
                        w = [still.load(entry(build, weights, build.add(t, I64(k)))) for k in range(across)]
                        place = entry(build, table, t)
                        for j, p in enumerate(each):
                            x = floats(build, c, lanes, p, x_step).load(place)
                            for k in range(across):
                                if 0 <= j - k < count:
                                    sums[j - k].add(x * w[k])

                    in_groups(build, taps, (across,), row)
                    for p, total in zip(each, sums):
                        floats(build, c, lanes, p, y_step).store(total.value(), y)

                covering(build, channels, WIDTH, body)

            covering(build, pixels, TOGETHER, some)
            return context.get_dummy_value()

        return NINE, emit

    return line


def make_gradient(across):
    """The intrinsic for taps in rows of `across`.

    The sums of a few pixels are made in registers and added to those in memory: so pixels are read in the order in
    which they lie there, all channels of one after the other, and the machine foresees what comes next.
    """

    @intrinsic
    def gradient(typing, table, weights, taps, bias, y, channels, pixels, x_step, y_step):
        def emit(context, build, signature, args):
            table, weights, taps, bias, y, channels, pixels, x_step, y_step = args

            def some(count, first):
                each = [build.add(first, I64(k)) for k in range(count + across - 1)]

                def body(lanes, c, again):
                    still = floats(build, c, lanes, I64(0), I64(0))
                    nothing = Vector(build, ir.Constant(still.kind, [0.0] * lanes))
                    number = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
                    fresh = build.icmp_signed(">=", number, broadcast(build, build.trunc(again, I32), lanes))
                    g = [floats(build, c, lanes, p, y_step).load(y) for p in each[:count]]
                    coming = (table, taps, x_step, False), (table, build.add(taps, I64(1)), y_step, False)
                    approach(build, lanes, c, each[:count], *coming)

                    def add(total, to):
                        still.store(still.load(to) + total.where(fresh, nothing), to)

                    def row(_, t):
                        place = entry(build, table, t)
                        x = [floats(build, c, lanes, p, x_step).load(place) for p in each]
                        for k in range(across):
                            products = [x[j + k] * g[j] for j in range(count)]
                            add(reduce(Vector.__add__, products), entry(build, weights, build.add(t, I64(k))))

                    add(reduce(Vector.__add__, g), bias)
                    in_groups(build, taps, (across,), row)

                covering(build, channels, WIDTH, body)

            in_groups(build, pixels, (TOGETHER, 3, 1), some)
            return context.get_dummy_value()

        return NINE, emit

    return gradient


_line, _rows_of_three = make_line(1), make_line(3)
_gradient, _gradient_of_three = make_gradient(1), make_gradient(3)


@symbol(NINE, "pullback_depthwise_line")
def depthwise_line(table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    """y[p, c] = bias[c] + Σt x[table[t] + p, c] w[weights[t], c]"""
    _line(table, weights, taps, bias, y, channels, pixels, x_step, y_step)


@symbol(NINE, "pullback_depthwise_line_of_three")
def depthwise_line_of_three(table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    """The same, where t + 1 is a pixel behind t, and t + 2 another one, for every third t."""
    _rows_of_three(table, weights, taps, bias, y, channels, pixels, x_step, y_step)


@symbol(NINE, "pullback_depthwise_gradient_line")
def depthwise_gradient_line(table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    """w[weights[t], c] += Σp x[table[t] + p, c] y[p, c],    bias[c] += Σp y[p, c]"""
    _gradient(table, weights, taps, bias, y, channels, pixels, x_step, y_step)


@symbol(NINE, "pullback_depthwise_gradient_line_of_three")
def depthwise_gradient_line_of_three(table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    """The same, where t + 1 is a pixel behind t, and t + 2 another one, for every third t."""
    _gradient_of_three(table, weights, taps, bias, y, channels, pixels, x_step, y_step)
