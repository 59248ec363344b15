"""The register tile: the loop in which all matrix work happens, written instruction by instruction.

    c[i, 0:columns] (+)= Σt Σk a[at[t] + i row + k step] b[bt[t] + k pitch + 0:columns]        i in 0..rows

All sums stay in vector registers until the end: 6 rows of 2 vectors are 12 of the 16 registers of AVX2, which leaves
two for b and two for the broadcast a, and 12 independent sums hide the latency of the fused multiply-add. With each k
come 2 loads, 6 broadcasts and 12 multiply-adds. AVX-512 has 32 registers: 12 rows are 24 of them, with 2 loads, 12
broadcasts and 24 multiply-adds.

Either `step` is 4 (the floats of a row of a follow each other) or `row` is (those of a column do). So one of the two is
part of the instructions, and one pointer finds all that is read of a: its moves would take the place of multiply-adds,
the more so where two threads share the units of a core.

The tables `at`, `bt` shift both operands and make one loop serve everything: a matrix product has one entry (0); a
convolution one per kernel row (or tap); its weight gradient one per image row.

Addresses, strides and table entries are in bytes. Nothing outside the named elements is read, so edges need no slack
in memory.
"""

from contextlib import contextmanager

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import part, symbol

int64, float32 = types.int64, types.float32
I32, I64, FLOAT, BYTES = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.IntType(8).as_pointer()
HAS = llvm.get_host_cpu_features()
WIDTH = 16 if HAS.get("avx512f") else 8 if HAS.get("avx") else 4  # lanes of one vector
FUSED = "fma" if HAS.get("fma") or HAS.get("neon") else "fmuladd"  # what is not fused there would be called, one by one
VECTORS = 2
COLUMNS = WIDTH * VECTORS
TALLEST = 12 if WIDTH == 16 else 6  # rows of a tile
STRIP = 4 * COLUMNS  # bytes
UNROLLED = 1 if WIDTH == 16 else 4  # k of a round: pointers move once; with 24 sums they hardly count
TOGETHER = 6  # rows that one pointer serves
LINE = 64  # bytes of a cache line
ADD, RELU = 1, 2  # flags: add to c; clip below at zero, after the bias; what was clipped is -0.0

SIGNATURE = types.void(*[int64] * 13)


@contextmanager
def rolled(build, count):
    """A loop that stays as it is written. LLVM would unroll a small tile's, and then lack registers: half the speed."""
    with cgutils.for_range(build, count) as loop:
        yield loop
        last = build.block
    module = build.module
    name = module.add_metadata([ir.MetaDataString(module, last.name)])
    name.operands = name, module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    last.terminator.set_metadata("llvm.loop", name)


def soon(build, place, written=True):
    """Bring what will be written there, or read, into the cache, while sums are on their way."""
    called = ir.FunctionType(ir.VoidType(), [BYTES, I32, I32, I32])
    prefetch = cgutils.get_or_insert_function(build.module, called, "llvm.prefetch.p0")
    build.call(prefetch, [place, I32(int(written)), I32(3), I32(1)])


def multiples(build, stride):
    """0 to 6 times a stride. Of one that is not known, 3 and 5 times are kept from LLVM, as it would make up for each
    of them by several additions; 2 and 4 times are part of an address."""
    found = [I64(0), stride]
    for k in range(2, TOGETHER + 1):
        if isinstance(stride, ir.Constant):
            found.append(I64(k * stride.constant))
        else:
            found.append(build.mul(stride, I64(k)))
    if not isinstance(stride, ir.Constant):
        for k in (3, 5):
            found[k] = opaque(build, found[k])
    return found


def opaque(build, number):
    """The same number, but nobody can tell."""
    return build.call(ir.InlineAsm(ir.FunctionType(number.type, [number.type]), "", "=r,0"), [number])


def make_tile(rows):
    vector = ir.VectorType(FLOAT, WIDTH)
    lanes = range(VECTORS)

    @intrinsic
    def tile(typing, a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags):
        def emit(context, build, signature, args):
            a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags = args
            fma_type = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(build.module, fma_type, f"llvm.{FUSED}.v{WIDTH}f32")
            zero, clipped = ir.Constant(vector, [0.0] * WIDTH), ir.Constant(vector, [-0.0] * WIDTH)

            def pointer(address):
                return build.inttoptr(address, BYTES)

            def moved(p, offset):
                return build.gep(p, [offset])

            def load(p, j):
                return build.load(build.bitcast(moved(p, I64(4 * WIDTH * j)), vector.as_pointer()), align=4)

            def store(value, p, j):
                build.store(value, build.bitcast(moved(p, I64(4 * WIDTH * j)), vector.as_pointer()), align=4)

            def broadcast(p):
                one = build.load(build.bitcast(p, FLOAT.as_pointer()))
                first = build.insert_element(ir.Constant(vector, ir.Undefined), one, I32(0))
                return build.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, WIDTH), [0] * WIDTH))

            def given(flag):
                return build.if_then(build.icmp_signed("!=", flag, I64(0)))

            def entry(table, t):
                return build.load(build.gep(build.inttoptr(table, I64.as_pointer()), [t]))

            # Variables on the stack become registers: LLVM sees that nobody takes their address.
            sums = [[cgutils.alloca_once_value(build, zero) for _ in lanes] for _ in range(rows)]
            c_rows = [moved(pointer(c), build.mul(I64(i), c_row)) for i in range(rows)]
            every = [(i, j) for i in range(rows) for j in lanes]
            for c_i in c_rows:
                for line in range(0, STRIP, LINE):
                    soon(build, moved(c_i, I64(line)))

            def multiply(heads, q, down, along):
                """One k of all sums."""
                right = [load(q, j) for j in lanes]
                for i in range(rows):
                    left = broadcast(moved(moved(heads[i // TOGETHER], down[i % TOGETHER]), along))
                    for j in lanes:
                        build.store(build.call(fma, [left, right[j], build.load(sums[i][j])]), sums[i][j])

            def rounds(times, size, pa, pb, down, along, across, columns):
                with rolled(build, times):
                    heads, q = [build.load(variable) for variable in pa], build.load(pb)
                    for k in range(size):
                        if columns:  # every k is another line: the next tiles' are behind them
                            soon(build, moved(moved(heads[0], along[k]), I64(LINE)), written=False)
                        multiply(heads, moved(q, across[k]), down, along[k])
                    for variable, head in zip([*pa, pb], [*heads, q]):
                        build.store(moved(head, (across if variable is pb else along)[size]), variable)

            def walk(p, q, row, step, columns):
                """All k, from where a and b begin."""
                down, along, across = (multiples(build, each) for each in (row, step, pitch))
                pa = [cgutils.alloca_once(build, BYTES) for _ in range(0, rows, TOGETHER)]
                pb = cgutils.alloca_once(build, BYTES)
                for i, variable in enumerate(pa):
                    build.store(moved(p, build.mul(row, I64(i * TOGETHER))), variable)
                build.store(q, pb)
                given_to_all = pa, pb, down, along, across, columns
                rounds(build.sdiv(length, I64(UNROLLED)), UNROLLED, *given_to_all)
                if UNROLLED > 1:
                    rounds(build.srem(length, I64(UNROLLED)), 1, *given_to_all)

            with rolled(build, tables) as table:
                p, q = moved(pointer(a), entry(at, table.index)), moved(pointer(b), entry(bt, table.index))
                with build.if_else(build.icmp_signed("==", row, I64(4))) as (columns, lines):
                    with columns:
                        walk(p, q, I64(4), step, True)
                    with lines:
                        walk(p, q, row, I64(4), False)

            with given(build.and_(flags, I64(ADD))):  # last, for a long sum is more exact in parts
                for i, j in every:
                    build.store(build.fadd(load(c_rows[i], j), build.load(sums[i][j])), sums[i][j])
            with given(bias):
                for j in lanes:
                    shift = load(pointer(bias), j)
                    for i in range(rows):
                        build.store(build.fadd(build.load(sums[i][j]), shift), sums[i][j])
            with given(build.and_(flags, I64(RELU))):
                for i, j in every:
                    y = build.load(sums[i][j])
                    build.store(build.select(build.fcmp_ordered("<", y, zero), clipped, y), sums[i][j])  # nan stays nan
            for i, j in every:
                store(build.load(sums[i][j]), c_rows[i], j)
            return context.get_dummy_value()

        return SIGNATURE, emit

    return tile


_twelve, _six, _four, _one = make_tile(12), make_tile(6), make_tile(4), make_tile(1)


@symbol(SIGNATURE, "pullback_tile12")
def tile12(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags):
    _twelve(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags)


@symbol(SIGNATURE, "pullback_tile6")
def tile6(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags):
    _six(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags)


@symbol(SIGNATURE, "pullback_tile4")
def tile4(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags):
    _four(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags)


@symbol(SIGNATURE, "pullback_tile1")
def tile1(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags):
    _one(a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags)


@part
def rows_now(left):
    """Height of the next tile when `left` rows are left: as few single rows as possible."""
    if left >= TALLEST == 12 and left != 14 and left != 15:
        return 12
    if left >= 6 and left != 8 and left != 9:
        return 6
    return 4 if left >= 4 else 1


@part
def tiles(m, a, at, row, step, b, bt, pitch, tables, length, c, c_row, bias, flags):
    """A strip of m rows."""
    i = 0
    while i < m:
        rows = rows_now(m - i)
        if rows == 12:
            tile12(a + i * row, at, row, step, b, bt, pitch, tables, length, c + i * c_row, c_row, bias, flags)
        elif rows == 6:
            tile6(a + i * row, at, row, step, b, bt, pitch, tables, length, c + i * c_row, c_row, bias, flags)
        elif rows == 4:
            tile4(a + i * row, at, row, step, b, bt, pitch, tables, length, c + i * c_row, c_row, bias, flags)
        else:
            tile1(a + i * row, at, row, step, b, bt, pitch, tables, length, c + i * c_row, c_row, bias, flags)
        i += rows


@part
def address(x):
    """Where x begins. Nobody holds an array by its address alone: it is freed after the last line that names it."""
    return np.int64(x.ctypes.data)  # as it comes it is unsigned, and unsigned + signed is a float


@intrinsic
def unshifted(typing):
    """The table of a plain matrix product, with one entry, 0. It is part of the code, so that nobody has to hold it."""

    def emit(context, b, signature, args):
        return b.ptrtoint(cgutils.global_constant(b, "unshifted", I64(0)), I64)

    return int64(), emit


@intrinsic
def load(typing, at):
    return float32(int64), lambda c, b, s, a: b.load(b.inttoptr(a[0], FLOAT.as_pointer()))


@intrinsic
def store(typing, at, value):
    def emit(context, b, signature, a):
        b.store(a[1], b.inttoptr(a[0], FLOAT.as_pointer()))
        return context.get_dummy_value()

    return types.void(int64, float32), emit


@intrinsic
def copy_strip(typing, target, source):
    """Copy a row of a strip as whole vectors (LLVM, unsure whether they overlap, would copy one by one)."""

    def emit(context, b, signature, args):
        target, source = (b.inttoptr(place, ir.VectorType(FLOAT, COLUMNS).as_pointer()) for place in args)
        b.store(b.load(source, align=4), target, align=4)
        return context.get_dummy_value()

    return types.void(int64, int64), emit


@intrinsic
def copy8(typing, target, source):
    def emit(context, b, signature, args):
        target, source = (b.inttoptr(place, ir.VectorType(FLOAT, 8).as_pointer()) for place in args)
        b.store(b.load(source, align=4), target, align=4)
        return context.get_dummy_value()

    return types.void(int64, int64), emit


@intrinsic
def copy_panel(typing, target, source):
    """Copy as many floats as the tallest tile has rows, as two vectors: the second begins in the first."""

    def emit(context, b, signature, args):
        lanes = 8 if TALLEST > 8 else 4
        kind, rest = ir.VectorType(FLOAT, lanes).as_pointer(), I64(4 * (TALLEST - lanes))
        for shift in (I64(0), rest):
            target, source = (b.inttoptr(b.add(place, shift), kind) for place in args)
            b.store(b.load(source, align=4), target, align=4)
        return context.get_dummy_value()

    return types.void(int64, int64), emit


@intrinsic
def clear_strip(typing, target):
    """A row of a strip becomes zeros."""

    def emit(context, b, signature, args):
        strip = ir.VectorType(FLOAT, COLUMNS)
        b.store(ir.Constant(strip, [0.0] * COLUMNS), b.inttoptr(args[0], strip.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(int64), emit


@intrinsic
def transpose8(typing, source, source_row, target, target_row):
    """target[j, i] = source[i, j] for 8 × 8 floats, in three rounds of shuffles, written in the order of j."""

    def emit(context, b, signature, args):
        vector = ir.VectorType(FLOAT, 8)
        source, source_row, target, target_row = args

        def at(base, pitch, i):
            return b.inttoptr(b.add(base, b.mul(I64(i), pitch)), vector.as_pointer())

        def pick(x, y, places):
            return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, 8), places))

        r = [b.load(at(source, source_row, i), align=4) for i in range(8)]
        pairs = [
            pick(r[i], r[i + 1], p)
            for i in (0, 2, 4, 6)
            for p in ([0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15])
        ]
        fours = [
            pick(pairs[i + h], pairs[i + 2 + h], p)
            for i in (0, 4)
            for h in (0, 1)
            for p in ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
        ]
        for i, half in (
            (i, half) for half in ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]) for i in range(4)
        ):
            row = i + half[0]
            b.store(pick(fours[i], fours[i + 4], half), at(target, target_row, row), align=4)
        return context.get_dummy_value()

    return types.void(int64, int64, int64, int64), emit
