"""The sum over a block of pixels, of every channel by itself: the gradient of a bias."""

from functools import reduce

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.lanes import Sum, Vector, Whole, in_groups
from pullback.kernels.tile import I64, WIDTH, int64

TOGETHER = 8  # pixels: one after the other, every addition would wait for the one before


@intrinsic
def add_pixels(typing, pixels, line, pitch, height, width, total, channels):
    """total[c] += Σ pixels[h, w, c]: addresses, and bytes between lines and pixels. Channels are whole vectors.

    The block is added up first: a long sum is more exact in parts.
    """

    def emit(context, build, signature, args):
        pixels, line, pitch, height, width, total, channels = args
        memory, nothing = Whole(build, WIDTH), Vector(build, ir.Constant(ir.VectorType(ir.FloatType(), WIDTH), None))
        with cgutils.for_range_slice(build, I64(0), build.mul(channels, I64(4)), I64(4 * WIDTH), I64) as (c, _):
            found = Sum(nothing)
            with cgutils.for_range(build, height) as h:
                start = build.add(build.add(pixels, c), build.mul(h.index, line))

                def some(count, first):
                    places = [build.mul(build.add(first, I64(k)), pitch) for k in range(count)]
                    found.add(reduce(Vector.__add__, [memory.load(start, place) for place in places]))

                in_groups(build, width, (TOGETHER, 1), some)
            memory.store(memory.load(total, c) + found.value(), total, c)
        return context.get_dummy_value()

    return types.void(*[int64] * 7), emit
