"""Elementary functions, element by element. (Sine and cosine stay with NumPy: far from 0 they take long division.)"""

import numpy as np

from pullback.kernels import pointwise
from pullback.kernels.elementary import exact, exp, log


@exact
def log_slope(x):
    return 1.0 / x if x >= 0.0 else np.nan


@exact
def sqrt(x):
    return np.sqrt(x)


@exact
def sqrt_slope(x):
    return 0.5 / np.sqrt(x)


@exact
def square(x):
    return x * x


@exact
def square_slope(x):
    return 2.0 * x


@exact
def absolute(x):
    return abs(x)


@exact
def sign(x):
    return -1.0 if x < 0.0 else 1.0


TABLE = {
    "Exp": (exp, exp),
    "Log": (log, log_slope),
    "Sqrt": (sqrt, sqrt_slope),
    "Square": (square, square_slope),
    "Abs": (absolute, sign),
}
takes, made_for = pointwise.of(TABLE)
