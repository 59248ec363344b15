"""Power-average pooling: the p-norm of every window."""

from dataclasses import dataclass
from math import inf, prod

import numpy as np

from pullback.operators import Sparse
from pullback.rules.pool import Pool


@dataclass(frozen=True)
class LpPool(Pool):
    """The norm of every window: the sum of sizes for p = 1, the length for p = 2, towards the maximum for large p.

        y[q] = (Σk |x[stride q + k]|^p)^(1/p),    p = norm_type

    computed with ratios to the largest element, so that powers do not overflow. The derivative is a ratio as well,

        gx = gy sign(x) (|x|/y)^(p-1)

    At a kink, x = 0 for p = 1 and y = 0 for all p, it is 0: of all derivatives the one of least norm. For p < 2 the
    second derivative is infinite at x = 0, and taken as 0.
    A window that holds inf has length inf and, for p > 1, gradient 0. PyTorch sums x^p in place of |x|^p (nan where
    that is negative), and in `ceil_mode` multiplies a window that hangs over the end by
    (its size / what it sees)^(1/p).

    Source: Sermanet, Chintala & LeCun (2012), Convolutional neural networks applied to house numbers digit
    classification.
    """

    norm_type: float = 2
    signature = "x[... *n] -> y[... *out]"
    kinks = (0.0,)
    per_axis = "kernel_size", "stride"
    requires = "1 <= norm_type <= 1e38", *Pool.requires
    cases3d = (
        dict(n=(4, 5, 2)),
        dict(n=(5, 4, 3), kernel_size=(3, 2, 2), stride=(2, 1, 2), ceil_mode=True, norm_type=3, batch=(2,)),
        dict(n=(3, 4, 2), norm_type=1, stride=1, batch=(2, 1)),
        dict(n=(3, 2, 4), kernel_size=(3, 2, 4), norm_type=1.5),
    )

    @property
    def p(self):
        return float(self.norm_type)

    def forward(self, x):
        size = abs(self.stack(x))
        largest = size.max(0)
        scale = np.where((largest > 0) & (largest < inf), largest, 1)
        y = scale * ((size / scale) ** self.p).sum(0) ** (1 / self.p)
        return y, (x, y)

    def jvp(self, tx, x, y):
        return (self.slope(x, y) * self.stack(tx)).sum(0)

    def vjp(self, gy, x, y):
        return self.windows(self.space(x)).unstack(gy * self.slope(x, y))

    def hvp(self, gy, tx, x, y):
        seen, slope, tx = self.stack(x), self.slope(x, y), self.stack(tx)
        size = ratio(abs(seen), y)
        bend = np.power(size, self.p - 2, out=np.zeros_like(size), where=(size > 0) | (self.p >= 2))
        ty = (slope * tx).sum(0)
        return self.windows(self.space(x)).unstack(ratio(gy * (self.p - 1), y) * (bend * tx - slope * ty))

    def jacobian(self, x, y):
        windows = self.windows(self.space(x))
        places = windows.places().reshape(prod(windows.kernel), prod(windows.out))
        k, q = np.nonzero(places >= 0)
        slope = self.slope(x, y).reshape(len(places), *self.batch(x), places.shape[1])
        return Sparse(q, places[k, q], np.moveaxis(slope, 0, -2)[..., k, q], windows.out, windows.n)

    def slope(self, x, y):
        """[kernel ... *out]: ∂y/∂x of every element in every window."""
        seen = self.stack(x)
        return np.sign(seen) * ratio(abs(seen), y) ** (self.p - 1)

    def stack(self, x):
        return self.windows(self.space(x)).stack(x)

    derivation = """
        at n=(4, 2, 2), kernel_size=(2, 2, 1), stride=1, batch=(2,)
        at n=(5, 3, 2), kernel_size=(2, 2, 1), norm_type=3, ceil_mode=True
        at n=(4, 2, 2), norm_type=1.5; n=(4, 2, 2), norm_type=1
        for e f in ...
        for k in kernel_size
        for q in *out
        for s in *n
        let p = norm_type
        let X[e,s] = x[e,s] if 0 <= s < n else 0
        let y[e,q] = sum(k, abs(X[e,step*q+k])**p)**(1/p)
        let sees[q,s] = sum(k, s == step*q+k)

        d(abs(x[e,s])**p, x[e,s])
          = p*abs(x[e,s])**(p-1)*sign(x[e,s])                                   # power rule
        d(y[e,q], x[f,s])
          = (e==f)*sees[q,s]*y[e,q]**(1-p)*abs(x[e,s])**(p-1)*sign(x[e,s])      # chain rule, through the sum
          = (e==f)*sees[q,s]*sign(x[e,s])*(abs(x[e,s])/y[e,q])**(p-1)           # one power of a ratio

        vjp gx[e,s]
          = sum(f, q, gy[f,q]*d(y[f,q], x[e,s]))                                # chain rule
          = sum(q, gy[e,q]*sees[q,s]*sign(x[e,s])*(abs(x[e,s])/y[e,q])**(p-1))  # collapse the delta
"""


def ratio(a, b):
    """a / b, and 0 where b is 0 or infinite."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape), b.dtype), where=(b != 0) & (b != inf))


lp_pool1d, lp_pool2d, lp_pool3d = (LpPool(dims=d) for d in (1, 2, 3))
