"""Where parameters start: torch.nn.init's names and formulas, as functions that return a new float32 array.

`rng` is a seed or a NumPy Generator; the same one gives the same array, bit for bit.

A weight is laid out as [out, in, *kernel]: its fan-in counts what one output sees, its fan-out what one input reaches.
Both keep the variance: xavier between the two directions, kaiming in one, through an activation with that gain.
"""

from math import prod, sqrt
from typing import Any

import numpy as np

from pullback.errors import OptionError, ShapeError

Shape = tuple[int, ...]
Random = int | np.random.Generator | None
Array = np.ndarray[Any, np.dtype[np.float32]]

GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": sqrt(2), "selu": 3 / 4}


def uniform(shape: Shape, a: float = 0.0, b: float = 1.0, rng: Random = None) -> Array:
    return np.random.default_rng(rng).uniform(a, b, shape).astype(np.float32)


def normal(shape: Shape, mean: float = 0.0, std: float = 1.0, rng: Random = None) -> Array:
    return np.random.default_rng(rng).normal(mean, std, shape).astype(np.float32)


def constant(shape: Shape, value: float, rng: Random = None) -> Array:
    return np.full(shape, value, np.float32)


def zeros(shape: Shape, rng: Random = None) -> Array:
    return constant(shape, 0)


def ones(shape: Shape, rng: Random = None) -> Array:
    return constant(shape, 1)


def xavier_uniform(shape: Shape, gain: float = 1.0, rng: Random = None) -> Array:
    """Variance gain² 2 / (fan-in + fan-out). Source: Glorot & Bengio (2010), Understanding the difficulty of
    training deep feedforward neural networks."""
    bound = gain * sqrt(6 / max(sum(fans(shape)), 1))
    return uniform(shape, -bound, bound, rng)


def xavier_normal(shape: Shape, gain: float = 1.0, rng: Random = None) -> Array:
    return normal(shape, 0, gain * sqrt(2 / max(sum(fans(shape)), 1)), rng)


def kaiming_uniform(
    shape: Shape, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Random = None
) -> Array:
    """Variance gain² / fan; `a` is the slope of the leaky_relu that follows. Source: He et al. (2015), Delving deep
    into rectifiers."""
    bound = sqrt(3) * kaiming(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, rng)


def kaiming_normal(
    shape: Shape, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Random = None
) -> Array:
    return normal(shape, 0, kaiming(shape, a, mode, nonlinearity), rng)


def orthogonal(shape: Shape, gain: float = 1.0, rng: Random = None) -> Array:
    """Rows (or columns, if there are fewer) of length gain, at right angles. Source: Saxe, McClelland & Ganguli
    (2014), Exact solutions to the nonlinear dynamics of learning in deep linear neural networks."""
    fans(shape)
    rows, columns = shape[0], prod(shape[1:])
    q, r = np.linalg.qr(np.random.default_rng(rng).normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1, 1)  # without this, QR would favour some rotations over others
    return (gain * (q.T if rows < columns else q)).reshape(shape).astype(np.float32)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what an activation shrinks the standard deviation, undone; `param` is the slope of a leaky_relu."""
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise OptionError(f"no gain is known for {nonlinearity!r}; it is for {', '.join(GAINS)}, leaky_relu")
    return GAINS[nonlinearity]


def kaiming(shape: Shape, a: float, mode: str, nonlinearity: str) -> float:
    """The standard deviation."""
    if mode not in ("fan_in", "fan_out"):
        raise OptionError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = fans(shape)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / sqrt(max(fan, 1))


def fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out of a weight [out, in, *kernel]."""
    if len(shape) < 2:
        raise ShapeError(f"a weight of shape {tuple(shape)} has no fan-in and fan-out: needs two axes or more")
    kernel = prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
