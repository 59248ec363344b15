"""Winograd's transforms of polyphase convolution, F(4×4, 3×3) at stride 2, with their transposes.

At stride 2 the taps w0, w2 of a kernel meet even inputs only, and w1 odd ones. In one dimension, four outputs are those
of a kernel of two taps, which take five multiplications, one for each of the points ±a, ±b, ∞, and not eight; and
those of one tap, which take four:

    y = Aᵀ [(G w) ⊙ (Bᵀ d)]          9 inputs d, 3 weights w, 4 outputs y

nine points, of which the last four are the odd inputs as they are, and have one weight, w1. In two dimensions the same
is done along rows and columns: 81 multiplications and not 144, with 36 weights. The transpose in w is that of
winograd_tile.py. In the transpose in d the phases of the input change places with those of the output, so that tiles
need not overlap where they are written:

    gx = A'ᵀ [(G w') ⊙ (B'ᵀ gy)]      5 gradients gy, the taps w' reversed, 8 inputs' gradients

±1 and ±1/2 lose nearly the least of what was tried, and 1 spares multiplications.

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

a, b = 1.0, 1 / 2


def even_to_points(e):
    """Five inputs of one phase -> the points of two taps."""
    even_a, odd_a = e[3] - e[1] * b**2, (e[2] - e[0] * b**2) * a
    even_b, odd_b = e[3] - e[1] * a**2, (e[2] - e[0] * a**2) * b
    far = e[4] - e[2] * (a**2 + b**2) + e[0] * (a * b) ** 2
    return even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, far


def even_from_points(m):
    """-> four outputs."""
    even_a, odd_a, even_b, odd_b = m[0] + m[1], m[0] - m[1], m[2] + m[3], m[2] - m[3]
    return (
        even_a + even_b,
        odd_a * a + odd_b * b,
        even_a * a**2 + even_b * b**2,
        m[4] + odd_a * a**3 + odd_b * b**3,
    )


def to_points(d):
    """Bᵀ d"""
    return *even_to_points(d[::2]), *d[1::2]


def from_points(m):
    """Aᵀ m"""
    return [even + odd for even, odd in zip(even_from_points(m[:5]), m[5:])]


def gradient_to_points(g):
    """A g"""
    even_a, odd_a = g[0] + g[2] * a**2, g[1] * a + g[3] * a**3
    even_b, odd_b = g[0] + g[2] * b**2, g[1] * b + g[3] * b**3
    return even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[3], *g


def back_to_points(g):
    """B'ᵀ g"""
    return *even_to_points(g), *g[:4]


def back_from_points(m):
    """A'ᵀ m: an odd input first."""
    return [x for pair in zip(m[5:], even_from_points(m[:5])) for x in pair]


AT_A, AT_B = 1 / (2 * a * (a**2 - b**2)), 1 / (2 * b * (b**2 - a**2))


def weights_to_points(w):
    """G w"""
    first_a, last_a, first_b, last_b = w[0] * AT_A, w[2] * (a * AT_A), w[0] * AT_B, w[2] * (b * AT_B)
    return last_a + first_a, last_a - first_a, last_b + first_b, last_b - first_b, w[2], w[1]


def weights_from_points(u):
    """Gᵀ u"""
    first = (u[0] - u[1]) * AT_A + (u[2] - u[3]) * AT_B
    last = (u[0] + u[1]) * (a * AT_A) + (u[2] + u[3]) * (b * AT_B) + u[4]
    return first, u[5], last


_inputs, _outputs = tile_to_points(to_points, 9), points_to_tile(from_points, 9)
_back_inputs, _back_outputs = tile_to_points(back_to_points, 5), points_to_tile(back_from_points, 9, clips=False)
_gradients = gradient_tile_to_points(gradient_to_points)
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
