"""The register tile of convolutions: like `tile.py`'s, but its rows may lie anywhere.

    c[places[i], 0:columns] (+)= Σt Σk a[rows[i] + at[t] + k step] b[bt[t] + k pitch + 0:columns]        i in 0..6

In a convolution the rows are pixels, wherever their windows begin, and t runs over the taps. In its weight gradient
the rows are the weights, t and k run over the pixels. Two rows may be the same, which fills up the last tile: all is
read before anything is written.

Addresses, offsets and table entries are in bytes. Beyond `columns` b is read, up to whole vectors, and c is not
written; ADD is for whole vectors only.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import part, symbol
from pullback.kernels.tile import ADD, BYTES, FLOAT, FUSED, HAS, I32, I64, RELU, WIDTH, int64, rolled

ROWS = 6
VECTORS = 4 if HAS.get("avx512f") or HAS.get("neon") else 2  # of 32 registers, 24 hold sums; of 16, 12
COLUMNS = WIDTH * VECTORS  # of a strip, at most
LINE = 64  # bytes of a cache line
SIGNATURE = types.void(*[int64] * 14)


def make_tile(vectors):
    vector, mask = ir.VectorType(FLOAT, WIDTH), ir.VectorType(ir.IntType(1), WIDTH)
    every = [(i, j) for i in range(ROWS) for j in range(vectors)]

    @intrinsic
    def tile(typing, a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags):
        def emit(context, build, signature, args):
            a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags = args
            fma_type = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(build.module, fma_type, f"llvm.{FUSED}.v{WIDTH}f32")
            store_type = ir.FunctionType(ir.VoidType(), [vector, vector.as_pointer(), I32, mask])
            masked = cgutils.get_or_insert_function(build.module, store_type, f"llvm.masked.store.v{WIDTH}f32.p0")
            zero, clipped = ir.Constant(vector, [0.0] * WIDTH), ir.Constant(vector, [-0.0] * WIDTH)

            def pointer(address):
                return build.inttoptr(address, BYTES)

            def entry(table, t):
                return build.load(build.gep(build.inttoptr(table, I64.as_pointer()), [t]))

            def lanes(p, j):
                return build.bitcast(build.gep(p, [I64(4 * WIDTH * j)]), vector.as_pointer())

            def load(p, j):
                return build.load(lanes(p, j), align=4)

            def spread(one, kind):
                first = build.insert_element(ir.Constant(ir.VectorType(kind, WIDTH), ir.Undefined), one, I32(0))
                return build.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, WIDTH), [0] * WIDTH))

            def given(flag):
                return build.if_then(build.icmp_signed("!=", flag, I64(0)))

            # Variables on the stack become registers: LLVM sees that nobody takes their address.
            sums = {ij: cgutils.alloca_once_value(build, zero) for ij in every}
            c_rows = [build.gep(pointer(c), [entry(places, I64(i))]) for i in range(ROWS)]

            # What is written to comes into the cache while the sums are made.
            hint = ir.FunctionType(ir.VoidType(), [BYTES, I32, I32, I32])
            prefetch = cgutils.get_or_insert_function(build.module, hint, "llvm.prefetch.p0")
            for c_row in c_rows:
                for line in range(0, 4 * WIDTH * vectors, LINE):
                    build.call(
                        prefetch, [build.gep(c_row, [I64(line)]), I32(1), I32(3), I32(1)]
                    )  # to write, keep, data

            starts = [build.gep(pointer(a), [entry(rows, I64(i))]) for i in range(ROWS)]
            pa = [cgutils.alloca_once(build, BYTES) for _ in range(ROWS)]
            pb = cgutils.alloca_once(build, BYTES)
            with cgutils.for_range(build, tables) as table:
                shift = entry(at, table.index)
                for start, variable in zip(starts, pa):
                    build.store(build.gep(start, [shift]), variable)
                build.store(build.gep(pointer(b), [entry(bt, table.index)]), pb)
                heads = [build.load(variable) for variable in pa]
                along = cgutils.alloca_once(build, I64)
                build.store(I64(0), along)
                with rolled(build, length):
                    q, here = build.load(pb), build.load(along)
                    right = [load(q, j) for j in range(vectors)]
                    for i, head in enumerate(heads):
                        one = build.load(build.bitcast(build.gep(head, [here]), FLOAT.as_pointer()))
                        left = spread(one, FLOAT)
                        for j in range(vectors):
                            build.store(build.call(fma, [left, right[j], build.load(sums[i, j])]), sums[i, j])
                    build.store(build.add(here, step), along)
                    build.store(build.gep(q, [pitch]), pb)

            with given(build.and_(flags, I64(ADD))):  # last, for a long sum is more exact in parts
                for i, j in every:
                    build.store(build.fadd(load(c_rows[i], j), build.load(sums[i, j])), sums[i, j])
            with given(bias):
                for j in range(vectors):
                    shift = load(pointer(bias), j)
                    for i in range(ROWS):
                        build.store(build.fadd(build.load(sums[i, j]), shift), sums[i, j])
            with given(build.and_(flags, I64(RELU))):
                for ij in every:
                    y = build.load(sums[ij])
                    build.store(build.select(build.fcmp_ordered("<", y, zero), clipped, y), sums[ij])  # nan stays nan
            whole = build.icmp_signed(">=", columns, I64(WIDTH * vectors))
            with build.if_else(whole, likely=True) as (full, partial):
                with full:  # under a mask, AVX2 on AMD stores eight times slower
                    for i, j in every:
                        build.store(build.load(sums[i, j]), lanes(c_rows[i], j), align=4)
                with partial:
                    number = ir.Constant(ir.VectorType(I32, WIDTH), list(range(WIDTH)))
                    for j in range(vectors):
                        left = build.trunc(build.sub(columns, I64(WIDTH * j)), I32)
                        inside = build.icmp_signed("<", number, spread(left, I32))
                        for i in range(ROWS):
                            build.call(masked, [build.load(sums[i, j]), lanes(c_rows[i], j), I32(4), inside])
            return context.get_dummy_value()

        return SIGNATURE, emit

    return tile


_one, _two, _three, _four = make_tile(1), make_tile(2), make_tile(3), make_tile(4)


@symbol(SIGNATURE, "pullback_rowtile1")
def tile1(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags):
    _one(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)


@symbol(SIGNATURE, "pullback_rowtile2")
def tile2(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags):
    _two(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)


@symbol(SIGNATURE, "pullback_rowtile3")
def tile3(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags):
    _three(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)


@symbol(SIGNATURE, "pullback_rowtile4")
def tile4(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags):
    _four(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)


@part
def row_tile(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags):
    """As many vectors as the columns need."""
    if columns <= WIDTH:
        tile1(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)
    elif columns <= 2 * WIDTH:
        tile2(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)
    elif columns <= 3 * WIDTH:
        tile3(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)
    else:
        tile4(a, rows, at, step, b, bt, pitch, tables, length, c, places, columns, bias, flags)


def strip_of(columns):
    """How wide the strips are into which so many columns are cut."""
    return min(COLUMNS, -(-columns // WIDTH) * WIDTH)


@part
def filled(columns):
    """So many, and more, that they are whole vectors."""
    return (columns + WIDTH - 1) // WIDTH * WIDTH
