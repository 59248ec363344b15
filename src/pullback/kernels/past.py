"""Results that no cache would hold are stored past it: no line has to be read first to be written over."""

import numpy as np
from numba import types
from numba.extending import intrinsic

from pullback.kernels.compiled import part
from pullback.kernels.elementary import larger
from pullback.kernels.lanes import Memory, Vector, broadcast
from pullback.kernels.rows import largest
from pullback.kernels.tile import I32, I64, WIDTH, address, int64

f = np.float32
LARGE = 1 << 25  # floats of a result that is larger than caches are
TURN = 512  # floats that are read, then as many that are written


@intrinsic
def scale_past(typing, source, scale, target):
    """A vector times a number; the target is aligned."""

    def emit(context, build, signature, args):
        memory = Memory(build, I64(0))
        y = memory.load(args[0]) * Vector(build, broadcast(build, args[1], WIDTH))
        store = build.store(y.value, memory.at(args[2]), align=4 * WIDTH)
        store.set_metadata("nontemporal", build.module.add_metadata([I32(1)]))
        return context.get_dummy_value()

    return types.void(int64, types.float32, int64), emit


@intrinsic
def stored(typing):
    """Whatever was stored past the cache is seen by all threads from here on."""

    def emit(context, build, signature, args):
        build.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit


@part
def scaled_past(e, scale, out, ahead):
    """out = scale e; and the largest of a row ahead, or of none: so memory is read and written by turns."""
    found = f(-np.inf)
    for start in range(0, out.size, TURN):
        here = slice(start, min(start + TURN, out.size))
        found = larger(largest(ahead[here], f(1)), found)
        store_past(e[here], scale, out[here])
    return found


@part
def store_past(e, scale, out):
    first = min(out.size, -(address(out) // 4) % WIDTH)
    last = first + (out.size - first) // WIDTH * WIDTH
    for j in range(first):
        out[j] = scale * e[j]
    for j in range(first, last, WIDTH):
        scale_past(address(e) + 4 * j, scale, address(out) + 4 * j)
    for j in range(last, out.size):
        out[j] = scale * e[j]
