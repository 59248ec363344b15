"""Log-softmax: scores to log-probabilities."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import centred, from_likeliest, log_sum_exp
from pullback.operators import Diagonal, Outer
from pullback.rule import Rule
from pullback.signature import along


@dataclass(frozen=True)
class LogSoftmax(Rule):
    """The logarithm of softmax along an axis.

        y[i]  = x[i] - log Σk exp(x[k])
        gx[i] = gy[i] - exp(y[i]) Σk gy[k]

    The largest score is subtracted first, and counts as log1p of the others: as its probability tends to 1, y and the
    gradient tend to 0 without a digit lost.
    A score of -inf gives -inf, in a row of -inf alone as well (PyTorch: nan); its probability, in the derivative, is 0.
    Scores of inf share the whole equally, and all others get -inf. nan makes its row nan.

    Source: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs.
    """

    axis: int = -1
    signature = along("x[... n] -> y[... n]")
    cases = (
        dict(n=3), dict(n=1), dict(n=0), dict(n=4, batch=(2,)), dict(n=2, batch=(3, 2)), dict(n=3, axis=0, batch=(2,)),
        dict(n=3, b0=2, axis=-2, batch=(2,)), dict(n=3, b0=2, axis=1),
    )  # fmt: skip

    def forward(self, x):
        _, z = centred(x, self.axis)
        y = z - log_sum_exp(z, self.axis)
        return y, (y,)

    def jvp(self, tx, y):
        p = np.exp(y)
        tx = from_likeliest(tx, p, self.axis)
        return tx - (p * tx).sum(self.axis, keepdims=True)

    def vjp(self, gy, y):
        others = gy.sum(self.axis, keepdims=True) - gy
        return -gy * np.expm1(y) - np.exp(y) * others  # gy - p Σ gy, where 1 - p is exact

    def hvp(self, gy, tx, y):
        return -np.exp(y) * self.jvp(tx, y) * gy.sum(self.axis, keepdims=True)

    def jacobian(self, y):
        one = np.ones_like(p := np.moveaxis(np.exp(y), self.axis, -1))
        return (Diagonal(one) - Outer(one, p)).along(self.axis)

    derivation = """
        at n=3; n=2
        for i j k in n
        let y[i] = x[i] - log(sum(k, exp(x[k])))
        let top = max(k, x[k])  # the largest score

        y[i]
          = x[i] - top - log(sum(k, exp(x[k] - top)))  # exp(top) out of the sum: no exponent above 0

        d(y[i], x[j])
          = (i==j) - exp(x[j])/sum(k, exp(x[k]))  # chain rule
          = (i==j) - exp(y[j])                    # recognise y

        vjp gx[j]
          = sum(i, gy[i]*d(y[i], x[j]))           # chain rule
          = sum(i, gy[i]*((i==j) - exp(y[j])))    # Jacobian above
          = gy[j] - exp(y[j])*sum(i, gy[i])       # collapse the delta
"""


log_softmax = LogSoftmax()
