"""Pooling: the largest, or the mean, of every window."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import flat, rows
from pullback.operators import Sparse
from pullback.rules.spatial import Spatial
from pullback.windows import fold, unfold


@dataclass(frozen=True)
class Pool(Spatial):
    """What both share: windows of `kernel_size`, `stride` apart (the kernel's own size if None).

    `ceil_mode` keeps a last window that hangs over the end, if it begins before the padding behind x.
    """

    kernel_size: int | tuple = 2
    stride: int | tuple | None = None
    padding: int | tuple = 0
    ceil_mode: bool = False
    per_axis = "kernel_size", "stride", "padding", "dilation"
    requires = (
        "min(kernel_size) > 0 and min(dilation) > 0", "stride is None or min(stride) > 0", "min(out) > 0",
        "all(0 <= 2 * p <= k for p, k in zip(padding, kernel_size))",
    )  # fmt: skip

    @property
    def steps(self):
        return self.stride or self.kernel_size

    def out(self, n):
        def count(m, k, s, p, d):
            room = m + 2 * p - d * (k - 1) - 1
            last = -(-room // s) if self.ceil_mode else room // s
            return last + 1 - (last * s >= m + p if self.ceil_mode else 0)

        return tuple(map(count, n, self.kernel_size, self.steps, self.padding, self.dilation))

    def windows(self, x, n, fill=0, before=None):
        before = self.padding if before is None else before
        return unfold(x, self.kernel_size, self.out(n), self.steps, self.dilation, before, fill)

    def places(self, n):
        """For every window, the flat index in x of what it sees; -1 in the padding."""
        return self.windows(np.arange(prod(n)).reshape(n), n, fill=-1)


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest element of every window; ties go to the first. Padding never wins, nan always does.

        y[p] = x[index[p]],   index[p] = argmax of x over window p

    So it gathers, and its transpose scatters: the indices are all it keeps. They count inside one plane of x.
    """

    dilation: int | tuple = 1
    return_indices: bool = False
    kinks = "ties"
    cases = (
        dict(n=(4, 4, 5)),
        dict(n=(5, 4, 3), kernel_size=3, stride=2, padding=1, ceil_mode=True, batch=(2,), return_indices=True),
    )

    @property
    def signature(self):
        return "x[... *n] -> y[... *out]" + ", int index[... *out]" * self.return_indices

    def forward(self, x):
        n = x.shape[x.ndim - self.dims :]
        seen, places = self.windows(x, n, -np.inf), self.places(n)
        best = np.expand_dims(seen.argmax(-1 - self.dims), -1 - self.dims)
        index = np.take_along_axis(np.broadcast_to(places, seen.shape), best, -1 - self.dims)
        index = index.squeeze(-1 - self.dims)
        first = np.where(places < 0, prod(n), places).min(0)
        index = np.where(index < 0, first, index)  # a window of -inf alone
        y = self.gather(x, index)
        return ((y, index) if self.return_indices else y), (index, n)

    def jvp(self, tx, index, n):
        return self.gather(tx, index)

    def vjp(self, gy, index, n):
        planes = rows(flat(index, self.dims))
        gx = np.zeros((len(planes), prod(n)), gy.dtype)
        np.add.at(gx, (np.arange(len(gx))[:, None], planes), gy.reshape(planes.shape))
        return gx.reshape(*gy.shape[: gy.ndim - self.dims], *n)

    def gather(self, x, index):
        return np.take_along_axis(flat(x, self.dims), flat(index, self.dims), -1).reshape(index.shape)


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of every window.

        y[p] = Σ of x over window p / count[p]

    The padding counts as zeros, unless `count_include_pad` is false; what hangs over it never counts.
    `divisor_override` takes the place of the count. Linear in x, so nothing but the shape of x is kept.
    """

    count_include_pad: bool = True
    divisor_override: int | None = None
    signature = "x[... *n] -> y[... *out]"
    dilation = property(lambda self: (1,) * self.dims)
    per_axis = "kernel_size", "stride", "padding"
    cases = (
        dict(n=(4, 4, 5)),
        dict(n=(5, 4, 3), kernel_size=3, stride=2, padding=1, ceil_mode=True, batch=(2,)),
        dict(n=(5, 4, 3), kernel_size=2, padding=1, count_include_pad=False),
    )

    def share(self, n, dtype):
        """One over the count of every window."""
        if self.divisor_override:
            return dtype.type(1 / self.divisor_override)
        if self.count_include_pad:
            padded = np.ones([m + 2 * p for m, p in zip(n, self.padding)], dtype)
            return 1 / self.windows(padded, n, before=(0,) * self.dims).sum(0)
        return 1 / self.windows(np.ones(n, dtype), n).sum(0)

    def forward(self, x):
        n = x.shape[x.ndim - self.dims :]
        return self.jvp(x, n), (n,)

    def jvp(self, tx, n):
        return self.windows(tx, n).sum(-1 - self.dims) * self.share(n, tx.dtype)

    def vjp(self, gy, n):
        g = np.expand_dims(gy * self.share(n, gy.dtype), -1 - self.dims)
        g = np.repeat(g, prod(self.kernel_size), -1 - self.dims)
        return fold(g, n, self.kernel_size, self.out(n), self.steps, self.dilation, self.padding)

    def jacobian(self, n):
        places, out = self.places(n), self.out(n)
        inside = places >= 0
        entries = lambda a: np.broadcast_to(a, places.shape)[inside]
        row = entries(np.arange(prod(out)).reshape(out))
        return Sparse(row, places[inside], entries(self.share(n, np.dtype(float))), out, n)


max_pool1d, max_pool2d, max_pool3d = (MaxPool(dims=d) for d in (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = (AvgPool(dims=d) for d in (1, 2, 3))
