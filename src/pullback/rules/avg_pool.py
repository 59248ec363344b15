"""Average pooling: the mean of every window."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.operators import Sparse
from pullback.rule import Straight
from pullback.rules.pool import Pool


@dataclass(frozen=True)
class AvgPool(Straight, Pool):
    """The mean of every window.

        y[p] = Σk x[stride p + k - padding] / count[p]
        gx   = gy[p] / count[p] added all over window p, for all p

    Padding counts as zeros, unless `count_include_pad` is false; what hangs over it never counts.
    `divisor_override` takes the place of the count. Linear in x, so nothing but its shape is kept.

    Source: LeCun et al. (1989), Backpropagation applied to handwritten zip code recognition.
    """

    padding: int | tuple = 0
    count_include_pad: bool = True
    divisor_override: int | None = None
    signature = "x[... *n] -> y[... *out]"
    per_axis = "kernel_size", "stride", "padding"
    requires = *Pool.requires, "divisor_override is None or divisor_override != 0"
    cases3d = (
        dict(n=(4, 5, 2)),
        dict(n=(5, 4, 3), kernel_size=3, stride=2, padding=1, ceil_mode=True, batch=(2,)),
        dict(n=(5, 4, 3), kernel_size=(2, 3, 2), stride=1, padding=1, count_include_pad=False, batch=(2, 1)),
        dict(n=(3, 2, 4), kernel_size=(3, 2, 4), divisor_override=3),
    )

    def count(self, windows, dtype):
        if self.divisor_override:
            return np.full(windows.out, self.divisor_override, dtype)
        return windows.counts(margin=self.padding if self.count_include_pad else (0,) * self.dims).astype(dtype)

    def forward(self, x):
        n, dtype = self.space(x), x.dtype
        return self.jvp(x, n, dtype), (n, dtype)

    def jvp(self, tx, n, dtype):
        windows = self.windows(n)
        return windows.stack(tx).sum(0) / self.count(windows, dtype)

    def vjp(self, gy, n, dtype):
        windows = self.windows(n)
        share = gy / self.count(windows, dtype)
        return windows.unstack(np.broadcast_to(share, (prod(windows.kernel), *share.shape)))

    def jacobian(self, n, dtype):
        windows = self.windows(n)
        places = windows.places().reshape(prod(windows.kernel), prod(windows.out))
        k, p = np.nonzero(places >= 0)
        share = 1 / self.count(windows, dtype).reshape(prod(windows.out))
        return Sparse(p, places[k, p], share[p], windows.out, n)

    derivation = """
        at n=(5, 3, 2), kernel_size=(3, 2, 1), stride=2, padding=(1, 1, 0), ceil_mode=True, batch=(2,); n=(4, 2, 2)
        at n=(4, 3, 2), kernel_size=(3, 2, 1), stride=1, padding=(1, 0, 0), count_include_pad=False
        at n=(4, 2, 2), divisor_override=3
        for e f in ...
        for k in kernel_size
        for p in *out
        for q in *n
        let X[e,q] = x[e,q] if 0 <= q < n else 0  # x, and zeros around it
        let m[p,k] = step*p + k - padding
        let margin = padding if count_include_pad else 0*n
        let count[p] = divisor_override if divisor_override else sum(k, -margin <= m[p,k] < n + margin)
        let y[e,p] = sum(k, X[e,m[p,k]])/count[p]

        d(y[e,p], x[f,q])
          = (e==f)*sum(k, q == m[p,k])/count[p]        # linear in x

        vjp gx[e,q]
          = sum(f, p, gy[f,p]*d(y[f,p], x[e,q]))       # chain rule
          = sum(p, k, (q == m[p,k])*gy[e,p]/count[p])  # collapse the delta: all windows that see q
"""


avg_pool1d, avg_pool2d, avg_pool3d = (AvgPool(dims=d) for d in (1, 2, 3))
