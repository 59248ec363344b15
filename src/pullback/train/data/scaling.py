"""Features on one scale: mean 0 and deviation 1, as measured on the training part."""

from typing import NamedTuple, Self

import numpy as np

from pullback.errors import DataError
from pullback.train.data.examples import first


class Scaling(NamedTuple):
    """Two arrays, one number a column; they belong into the checkpoint."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Self:
        """Measured on these rows, in float64. A column that never changes becomes 0, not 0/0."""
        x = floating(x)
        mean, deviation = (f(0, dtype=float).astype(x.dtype) for f in (x.mean, x.std))
        constant = (x.max(0) == x.min(0)) | (deviation == 0)
        return cls(np.where(constant, x[0], mean), np.where(constant, 1, deviation).astype(x.dtype))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Computed in float64, where x - mean cannot overflow."""
        x = floating(x)
        with np.errstate(over="ignore"):
            y: np.ndarray = ((x.astype(float) - self.mean) / self.deviation).astype(x.dtype)
        if place := first(~np.isfinite(y)):
            i, k = place
            scale = f"column {k + 1} has mean {self.mean[k]:g} and deviation {self.deviation[k]:g} in training"
            raise DataError(f"row {i + 1} is too far from the others: it holds {x[place]:g}, but {scale}")
        return y


def floating(x: np.ndarray) -> np.ndarray:
    """Integers too have means between them."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)
