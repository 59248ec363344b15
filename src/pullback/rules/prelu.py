"""PReLU: a leaky ReLU that learns its slope."""

from dataclasses import dataclass

import numpy as np

from pullback.rule import Rule


@dataclass(frozen=True)
class PReLU(Rule):
    """x where it is positive, w x below; one w for all channels, or one per channel (axis 1).

    At 0, w is 1's rival: the derivative from the right is 1.

    Source: He et al. (2015), Delving deep into rectifiers.
    """

    signature = "x[n c *d]; w[p] -> y[n c *d]"
    requires = ("p in (1, c)",)
    kinks = (0.0,)
    cases = dict(n=3, c=2, d=(), p=2), dict(n=2, c=3, d=(2,), p=1)

    def forward(self, x, w):
        return np.where(x < 0, widen(w, x) * x, x), (x, w)

    def jvp(self, tx, tw, x, w):
        return np.where(x < 0, widen(w, x) * tx + widen(tw, x) * x, tx)

    def vjp(self, gy, x, w):
        gx = np.where(x < 0, widen(w, x) * gy, gy)
        gw = (gy * np.minimum(x, 0)).sum((0, *range(2, x.ndim)))
        return gx, gw if w.size > 1 else gw.sum(keepdims=True)


def widen(w, x):
    return w.reshape(-1, *[1] * (x.ndim - 2))


prelu = PReLU()
