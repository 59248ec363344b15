"""How coarsely a function rounds, measured: a forward may compute a part in single precision, whatever it is given."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

HALFWAY = 1e-10  # between the rounding of double precision and that of single


def grain_of(f: Callable[[Array], Array], v: Array) -> float:
    """What is left of values along a short line when a parabola is taken from them, relative to the largest.

    Of a line a quarter as long less than a sixteenth is left of what bends there (of a cube a 64th), and in long double
    less of what cancels; rounding to single precision stays as it is. The line starts beside the example, where nothing
    is special: not at the 0 of a root, or of a kink.
    """
    rng, n = np.random.default_rng(7), len(v)
    size = np.where(v == 0, np.max(abs(v), initial=0) or 1.0, abs(v))
    start = v + size * rng.uniform(0.01, 0.05, n)
    t, k = size * rng.choice([-1, 1], n) * rng.uniform(0.5, 1.5, n), np.arange(1.0, 9.0)
    powers, _ = np.linalg.qr(np.vander(k, 3))

    def left(length: float, dtype: Any) -> float:
        y = np.stack([f(start.astype(dtype) + length * each * t) for each in k])
        rest = (y - y[0]) - powers @ (powers.T @ (y - y[0]))
        values = np.max(abs(y), initial=0)
        return float(np.max(abs(rest), initial=0) / values) if np.isfinite(values) and values else 0.0

    found = left(1e-6, np.float64)
    if found <= HALFWAY or left(1e-6, np.longdouble) < found / 16:
        return 0.0
    for length in (2.5e-7, 6e-8):
        found, before = left(length, np.float64), found
        if found <= HALFWAY or found < before / 16:
            return 0.0
    return found
