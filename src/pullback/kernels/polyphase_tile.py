"""Winograd's transforms of polyphase convolution, F(4×4, 3×3) at stride 2, with their transposes.

At stride 2 the taps w0, w2 of a kernel meet even inputs only, and w1 odd ones. In one dimension, four outputs are those
of a kernel of two taps, which take five multiplications, one for each of the points 0, ±1, 1/2, ∞, and not eight; and
those of one tap, which take four:

    y = Aᵀ [(G w) ⊙ (Bᵀ d)]          9 inputs d, 3 weights w, 4 outputs y

nine points, of which the last four are the odd inputs as they are, and have one weight, w1. In two dimensions the same
is done along rows and columns: 81 multiplications and not 144, with 36 weights. The transpose in w is that of
winograd_tile.py. In the transpose in d the phases of the input change places with those of the output, so that tiles
need not overlap where they are written:

    gx = A'ᵀ [(G w') ⊙ (B'ᵀ gy)]      5 gradients gy, the taps w' reversed, 8 inputs' gradients

Source: Lavin & Gray (2016), Fast algorithms for convolutional neural networks.
"""

from pullback.kernels.compiled import symbol
from pullback.kernels.tile import WIDTH
from pullback.kernels.winograd_tile import (
    CHECKED,
    FIVE,
    FOUR,
    THREE,
    evenly,
    gradient_tile_to_points,
    points_to_tile,
    tile_to_points,
)

c = 1 / 2
AT_0, AT_1, AT_MINUS, AT_C = 1 / c, 1 / (2 - 2 * c), -1 / (2 + 2 * c), 1 / (c**3 - c)


def even_to_points(e):
    """Five inputs of one phase -> the points of two taps."""
    first, second, third, last = (e[i + 1] - e[i] * c for i in range(4))
    return third - first, third + second, third - second, e[3] - e[1], last - second


def even_from_points(m):
    """-> four outputs."""
    even, odd = m[1] + m[2], m[1] - m[2]
    return m[0] + even + m[3], odd + m[3] * c, even + m[3] * c**2, m[4] + odd + m[3] * c**3


def to_points(d):
    """Bᵀ d"""
    return *even_to_points(d[::2]), *d[1::2]


def from_points(m):
    """Aᵀ m"""
    return [even + odd for even, odd in zip(even_from_points(m[:5]), m[5:])]


def gradient_to_points(g):
    """A g"""
    even, odd = g[0] + g[2], g[1] + g[3]
    return g[0], even + odd, even - odd, g[0] + g[1] * c + g[2] * c**2 + g[3] * c**3, g[3], *g


def back_to_points(g):
    """B'ᵀ g"""
    return *even_to_points(g), *g[:4]


def back_from_points(m):
    """A'ᵀ m: an odd input first."""
    return [x for pair in zip(m[5:], even_from_points(m[:5])) for x in pair]


def weights_to_points(w):
    """G w"""
    both, apart = w[0] + w[2], w[0] - w[2]
    return w[0] * AT_0, both * AT_1, apart * AT_MINUS, (w[0] + w[2] * c) * AT_C, w[2], w[1]


def weights_from_points(u):
    """Gᵀ u"""
    one, minus, at_c = u[1] * AT_1, u[2] * AT_MINUS, u[3] * AT_C
    return u[0] * AT_0 + one + minus + at_c, u[5], u[4] + (one - minus) + at_c * c


_inputs, _outputs = tile_to_points(to_points, 9), points_to_tile(from_points, 9)
_back_inputs, _back_outputs = tile_to_points(back_to_points, 5), points_to_tile(back_from_points, 9, clips=False)
_gradients = gradient_tile_to_points(gradient_to_points, 4)
_weights, _weight_gradients = evenly(weights_to_points, 3), evenly(weights_from_points, 6)


@symbol(FOUR, "pullback_polyphase_inputs")
def inputs_to_points(table, out, pitch, count):
    """Pixels at 81 addresses -> 81 points, `pitch` apart."""
    _inputs(table, out, pitch, count)


@symbol(CHECKED, "pullback_polyphase_outputs")
def outputs_from_points(points, pitch, bias, table, flags, count):
    """81 points -> pixels at 16 addresses; returns 0, or nan if one of them is no finite number."""
    return _outputs(points, pitch, bias, table, flags, count)


@symbol(FOUR, "pullback_polyphase_back_inputs")
def back_inputs_to_points(table, out, pitch, count):
    """Pixels at 25 addresses -> 81 points, for the transpose."""
    _back_inputs(table, out, pitch, count)


@symbol(CHECKED, "pullback_polyphase_back_outputs")
def back_outputs_from_points(points, pitch, bias, table, flags, count):
    """81 points -> pixels at 64 addresses, otherwise like `outputs_from_points`."""
    return _back_outputs(points, pitch, bias, table, flags, count)


@symbol(FIVE, "pullback_polyphase_gradients")
def gradients_to_points(table, out, pitch, sums, count):
    """Gradients at 16 addresses -> 81 points; adds them to `sums`."""
    _gradients(table, out, pitch, sums, count)


@symbol(THREE, "pullback_polyphase_weights")
def taps_to_points(w, out, pitch):
    """One vector of each of nine taps -> 36 weights at the points."""
    _weights(w, 4 * WIDTH, out, pitch)


@symbol(THREE, "pullback_polyphase_weight_gradients")
def taps_from_points(u, pitch, out):
    """36 weights' gradients at the points -> nine taps."""
    _weight_gradients(u, pitch, out, 4 * WIDTH)
