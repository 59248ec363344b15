"""The row tile of sums with few products, as in a first layer: all pixels of a strip in one call.

    c[places[i], 0:columns] = bias + Σt a[rows[i] + at[t]] b[t, 0:columns]        i in 0..6 tiles, t in 0..count

There `rowtile.py` takes longer to be called, and to begin, than to sum up. The sums are made in the same order, so that
the bits are the same. Columns are one strip, whole. Addresses, offsets and table entries are in bytes.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import symbol
from pullback.kernels.lanes import LANES, Sum, Vector, Whole, broadcast, entry
from pullback.kernels.rowtile import COLUMNS, ROWS, VECTORS
from pullback.kernels.tile import BYTES, FLOAT, FUSED, I64, RELU, WIDTH, int64, rolled, soon

MOST = 32  # products
SIGNATURE = types.void(*[int64] * 11)


def suits(products, groups, outs):
    """Measured on Zen 3: with 8 lanes a pixel takes twice as many tiles as with 16, and each is over sooner."""
    return WIDTH == 8 and products <= MOST and groups == 1 and outs % COLUMNS == 0


@intrinsic
def tile(typing, a, rows, at, count, b, c, places, tiles, ahead, bias, flags):
    def emit(context, build, signature, args):
        a, rows, at, count, b, c, places, tiles, ahead, bias, flags = args
        memory, nothing = Whole(build, WIDTH), Vector(build, ir.Constant(LANES, [0.0] * WIDTH))
        fma = cgutils.get_or_insert_function(
            build.module, ir.FunctionType(LANES, [LANES] * 3), f"llvm.{FUSED}.v{WIDTH}f32"
        )
        given = lambda flag: build.if_then(build.icmp_signed("!=", flag, I64(0)))

        with cgutils.for_range(build, tiles) as loop:
            numbers = [build.add(build.mul(loop.index, I64(ROWS)), I64(i)) for i in range(ROWS)]
            starts = [build.inttoptr(build.add(a, entry(build, rows, i)), BYTES) for i in numbers]
            out = [build.add(c, entry(build, places, i)) for i in numbers]
            for place in out:
                soon(build, build.inttoptr(build.add(place, ahead), BYTES))
            sums = [[Sum(nothing) for _ in range(VECTORS)] for _ in range(ROWS)]
            with rolled(build, count) as product:
                shift, weights = entry(build, at, product.index), build.mul(product.index, I64(4 * COLUMNS))
                right = [memory.load(b, build.add(weights, I64(4 * WIDTH * j))) for j in range(VECTORS)]
                for start, row in zip(starts, sums):
                    one = build.load(build.bitcast(build.gep(start, [shift]), FLOAT.as_pointer()))
                    left = broadcast(build, one, WIDTH)
                    for vector, total in zip(right, row):
                        build.store(build.call(fma, [left, vector.value, build.load(total.place)]), total.place)
            every = [(place, j, row[j]) for place, row in zip(out, sums) for j in range(VECTORS)]
            with given(bias):
                for _, j, total in every:
                    total.add(memory.load(bias, I64(4 * WIDTH * j)))
            with given(build.and_(flags, I64(RELU))):
                for _, _, total in every:
                    y = total.value()
                    build.store(y.all(-0.0).where(y < 0.0, y).value, total.place)
            for place, j, total in every:
                memory.store(total.value(), place, I64(4 * WIDTH * j))
        return context.get_dummy_value()

    return SIGNATURE, emit


@symbol(SIGNATURE, "pullback_fewtile")
def few_tiles(a, rows, at, count, b, c, places, tiles, ahead, bias, flags):
    """`ahead`: how far behind a pixel lines are asked for that will be written soon."""
    tile(a, rows, at, count, b, c, places, tiles, ahead, bias, flags)
