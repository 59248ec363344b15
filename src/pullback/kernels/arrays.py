"""What kernels ask of the arrays that they are given."""

from typing import Any

import numpy as np


def plain(x: Any) -> Any:
    """x, or a copy of it, with its elements one after the other."""
    flags = x.flags
    return x if flags.c_contiguous and flags.aligned else np.array(x, order="C")


def order(x: Any) -> Any:
    """The axes in the order in which they lie in memory, from the outermost; None if that is the usual one."""
    if x.flags.c_contiguous or x.ndim < 2:
        return None
    return sorted(range(x.ndim), key=lambda k: -abs(x.strides[k]))


def last(x: Any, axis: int) -> Any:
    """x with an axis in the last place."""
    return x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)


def back(x: Any, axis: int) -> Any:
    """The way back of `last`."""
    return x if axis in (-1, x.ndim - 1) else np.moveaxis(x, -1, axis)
