"""What a narrow strip leaves for c: a vector of columns at a time, of which c may have some only."""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import part
from pullback.kernels.lanes import LANES, Vector, for_units
from pullback.kernels.tile import ADD, I64, RELU, WIDTH, address

int64 = types.int64


@part
def take_edge(edge, height, width, c, c_row, bias, flags):
    """The columns of a narrow strip that c has."""
    for r in range(height):
        for j in range(0, width, WIDTH):
            shift = bias + 4 * j if bias else 0
            take(width - j, address(edge[r]) + 4 * j, c + r * c_row + 4 * j, shift, flags)


@intrinsic
def take(typing, units, edge, c, bias, flags):
    """c = edge, with what the tile adds and clips."""

    def emit(context, build, signature, args):
        units, edge, c, bias, flags = args
        sums = cgutils.alloca_once(build, LANES)

        def body(memory):
            put = lambda vector: build.store(vector.value, sums)
            now = lambda: Vector(build, build.load(sums))
            put(memory.load(edge))
            for given, place in ((build.and_(flags, I64(ADD)), c), (bias, bias)):
                with build.if_then(build.icmp_signed("!=", given, I64(0))):
                    put(memory.load(place) + now())
            with build.if_then(build.icmp_signed("!=", build.and_(flags, I64(RELU)), I64(0))):
                put(now().all(-0.0).where(now() < 0.0, now()))
            memory.store(now(), c)

        for_units(build, units, body)
        return context.get_dummy_value()

    return types.void(*[int64] * 5), emit
