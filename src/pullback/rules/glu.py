"""Gated linear unit: one half of the input opens gates for the other."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import sigmoid
from pullback.operators import Sparse
from pullback.rule import Rule
from pullback.signature import along


@dataclass(frozen=True)
class GLU(Rule):
    """a σ(b), where a and b are the two halves of x along an axis of even size.

        y  = a σ(b)
        gx = [gy σ(b), gy a σ(b) σ(-b)]

    Source: Dauphin et al. (2017), Language modeling with gated convolutional networks.
    """

    axis: int = -1
    signature = along("x[... n] -> y[... half]")
    requires = ("n % 2 == 0",)
    cases = (
        dict(n=4),
        dict(n=2, batch=(3,)),
        dict(n=0, batch=(2,)),
        dict(n=4, axis=0, batch=(2,)),
        dict(n=4, b0=3, axis=1),
    )

    def half(self, n):
        return n // 2

    def forward(self, x):
        a, b = self.halves(x)
        return a * sigmoid(b), (x,)

    def jvp(self, tx, x):
        (ta, tb), (by_a, by_b) = self.halves(tx), self.slopes(x)
        return by_a * ta + by_b * tb

    def vjp(self, gy, x):
        by_a, by_b = self.slopes(x)
        return np.concatenate([gy * by_a, gy * by_b], self.axis)

    def hvp(self, gy, tx, x):
        (a, b), (ta, tb) = self.halves(x), self.halves(tx)
        slope = sigmoid(b) * sigmoid(-b)
        bend = -slope * np.tanh(b / 2)
        return np.concatenate([gy * slope * tb, gy * (slope * ta + a * bend * tb)], self.axis)

    def jacobian(self, x):
        values = np.concatenate([np.moveaxis(s, self.axis, -1) for s in self.slopes(x)], -1)
        n = values.shape[-1]
        rows = np.tile(np.arange(n // 2), 2)
        return Sparse(rows, np.arange(n), values, (n // 2,), (n,)).along(self.axis)

    def slopes(self, x):
        """How y moves with a, and with b."""
        a, b = self.halves(x)
        return sigmoid(b), a * sigmoid(b) * sigmoid(-b)

    def halves(self, x):
        return np.split(x, 2, self.axis)

    derivation = """
        at n=4; n=2, batch=(2,)
        for i j in n
        for k l in half
        let s[k] = 1/(1 + exp(-x[half + k]))
        let y[k] = x[k]*s[k]

        d(y[k], x[j])
          = (j==k)*s[k] + (j==half+k)*x[k]*d(s[k], x[half + k])  # product rule
          = (j==k)*s[k] + (j==half+k)*x[k]*s[k]*(1 - s[k])       # slope of the sigmoid

        vjp gx[l]
          = sum(k, gy[k]*d(y[k], x[l]))                          # chain rule
          = sum(k, gy[k]*(l==k)*s[k])                            # Jacobian above, first half
          = gy[l]*s[l]                                           # collapse the delta
        vjp gx[half + l]
          = sum(k, gy[k]*d(y[k], x[half + l]))                   # chain rule
          = sum(k, gy[k]*(half+l==half+k)*x[k]*s[k]*(1 - s[k]))  # Jacobian above, second half
          = gy[l]*x[l]*s[l]*(1 - s[l])                           # collapse the delta
"""


glu = GLU()
