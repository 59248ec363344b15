"""Convolution, and its transpose, over any number of axes."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import rows
from pullback.operators import Sparse
from pullback.rules.spatial import Spatial
from pullback.windows import fold, unfold


@dataclass(frozen=True)
class Bilinear(Spatial):
    """y = w ∗ x, linear in x and in w: `correlate` gives y, `spread` is its transpose in x, `weigh` in w.

    Each is a product with the columns of x: what every window sees, as [... groups, channels·kernel, positions].
    """

    stride: int | tuple = 1
    padding: int | tuple | str = 0
    dilation: int | tuple = 1
    groups: int = 1
    per_axis = "stride", "padding", "dilation"

    def correlate(self, x, w, out):
        y = self.matrix(w) @ self.columns(x, w, out)
        return y.reshape(*self.batch(x), len(w), *out)

    def spread(self, y, w, n):
        k, out = w.shape[2:], self.space(y)
        seen = self.matrix(w).swapaxes(-1, -2) @ self.channels(y)
        seen = seen.reshape(*self.batch(y), self.groups * w.shape[1], prod(k), *out)
        return fold(seen, n, k, out, self.stride, self.dilation, self.before(k))

    def weigh(self, y, x, w):
        columns = self.columns(x, w, self.space(y))
        return rows(self.channels(y) @ columns.swapaxes(-1, -2), 3).sum(0).reshape(w.shape)

    def columns(self, x, w, out, fill=0):
        k = w.shape[2:]
        seen = unfold(x, k, out, self.stride, self.dilation, self.before(k), fill)
        return seen.reshape(*self.batch(x), self.groups, prod(w.shape[1:]), prod(out))

    def channels(self, y):
        return y.reshape(*self.batch(y), self.groups, y.shape[-self.dims - 1] // self.groups, prod(self.space(y)))

    def matrix(self, w):
        return w.reshape(self.groups, len(w) // self.groups, prod(w.shape[1:]))

    def batch(self, x):
        return x.shape[: x.ndim - self.dims - 1]

    def space(self, x):
        return x.shape[x.ndim - self.dims :]

    def bias(self, b):
        return b.reshape(-1, *[1] * self.dims)

    def sum_bias(self, gy):
        return rows(gy, self.dims + 1).sum((0, *range(2, self.dims + 2)))


@dataclass(frozen=True)
class Conv(Bilinear):
    """Slide a kernel over x; every output is a weighted sum of one window (a correlation: the kernel is not flipped).

        y[o, p] = Σc Σk w[o, c, k] x[c, stride p + dilation k - padding] + b[o]

    x is 0 outside. `padding="same"` keeps the size (stride 1; the odd element goes behind), "valid" is 0.
    With groups, output channels see only the input channels of their group. What no window meets gets gradient 0.

    Source: LeCun et al. (1989), Backpropagation applied to handwritten zip code recognition.
    """

    signature = "x[... i *n]; w[o i/groups *k], b[o]=0 -> y[... o *out]"
    words = "same", "valid"
    requires = (
        "min(stride) > 0 and min(dilation) > 0", "o % groups == 0", "min(out) > 0",
        "padding in ('same', 'valid') or min(padding) >= 0", "padding != 'same' or max(stride) == 1",
    )  # fmt: skip
    cases = (
        dict(i=2, o=3, n=(5,) * 3, k=(3, 2, 1)),
        dict(i=4, o=2, n=(4,) * 3, k=(2,) * 3, batch=(2,), groups=2, stride=2, padding=1),
        dict(i=1, o=1, n=(6,) * 3, k=(2,) * 3, padding="same", dilation=2, without=("b",)),
    )

    def out(self, n, k):
        if self.padding == "same":
            return n
        pads, steps = self.before(k), zip(k, self.stride, self.dilation)
        return tuple((m + 2 * p - d * (q - 1) - 1) // s + 1 for m, p, (q, s, d) in zip(n, pads, steps))

    def before(self, k):
        same = tuple(d * (q - 1) // 2 for q, d in zip(k, self.dilation))
        return {"same": same, "valid": (0,) * self.dims}.get(self.padding, self.padding)

    def forward(self, x, w, b):
        y = self.correlate(x, w, self.out(self.space(x), w.shape[2:]))
        return y + self.bias(b), (x, w)

    def jvp(self, tx, tw, tb, x, w):
        out = self.out(self.space(x), w.shape[2:])
        return self.correlate(tx, w, out) + self.correlate(x, tw, out) + self.bias(tb)

    def vjp(self, gy, x, w):
        gx = lambda: self.spread(gy, w, self.space(x))
        gw = lambda: self.weigh(gy, x, w)
        gb = lambda: self.sum_bias(gy)
        return gx, gw, gb

    def hvp(self, gy, tx, tw, tb, x, w):
        return self.spread(gy, tw, self.space(x)), self.weigh(gy, tx, w), np.zeros_like(tb)

    def jacobian(self, x, w):
        """Sparse: as many entries as there are meetings of an input with a weight, padding left out."""
        n, out = self.space(x), self.out(self.space(x), w.shape[2:])
        i, o, g, p = x.shape[-self.dims - 1], len(w), self.groups, prod(out)
        full = g, o // g, prod(w.shape[1:]), p  # group, output, window, position
        met = self.columns(np.arange(i * prod(n)).reshape(i, *n), w, out, fill=-1)[:, None]
        inside = np.broadcast_to(met >= 0, full)
        pick = lambda a: np.broadcast_to(a, (*a.shape[:-4], *full))[..., inside]
        row = pick(np.arange(o * p).reshape(g, o // g, 1, p))
        weight = pick(np.arange(w.size).reshape(g, o // g, full[2], 1))
        seen = pick(self.columns(x, w, out)[..., None, :, :])
        y, bias = (o, *out), np.repeat(np.arange(o), p)
        return (
            Sparse(row, pick(met), w.reshape(-1)[weight], y, (i, *n)),
            Sparse(row, weight, seen, y, w.shape),
            Sparse(np.arange(o * p), bias, np.ones(o * p, w.dtype), y, (o,)),
        )


@dataclass(frozen=True)
class ConvTranspose(Bilinear):
    """The transpose of Conv in x, used forwards: every input is spread over one window of the output.

        y[o, stride p + dilation k - padding] += Σi w[i, o, k] x[i, p],  and + b[o]

    `output_padding` says how many outputs behind the last window are there as well (they hold b alone).

    Source: Zeiler et al. (2010), Deconvolutional networks.
    """

    output_padding: int | tuple = 0
    per_axis = *Bilinear.per_axis, "output_padding"
    signature = "x[... i *n]; w[i o *k], b[o*groups]=0 -> y[... o*groups *out]"
    requires = (
        "min(stride) > 0 and min(dilation) > 0", "i % groups == 0", "min(out) > 0",
        "min(padding) >= 0 and min(output_padding) >= 0",
    )  # fmt: skip
    cases = (
        dict(i=2, o=3, n=(3,) * 3, k=(3, 2, 1)),
        dict(i=4, o=1, n=(3,) * 3, k=(2,) * 3, batch=(2,), groups=2, stride=2, padding=1, output_padding=1),
    )

    def out(self, n, k):
        steps = zip(n, k, self.stride, self.padding, self.dilation, self.output_padding)
        return tuple((m - 1) * s - 2 * p + d * (q - 1) + e + 1 for m, q, s, p, d, e in steps)

    def before(self, k):
        return self.padding

    def forward(self, x, w, b):
        y = self.spread(x, w, self.out(self.space(x), w.shape[2:]))
        return y + self.bias(b), (x, w)

    def jvp(self, tx, tw, tb, x, w):
        out = self.out(self.space(x), w.shape[2:])
        return self.spread(tx, w, out) + self.spread(x, tw, out) + self.bias(tb)

    def vjp(self, gy, x, w):
        gx = lambda: self.correlate(gy, w, self.space(x))
        gw = lambda: self.weigh(x, gy, w)
        gb = lambda: self.sum_bias(gy)
        return gx, gw, gb

    def hvp(self, gy, tx, tw, tb, x, w):
        return self.correlate(gy, tw, self.space(x)), self.weigh(tx, gy, w), np.zeros_like(tb)


conv1d, conv2d, conv3d = (Conv(dims=d) for d in (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = (ConvTranspose(dims=d) for d in (1, 2, 3))
