"""The way back of relu, with its sum over the batch, for as many columns as a vector has lanes."""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.lanes import Vector, for_units
from pullback.kernels.tile import I32, WIDTH

int64 = types.int64
INFINITY = 0x7F800000  # of the bits of a float: above are nan and all with a sign, -0.0 too


@intrinsic
def pull_relu(typing, units, rows, y, y_row, gy, gy_row, g, g_row, total):
    """g = f' gy, and total += its sum down the rows. y says what was clipped: there it is -0.0.

    f' of nan is 0, as in the rule.
    """

    def emit(context, build, signature, args):
        units, rows, y, y_row, gy, gy_row, g, g_row, total = args
        largest = ir.Constant(ir.VectorType(I32, WIDTH), [INFINITY] * WIDTH)

        def body(memory):
            zero = memory.load(y).all(0.0)
            added = cgutils.alloca_once_value(build, memory.load(total).value)
            with cgutils.for_range(build, rows) as row:
                of_y, of_gy, of_g = (build.mul(row.index, step) for step in (y_row, gy_row, g_row))
                kept = build.icmp_unsigned("<=", memory.load(y, of_y).bits(), largest)
                pulled = memory.load(gy, of_gy) * zero.all(1.0).where(kept, zero)
                memory.store(pulled, g, of_g)
                build.store((Vector(build, build.load(added)) + pulled).value, added)
            memory.store(Vector(build, build.load(added)), total)

        for_units(build, units, body)
        return context.get_dummy_value()

    return types.void(*[int64] * 9), emit
