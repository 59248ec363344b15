"""Adaptive pooling: as many windows as are asked for, whatever the size of x."""

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from pullback.batch import flat
from pullback.operators import Sparse
from pullback.rule import Straight
from pullback.rules.selection import Select
from pullback.rules.spatial import Spatial


@dataclass(frozen=True)
class AdaptivePool(Spatial):
    """`output_size` windows, as equal as they can be; None keeps the size of an axis, as windows of one element.

    Window p of m over n elements reaches from ⌊p n / m⌋ up to ⌈(p+1) n / m⌉. If m does not divide n, neighbours
    share elements; if m is greater than n, elements are repeated.
    """

    output_size: int | tuple | None = 1
    per_axis = ("output_size",)
    words = dict(output_size=(None,))
    requires = "n > 0", "windows_per_axis >= 0"
    cases3d = (
        dict(n=(4, 3, 2)),
        dict(n=(5, 4, 3), output_size=(3, 2, None), batch=(2,)),
        dict(n=(2, 3, 4), output_size=4, batch=(2, 1)),
        dict(n=(2, 3, 2), output_size=None),
    )

    def out(self, n):
        sizes = self.output_size or (None,) * self.dims
        return tuple(size if m is None else m for size, m in zip(n, sizes))

    def windows_per_axis(self, out):
        return out

    def windows(self, n):
        """What every output sees: its number, and the slices of x."""
        along = lambda n, m: [slice(p * n // m, -(-(p + 1) * n // m)) for p in range(m)]
        return enumerate((..., *slices) for slices in product(*map(along, n, self.out(n))))

    def places(self, n):
        """[*n]: the elements of a plane, counted row by row."""
        return np.arange(prod(n)).reshape(n)


@dataclass(frozen=True)
class AdaptiveMaxPool(AdaptivePool, Select):
    """The largest element of every window. Ties go to the first; nan wins, the first of several.

        y[p] = x[index[p]],    index[p] = argmax of x over window p
        gx   = gy[p] added at index[p], for all p

    Source: He, Zhang, Ren & Sun (2014), Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    cases3d = *AdaptivePool.cases3d, dict(n=(5, 3, 2), output_size=2, return_indices=True, batch=(2,))

    def forward(self, x):
        n, places = self.space(x), self.places(self.space(x))
        index = np.empty((*self.batch(x), prod(self.out(n))), int)
        for p, window in self.windows(n):
            index[..., p] = flat(places[window], self.dims)[flat(x[window], self.dims).argmax(-1)]
        index = index.reshape(*self.batch(x), *self.out(n))
        return self.answer(x, self.gather(x, index), index)

    derivation = """
        at n=(5, 3, 2), output_size=(2, 2, 1), batch=(2,); n=(2, 2, 2), output_size=(3, 2, 2)
        for e f in ...
        for p in *out
        for q in *n
        let sees[p,q] = p*n//out <= q < -(-(p+1)*n//out)
        let best[e,p] = argmax(q, x[e,q] if sees[p,q] else -inf)
        let y[e,p] = max(q, x[e,q] if sees[p,q] else -inf)

        d(y[e,p], x[f,q])
          = (e==f)*(q == best[e,p])               # only the largest element moves y

        vjp gx[e,q]
          = sum(f, p, gy[f,p]*d(y[f,p], x[e,q]))  # chain rule
          = sum(p, gy[e,p]*(q == best[e,p]))      # collapse the delta: all windows that q wins
"""


@dataclass(frozen=True)
class AdaptiveAvgPool(Straight, AdaptivePool):
    """The mean of every window.

        y[p] = Σ of x over window p / count[p]
        gx   = gy[p] / count[p] added all over window p, for all p

    Linear in x, so nothing but its shape is kept.

    Source: He, Zhang, Ren & Sun (2014), Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    signature = "x[... *n] -> y[... *out]"

    def forward(self, x):
        n, dtype = self.space(x), x.dtype
        return self.jvp(x, n, dtype), (n, dtype)

    def jvp(self, tx, n, dtype):
        ty = np.empty((*self.batch(tx), prod(self.out(n))), dtype)
        for p, window in self.windows(n):
            ty[..., p] = flat(tx[window], self.dims).mean(-1)
        return ty.reshape(*self.batch(tx), *self.out(n))

    def vjp(self, gy, n, dtype):
        gx, gy = np.zeros((*self.batch(gy), *n), dtype), flat(gy, self.dims)
        for p, window in self.windows(n):
            seen = flat(gx[window], self.dims).shape[-1]
            gx[window] += np.expand_dims(gy[..., p] / seen, tuple(range(-self.dims, 0)))
        return gx

    def jacobian(self, n, dtype):
        places, out = self.places(n), self.out(n)
        seen = [flat(places[window], self.dims) for _, window in self.windows(n)]
        counts = np.array([len(each) for each in seen], int)
        row = np.repeat(np.arange(prod(out)), counts)
        return Sparse(row, np.concatenate([*seen, counts[:0]]), (1 / counts[row]).astype(dtype), out, n)

    derivation = """
        at n=(5, 3, 2), output_size=(2, 2, 1), batch=(2,); n=(2, 2, 2), output_size=(3, 2, 2)
        for e f in ...
        for p in *out
        for q in *n
        let sees[p,q] = p*n//out <= q < -(-(p+1)*n//out)
        let count[p] = sum(q, sees[p,q])
        let y[e,p] = sum(q, sees[p,q]*x[e,q])/count[p]

        d(y[e,p], x[f,q])
          = (e==f)*sees[p,q]/count[p]             # linear in x

        vjp gx[e,q]
          = sum(f, p, gy[f,p]*d(y[f,p], x[e,q]))  # chain rule
          = sum(p, gy[e,p]*sees[p,q]/count[p])    # collapse the delta: all windows that see q
"""


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (AdaptiveMaxPool(dims=d) for d in (1, 2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (AdaptiveAvgPool(dims=d) for d in (1, 2, 3))
