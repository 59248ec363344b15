"""The smooth activations, as functions of one number."""

from pullback.kernels import pointwise, single
from pullback.kernels.elementary import exact, exp, expm1, log1p_of_part, sigmoid, softplus, tanh


@exact
def logsigmoid(x):
    return -softplus(-x)


@exact
def logsigmoid_slope(x):
    return sigmoid(-x)


@exact
def softplus_row(x, beta, threshold):
    y = (x if x > 0.0 else 0.0) + log1p_of_part(exp(-abs(beta * x))) / beta
    return x if beta * x - threshold > 0.0 else y  # fused, hence of the product's own sign


@exact
def softplus_slope(x, beta, threshold):
    return 1.0 if beta * x - threshold > 0.0 else sigmoid(beta * x)


@exact
def softsign(x):
    x = 1e300 if x > 1e300 else x
    x = -1e300 if x < -1e300 else x
    return x / (1.0 + abs(x))


@exact
def softsign_slope(x):
    return 1.0 / (1.0 + abs(x)) / (1.0 + abs(x))


@exact
def tanhshrink(x):
    """Near 0, where the two cancel, the series."""
    z = x * x
    z = 0.04 if z > 0.04 else z
    p = 0.021869488536155203 + z * (-0.008863235529902197 + z * (0.0035921280365724811 - z * 0.0014558343870513183))
    near = x * z * (0.3333333333333333 + z * (-0.13333333333333333 + z * (0.05396825396825397 - z * p)))
    return near if abs(x) < 0.2 else x - tanh(x)


@exact
def tanhshrink_slope(x):
    y = tanh(x)
    return y * y


@exact
def elu(x, alpha):
    return alpha * expm1(x) if x < 0.0 else x


@exact
def elu_slope(x, alpha):
    return alpha * exp(x) if x < 0.0 else 1.0


ABOVE, BELOW = 1.0507009873554805, 1.7580993408473768  # λ, and λ α


@exact
def selu(x):
    return BELOW * expm1(x) if x < 0.0 else ABOVE * x


@exact
def selu_slope(x):
    return BELOW * exp(x) if x < 0.0 else ABOVE


@exact
def celu(x, alpha):
    return alpha * expm1(x / alpha) if x < 0.0 else x


@exact
def celu_slope(x, alpha):
    return exp(x / alpha) if x < 0.0 else 1.0


@exact
def mish(x):
    z = -300.0 if x < -300.0 else x
    e = exp(-abs(z))
    rest = 2.0 if z < 0.0 else 2.0 * e * e
    n = e * (2.0 + e) if z < 0.0 else 1.0 + 2.0 * e
    return z * (n / (n + rest))


@exact
def mish_slope(x):
    """tanh(s) + x sech²(s) σ(x); left of 0 in one fraction, so that little is lost around its root."""
    z = -300.0 if x < -300.0 else x
    z = 300.0 if z > 300.0 else z
    e = exp(-abs(z))
    left = e * (4.0 * (1.0 + z) + e * (4.0 * z + 6.0 + e * (4.0 + e)))
    below = 2.0 + e * (2.0 + e)
    n, above = 1.0 + 2.0 * e, 1.0 + 2.0 * e * (1.0 + e)
    right = n * above + z * 4.0 * e * e * (1.0 + e)
    return left / (below * below) if z < 0.0 else right / (above * above)


TABLE = {
    "Logsigmoid": (logsigmoid, logsigmoid_slope),
    "Softplus": (softplus_row, softplus_slope),
    "Softsign": (softsign, softsign_slope),
    "Tanhshrink": (tanhshrink, tanhshrink_slope),
    "ELU": (elu, elu_slope),
    "SELU": (selu, selu_slope),
    "CELU": (celu, celu_slope),
    "Mish": (mish, mish_slope),
}
SINGLE = {
    "Sigmoid": (single.sigmoid, single.sigmoid_slope),
    "Tanh": (single.tanh, single.tanh_slope),
}
takes, made_for = pointwise.of(TABLE, SINGLE)
