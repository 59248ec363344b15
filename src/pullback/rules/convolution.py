"""What convolution and its transpose share: one map y = w ∗ x, linear in x and in w."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import rows
from pullback.operators import Sparse
from pullback.rules.spatial import Spatial
from pullback.windows import Windows


@dataclass(frozen=True)
class Convolution(Spatial):
    """y = w ∗ x: `correlate` gives y, `spread` is its transpose in x, `weigh` that in w.

    Each is one product with the columns of x, what every window sees:

        y[o, p] = Σck w[o, ck] columns[ck, p],    in every group
    """

    stride: int | tuple = 1
    padding: int | tuple | str = 0
    dilation: int | tuple = 1
    groups: int = 1
    per_axis = "stride", "padding", "dilation"

    def output_size(self, out):
        """What error messages call it."""
        return out

    def correlate(self, x, w, out):
        seen = self.seen(x, self.windows(self.space(x), w, out))
        columns = seen.reshape(*self.examples(x), self.groups, prod(w.shape[1:]), prod(out))
        return (self.matrix(w) @ columns).reshape(*self.examples(x), len(w), *out)

    def spread(self, y, w, n):
        examples, k, out = self.examples(y), self.space(w), self.space(y)
        channels = y.reshape(*examples, self.groups, len(w) // self.groups, prod(out))
        columns = self.matrix(w).swapaxes(-1, -2) @ channels
        seen = columns.reshape(*examples, self.groups * w.shape[1], *k, *out)
        kernel_first = np.moveaxis(seen, range(-2 * self.dims, -self.dims), range(self.dims))
        return self.windows(n, w, out).fold(kernel_first)

    def weigh(self, y, x, w):
        """All examples stand beside one another, so that one product sums them."""
        out = self.space(y)
        seen = self.beside(self.seen(x, self.windows(self.space(x), w, out)), 2 * self.dims + 1)
        positions = prod(self.examples(y)) * prod(out)
        columns = seen.reshape(self.groups, prod(w.shape[1:]), positions)
        channels = self.beside(y, self.dims + 1).reshape(self.groups, len(w) // self.groups, positions)
        return (channels @ columns.swapaxes(-1, -2)).reshape(w.shape)

    def seen(self, x, windows):
        """[... i *n] -> [... i *k *out], a view."""
        return np.moveaxis(windows.unfold(x), range(self.dims), range(-2 * self.dims, -self.dims))

    def beside(self, a, own):
        """[... c *out] -> [c batch *out]"""
        return np.moveaxis(rows(a, own), 0, -self.dims - 1)

    def matrix(self, w):
        return w.reshape(self.groups, len(w) // self.groups, prod(w.shape[1:]))

    def windows(self, n, w, out):
        return Windows(n, self.space(w), out, self.stride, self.dilation, self.padding_before(self.space(w)))

    def examples(self, x):
        return self.batch(x)[:-1]

    def bias(self, b):
        """A number per channel, for every position."""
        return b.reshape(*b.shape, *[1] * self.dims)

    def sum_bias(self, gy):
        """Its transpose."""
        return rows(gy, self.dims + 1).sum((0, *range(2, self.dims + 2)))

    def meetings(self, w, n, out):
        """Every product that the sum holds: the element of y, of w and of x in it, each counted row by row.

        As many as J has entries: where a window hangs over the edge there is nothing to meet.
        """
        g, o, i, k, p = self.groups, len(w) // self.groups, w.shape[1], prod(self.space(w)), prod(out)
        places = self.windows(n, w, out).places().reshape(k, p)
        inside = np.broadcast_to(places >= 0, (g, o, i, k, p))
        group, to, source, offset, position = np.nonzero(inside)
        channel = group * o + to
        y = channel * p + position
        weight = (channel * i + source) * k + offset
        x = (group * i + source) * prod(n) + places[offset, position]
        return y, weight, x

    def bias_jacobian(self, y, dtype):
        """[o] -> [o *out]"""
        channels, each = y[0], prod(y[1:])
        numbers = np.arange(channels * each)
        return Sparse(numbers, np.repeat(np.arange(channels), each), np.ones(len(numbers), dtype), y, (channels,))
