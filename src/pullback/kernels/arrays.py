"""What kernels ask of the arrays that they are given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.kernels.buffers import empty


def plain(x: Any) -> Any:
    """x, or a copy of it, with its elements one after the other."""
    flags = x.flags
    if flags.c_contiguous and flags.aligned:
        return x
    y = empty(x.shape, x.dtype)
    y[...] = x
    return y


def order(x: Any) -> Any:
    """The axes in the order in which they lie in memory, from the outermost; None if that is the usual one."""
    if x.flags.c_contiguous or x.ndim < 2:
        return None
    return sorted(range(x.ndim), key=lambda k: -abs(x.strides[k]))


def like(x: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
    """Room for as many numbers, which lie in memory in the order of those of x."""
    axes = order(x)
    if axes is None:
        return empty(x.shape, dtype)
    return empty(tuple(x.shape[k] for k in axes), dtype).transpose(np.argsort(axes))


def alike(a: Any, x: Any) -> Any:
    """a, or a copy of it, whose elements lie in memory one after the other, in the order of those of x."""
    axes = order(x)
    return plain(a) if axes is None else plain(a.transpose(axes)).transpose(np.argsort(axes))


def last(x: Any, axis: int) -> Any:
    """x with an axis in the last place."""
    return x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)


def back(x: Any, axis: int) -> Any:
    """The way back of `last`."""
    return x if axis in (-1, x.ndim - 1) else np.moveaxis(x, -1, axis)
