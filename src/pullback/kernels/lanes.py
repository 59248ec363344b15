"""Vectors while code is being emitted: formulas of Python become instructions for many lanes."""

from operator import add, mul, sub, truediv

import llvmlite.ir as ir
from numba.core import cgutils

from pullback.kernels.tile import BYTES, FLOAT, I32, I64, WIDTH

LANES = ir.VectorType(FLOAT, WIDTH)


class Vector:
    """Floats side by side."""

    def __init__(self, build, value):
        self.build, self.value = build, value

    def all(self, number):
        """A vector like this one that holds one number everywhere."""
        kind = self.value.type
        return Vector(self.build, ir.Constant(kind, [number] * kind.count))

    def together(self, operation, other):
        if isinstance(other, float):
            other = self.all(other)
        b = self.build
        emit = {add: b.fadd, sub: b.fsub, mul: b.fmul, truediv: b.fdiv}[operation]
        return Vector(self.build, emit(self.value, other.value, flags=("contract",)))

    def __add__(self, other):
        return self.together(add, other)

    def __sub__(self, other):
        return self.together(sub, other)

    def __mul__(self, other):
        return self.together(mul, other)

    def __truediv__(self, other):
        return self.together(truediv, other)

    def __lt__(self, number):
        """Where it is less, for `where`; nan is not."""
        return self.build.fcmp_ordered("<", self.value, self.all(number).value)

    def __gt__(self, number):
        return self.build.fcmp_ordered(">", self.value, self.all(number).value)

    def where(self, mask, other):
        """This vector where the mask says so, the other one elsewhere."""
        return Vector(self.build, self.build.select(mask, self.value, other.value))

    def __abs__(self):
        kind = self.value.type
        called = ir.FunctionType(kind, [kind])
        function = cgutils.get_or_insert_function(self.build.module, called, f"llvm.fabs.v{kind.count}f32")
        return Vector(self.build, self.build.call(function, [self.value]))

    def bits(self):
        return self.build.bitcast(self.value, ir.VectorType(I32, self.value.type.count))


class Sum:
    """A vector that grows, in a register."""

    def __init__(self, start):
        self.build, self.place = start.build, cgutils.alloca_once_value(start.build, start.value)

    def value(self):
        return Vector(self.build, self.build.load(self.place))

    def add(self, term):
        self.build.store((self.value() + term).value, self.place)


class Memory:
    """Vectors in memory, `offset` bytes from where they are said to be."""

    def __init__(self, build, offset, kind=LANES):
        self.build, self.offset, self.kind = build, offset, kind
        self.align = kind.element.width // 8 if isinstance(kind.element, ir.IntType) else 4

    def at(self, address, shift=0):
        place = self.build.gep(self.build.inttoptr(address, BYTES), [self.offset])
        return self.build.bitcast(self.build.gep(place, [shift]) if shift else place, self.kind.as_pointer())

    def load(self, *place):
        return Vector(self.build, self.build.load(self.at(*place), align=self.align))

    def store(self, vector, *place):
        self.build.store(vector.value, self.at(*place), align=self.align)

    def scattered(self, table, n):
        """n × n vectors whose addresses stand in a table."""
        return [[self.load(self.entry(table, n * i + j)) for j in range(n)] for i in range(n)]

    def spread(self, square, table):
        n = len(square)
        for i in range(n):
            for j in range(n):
                self.store(square[i][j], self.entry(table, n * i + j))

    def even(self, base, pitch, n):
        """n × n vectors that lie `pitch` bytes apart."""
        return [[self.load(base, self.times(pitch, n * i + j)) for j in range(n)] for i in range(n)]

    def spread_evenly(self, square, base, pitch):
        n = len(square)
        for i in range(n):
            for j in range(n):
                self.store(square[i][j], base, self.times(pitch, n * i + j))

    def times(self, pitch, k):
        return self.build.mul(pitch, I64(k))

    def entry(self, table, k):
        return self.build.load(self.build.gep(self.build.inttoptr(table, I64.as_pointer()), [I64(k)]))


def broadcast(build, one, lanes):
    """All lanes the same."""
    first = build.insert_element(ir.Constant(ir.VectorType(one.type, lanes), ir.Undefined), one, I32(0))
    return build.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def channel_loops(build, channels, body):
    """`body(lanes, c)` for every channel c, as many as there are lanes at once."""
    whole = build.and_(channels, I64(-WIDTH))
    with cgutils.for_range_slice(build, I64(0), whole, I64(WIDTH), I64) as (c, _):
        body(WIDTH, c)
    with cgutils.for_range_slice(build, whole, channels, I64(1), I64) as (c, _):
        body(1, c)


def covering(build, total, size, body):
    """`body(how many, first, again)` until all are covered, a group at a time; the last may begin in the one before.

    `again` tells how many of it were dealt with already. Only where there are fewer than a group, they come one by one.
    """
    few = build.icmp_signed("<", total, I64(size))
    groups = build.select(few, I64(0), build.sdiv(build.add(total, I64(size - 1)), I64(size)))
    with cgutils.for_range(build, groups) as loop:
        first, last = build.mul(loop.index, I64(size)), build.sub(total, I64(size))
        start = build.select(build.icmp_signed("<", first, last), first, last)
        body(size, start, build.sub(first, start))
    with cgutils.for_range(build, build.select(few, total, I64(0))) as loop:
        body(1, loop.index, I64(0))


def in_groups(build, total, sizes, body):
    """`body(how many, first)` over all, in groups of the first size for as long as they last, then of the next one."""
    first = I64(0)
    for size in sizes:
        last = build.add(first, build.mul(build.sdiv(build.sub(total, first), I64(size)), I64(size)))
        with cgutils.for_range_slice(build, first, last, I64(size), I64) as (k, _):
            body(size, k)
        first = last


def channels_at(build, c, lanes, pixel, step, kind):
    """Channel c of a pixel and those behind it; pixels lie `step` bytes apart."""
    size = (32 if kind == FLOAT else kind.width) // 8
    return Memory(build, build.add(build.mul(c, I64(size)), build.mul(pixel, step)), ir.VectorType(kind, lanes))


def floats(build, c, lanes, pixel, step):
    return channels_at(build, c, lanes, pixel, step, FLOAT)


def entry(build, table, t, kind=I64):
    return build.load(build.gep(build.inttoptr(table, kind.as_pointer()), [t]))


def clipped(vector, flag):
    """-0.0 below zero, if the flag is set: the sign tells what was clipped, so 0 has none. nan stays nan."""
    build = vector.build
    positive = vector + 0.0
    found = positive.where(build.not_(vector < 0.0), vector.all(-0.0))
    return found.where(broadcast(build, flag, vector.value.type.count), vector)


def total(build, vector):
    found = build.extract_element(vector, I32(0))
    for lane in range(1, WIDTH):
        found = build.fadd(found, build.extract_element(vector, I32(lane)))
    return found


class Whole:
    """Whole vectors in memory."""

    def __init__(self, build, lanes):
        self.build, self.lanes, self.kind = build, lanes, ir.VectorType(FLOAT, lanes)

    def at(self, address, shift=None):
        place = self.build.inttoptr(address, BYTES)
        return self.build.bitcast(self.build.gep(place, [shift]) if shift else place, self.kind.as_pointer())

    def load(self, *place):
        return Vector(self.build, self.build.load(self.at(*place), align=4))

    def store(self, vector, *place):
        self.build.store(vector.value, self.at(*place), align=4)


class Some(Whole):
    """Vectors of which only the first lanes are in memory."""

    def __init__(self, build, lanes, units):
        super().__init__(build, lanes)
        order = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
        self.mask = build.icmp_signed("<", order, broadcast(build, build.trunc(units, I32), lanes))

    def call(self, what, kind, *args):
        called = ir.FunctionType(kind, [arg.type for arg in args])
        name = f"llvm.masked.{what}.v{self.lanes}f32.p0"
        return self.build.call(cgutils.get_or_insert_function(self.build.module, called, name), args)

    def load(self, *place):
        nothing = ir.Constant(self.kind, [0.0] * self.lanes)
        return Vector(self.build, self.call("load", self.kind, self.at(*place), I32(4), self.mask, nothing))

    def store(self, vector, *place):
        self.call("store", ir.VoidType(), vector.value, self.at(*place), I32(4), self.mask)


def for_units(build, units, body, lanes=WIDTH):
    """body(memory), for a whole vector or for some of its lanes."""
    with build.if_else(build.icmp_signed(">=", units, I64(lanes))) as (whole, some):
        with whole:
            body(Whole(build, lanes))
        with some:
            body(Some(build, lanes, units))
