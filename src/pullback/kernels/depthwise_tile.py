"""A line of pixels of a depthwise convolution: every channel by itself, whole vectors first and the rest one by one.

What the first pixel meets stands in tables: addresses of other pixels, and of the taps that they meet. Four pixels
share every tap that is loaded, and four sums hide the latency of the fused multiply-add.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import symbol
from pullback.kernels.lanes import Vector, channel_loops, entry, floats
from pullback.kernels.tile import I64, int64

NINE = types.void(*[int64] * 9)
TOGETHER = 4


def in_fours(build, pixels, body):
    """`body(first, how many)` over all pixels."""
    whole = build.and_(pixels, I64(-TOGETHER))
    with cgutils.for_range_slice(build, I64(0), whole, I64(TOGETHER), I64) as (p, _):
        body(p, TOGETHER)
    with cgutils.for_range_slice(build, whole, pixels, I64(1), I64) as (p, _):
        body(p, 1)


@intrinsic
def _forward(typing, table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    def emit(context, build, signature, args):
        table, weights, taps, bias, y, channels, pixels, x_step, y_step = args

        def body(lanes, c):
            still = floats(build, c, lanes, I64(0), I64(0))

            def some(first, count):
                each = [build.add(first, I64(k)) for k in range(count)]
                x, out = ([floats(build, c, lanes, p, step) for p in each] for step in (x_step, y_step))
                sums = [cgutils.alloca_once_value(build, still.load(bias).value) for _ in each]
                with cgutils.for_range(build, taps) as loop:
                    w, place = still.load(entry(build, weights, loop.index)), entry(build, table, loop.index)
                    for here, total in zip(x, sums):
                        build.store((Vector(build, build.load(total)) + here.load(place) * w).value, total)
                for there, total in zip(out, sums):
                    there.store(Vector(build, build.load(total)), y)

            in_fours(build, pixels, some)

        channel_loops(build, channels, body)
        return context.get_dummy_value()

    return NINE, emit


@intrinsic
def _gradient(typing, table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    def emit(context, build, signature, args):
        table, weights, taps, bias, y, channels, pixels, x_step, y_step = args

        def body(lanes, c):
            still = floats(build, c, lanes, I64(0), I64(0))

            def added(to, term):
                """Σ over the line of what `term(pixel)` says, added to a place in memory."""
                zero = ir.Constant(still.kind, [0.0] * lanes)
                sums = [cgutils.alloca_once(build, still.kind) for _ in range(TOGETHER)]
                for total in sums:
                    build.store(zero, total)

                def some(first, count):
                    for k, total in zip(range(count), sums):
                        found = term(Vector(build, build.load(total)), build.add(first, I64(k)))
                        build.store(found.value, total)

                in_fours(build, pixels, some)
                a, b, c, d = (Vector(build, build.load(total)) for total in sums)
                still.store(still.load(to) + ((a + b) + (c + d)), to)

            def gradient(p):
                return floats(build, c, lanes, p, y_step).load(y)

            added(bias, lambda total, p: total + gradient(p))
            with cgutils.for_range(build, taps) as loop:
                place, w = entry(build, table, loop.index), entry(build, weights, loop.index)
                added(w, lambda total, p: total + floats(build, c, lanes, p, x_step).load(place) * gradient(p))

        channel_loops(build, channels, body)
        return context.get_dummy_value()

    return NINE, emit


@symbol(NINE, "pullback_depthwise_line")
def depthwise_line(table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    """y[p, c] = bias[c] + Σt x[table[t] + p, c] w[weights[t], c]"""
    _forward(table, weights, taps, bias, y, channels, pixels, x_step, y_step)


@symbol(NINE, "pullback_depthwise_gradient_line")
def depthwise_gradient_line(table, weights, taps, bias, y, channels, pixels, x_step, y_step):
    """w[weights[t], c] += Σp x[table[t] + p, c] y[p, c],    bias[c] += Σp y[p, c]"""
    _gradient(table, weights, taps, bias, y, channels, pixels, x_step, y_step)
