"""Winograd's transforms F(4×4, 3×3), many channels at once, with their transposes.

A product of polynomials is a product of their values: four outputs of a kernel with three taps, which read six
inputs, need six multiplications and not twelve, one for each of the points 0, ±a, ±b, ∞. In one dimension

    y = Aᵀ [(G w) ⊙ (Bᵀ d)]          6 inputs d, 3 weights w, 4 outputs y

in two the same is done along rows and columns. It is linear in w, so its transpose is the gradient

    gw = Gᵀ [(A gy) ⊙ (Bᵀ d)]

a = 3/4 and b = 3/2 lose least among the pairs with exact coefficients: half of what 1 and 2 lose.

Source: Lavin & Gray (2016), Fast algorithms for convolutional neural networks.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.kernels.compiled import symbol
from pullback.kernels.lanes import LANES, Memory, Vector, clipped, total
from pullback.kernels.tile import I64, RELU, WIDTH, int64

a, b = 3 / 4, 3 / 2


def to_points(d):
    """Bᵀ d"""
    even_a, odd_a = d[4] - d[2] * b**2, (d[3] - d[1] * b**2) * a
    even_b, odd_b = d[4] - d[2] * a**2, (d[3] - d[1] * a**2) * b
    zero = d[4] - d[2] * (a**2 + b**2) + d[0] * (a * b) ** 2
    far = d[5] - d[3] * (a**2 + b**2) + d[1] * (a * b) ** 2
    return zero, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, far


def from_points(m):
    """Aᵀ m"""
    even_a, odd_a, even_b, odd_b = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return (
        m[0] + even_a + even_b,
        odd_a * a + odd_b * b,
        even_a * a**2 + even_b * b**2,
        m[5] + odd_a * a**3 + odd_b * b**3,
    )


def gradient_to_points(g):
    """A g"""
    even_a, odd_a = g[0] + g[2] * a**2, g[1] * a + g[3] * a**3
    even_b, odd_b = g[0] + g[2] * b**2, g[1] * b + g[3] * b**3
    return g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[3]


AT_0, AT_A, AT_B = 1 / (a * b) ** 2, 1 / (2 * a**2 * (a**2 - b**2)), 1 / (2 * b**2 * (b**2 - a**2))


def weights_to_points(w):
    """G w"""
    even_a, odd_a = (w[0] + w[2] * a**2) * AT_A, w[1] * (a * AT_A)
    even_b, odd_b = (w[0] + w[2] * b**2) * AT_B, w[1] * (b * AT_B)
    return w[0] * AT_0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w[2]


def weights_from_points(u):
    """Gᵀ u"""
    even_a, odd_a = (u[1] + u[2]) * AT_A, (u[1] - u[2]) * AT_A
    even_b, odd_b = (u[3] + u[4]) * AT_B, (u[3] - u[4]) * AT_B
    return u[0] * AT_0 + even_a + even_b, odd_a * a + odd_b * b, u[5] + even_a * a**2 + even_b * b**2


def tree(terms):
    """Their sum: as few as possible wait for one another."""
    while len(terms) > 1:
        terms = [sum(terms[i + 1 : i + 2], terms[i]) for i in range(0, len(terms), 2)]
    return terms[0]


def both_ways(one_way, square):
    """Along the columns, then along the rows."""
    columns = [one_way(column) for column in zip(*square)]
    return [one_way(row) for row in zip(*columns)]


THREE, FOUR, FIVE = (types.void(*[int64] * n) for n in (3, 4, 5))
CHECKED = types.float32(*[int64] * 6)


def tile_to_points(one_way, n):
    """n × n vectors at addresses in a table -> points, `pitch` apart."""

    @intrinsic
    def transform(typing, table, out, pitch, count):
        def emit(context, build, signature, args):
            table, out, pitch, count = args
            with cgutils.for_range(build, count) as loop:
                here = Memory(build, build.mul(loop.index, I64(4 * WIDTH)))
                here.spread_evenly(both_ways(one_way, here.scattered(table, n)), out, pitch)
            return context.get_dummy_value()

        return FOUR, emit

    return transform


def points_to_tile(one_way, n, clips=True):
    """n × n points -> vectors at addresses in a table, with the bias; where it `clips`, clipped if the flags say so."""

    @intrinsic
    def transform(typing, points, pitch, bias, table, flags, count):
        def emit(context, build, signature, args):
            points, pitch, bias, table, flags, count = args
            zero = ir.Constant(LANES, [0.0] * WIDTH)
            check = cgutils.alloca_once_value(build, zero)
            clip = build.icmp_signed("!=", build.and_(flags, I64(RELU)), I64(0))
            with cgutils.for_range(build, count) as loop:
                here = Memory(build, build.mul(loop.index, I64(4 * WIDTH)))
                y = both_ways(one_way, here.even(points, pitch, n))
                shift = here.load(bias)
                y = [[each + shift for each in row] for row in y]
                seen = Vector(build, build.load(check))
                for row in y:
                    seen = seen + tree([each * 0.0 for each in row])
                build.store(seen.value, check)
                here.spread([[clipped(each, clip) for each in row] for row in y] if clips else y, table)
            return total(build, build.load(check))

        return CHECKED, emit

    return transform


def gradient_tile_to_points(one_way):
    """The same as `tile_to_points`, of 4 × 4 gradients; the vectors are added to `sums` as well."""

    @intrinsic
    def transform(typing, table, out, pitch, sums, count):
        def emit(context, build, signature, args):
            table, out, pitch, sums, count = args
            with cgutils.for_range(build, count) as loop:
                here = Memory(build, build.mul(loop.index, I64(4 * WIDTH)))
                g = here.scattered(table, 4)
                whole = here.load(sums)
                for row in g:
                    whole = whole + ((row[0] + row[1]) + (row[2] + row[3]))
                here.store(whole, sums)
                here.spread_evenly(both_ways(one_way, g), out, pitch)
            return context.get_dummy_value()

        return FIVE, emit

    return transform


def evenly(one_way, n):
    """n × n vectors that lie evenly -> what becomes of them, as evenly. Both pitches are in bytes."""

    @intrinsic
    def transform(typing, source, pitch, out, step):
        def emit(context, build, signature, args):
            source, pitch, out, step = args
            here = Memory(build, I64(0))
            here.spread_evenly(both_ways(one_way, here.even(source, pitch, n)), out, step)
            return context.get_dummy_value()

        return FOUR, emit

    return transform


_inputs, _outputs = tile_to_points(to_points, 6), points_to_tile(from_points, 6)
_gradients = gradient_tile_to_points(gradient_to_points)
_weights, _weight_gradients = evenly(weights_to_points, 3), evenly(weights_from_points, 6)


@symbol(FOUR, "pullback_winograd_inputs")
def inputs_to_points(table, out, pitch, count):
    """Pixels at 36 addresses -> 36 points, `pitch` apart."""
    _inputs(table, out, pitch, count)


@symbol(CHECKED, "pullback_winograd_outputs")
def outputs_from_points(points, pitch, bias, table, flags, count):
    """36 points -> pixels at 16 addresses; returns 0, or nan if one of them is no finite number."""
    return _outputs(points, pitch, bias, table, flags, count)


@symbol(FIVE, "pullback_winograd_gradients")
def gradients_to_points(table, out, pitch, sums, count):
    """Gradients at 16 addresses -> 36 points; adds them to `sums`."""
    _gradients(table, out, pitch, sums, count)


@symbol(THREE, "pullback_winograd_weights")
def taps_to_points(w, out, pitch):
    """One vector of each of nine taps -> 36 points."""
    _weights(w, 4 * WIDTH, out, pitch)


@symbol(THREE, "pullback_winograd_weight_gradients")
def taps_from_points(u, pitch, out):
    """36 points -> nine taps."""
    _weight_gradients(u, pitch, out, 4 * WIDTH)
