"""Activations that are x times a gate, as functions of one number. The side left of 0 needs care, the other follows."""

from pullback.kernels import pointwise, single
from pullback.kernels.elementary import exact, exp

ONE, THREE = 1.5957691216057308, 0.07135481627260025  # 2 √(2/π), and that times 0.044715


@exact
def size(x):
    """|x|, kept where x P(x) is a number."""
    a = abs(x)
    return 300.0 if a > 300.0 else a


@exact
def gate(x, a, e):
    """x σ(v), where e is e^-|v|."""
    left = -a * e / (1.0 + e)
    return x + left if x > 0.0 else left


@exact
def gate_slope(x, rise, e):
    """The derivative of x σ(v), where `rise` is |x v'|: σ(v) σ(-v) (1 + e^v + x v') at -|x|, and what is left of 1."""
    left = e / (1.0 + e * (2.0 + e)) * ((1.0 - rise) + e)
    return left if x < 0.0 else 1.0 - left


@exact
def tanh_gelu(x):
    a = size(x)
    return gate(x, a, exp(-a * (ONE + THREE * a * a)))


@exact
def tanh_gelu_slope(x):
    a = size(x)
    return gate_slope(x, a * (ONE + 3.0 * THREE * a * a), exp(-a * (ONE + THREE * a * a)))


TABLE = {"GELU_tanh": (tanh_gelu, tanh_gelu_slope)}  # its exponent, a cubic, would lose too many digits in float32
SINGLE = {"SiLU": (single.silu, single.silu_slope), "GELU": (single.gelu, single.gelu_slope)}
takes, made_for = pointwise.of(TABLE, SINGLE)
