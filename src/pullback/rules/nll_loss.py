"""Negative log-likelihood: the loss of log-probabilities and classes."""

from dataclasses import dataclass

import numpy as np

from pullback.rule import Straight
from pullback.rules.class_loss import ClassLoss
from pullback.rules.loss import weigh


@dataclass(frozen=True)
class NLLLoss(Straight, ClassLoss):
    """Minus the log-probability x of the target t.

        y     = -w[t] x[t]
        gx[c] = -w[t] (c==t) gy

    x has its classes along `axis`, which is 1; a bare vector x[c] takes a single target. w is a weight per class.
    The mean divides by the weight of the targets, Σ w[t]. A target equal to `ignore_index` counts for nothing; if all
    do, or there are none, the loss and its gradient are 0 (PyTorch: nan). x[t] = -inf costs inf, or 0 if w[t] is 0.

    Source: Fisher (1922), On the mathematical foundations of theoretical statistics.
    """

    signature = property(lambda self: self.losses("x[n c *d], int t[n *d]<c, const w[c]=1 -> y[n *d]"))
    exempt = property(lambda self: self.ignore_index)
    requires = (*ClassLoss.requires, "c > 0")
    cases = (
        dict(n=4, c=3, d=(), without=("w",)), dict(n=2, c=3, d=(2,), reduction="none"), dict(c=4, d=(), axis=0),
        dict(n=3, c=2, d=(), ignore_index=1), dict(c=3, d=(2, 2), axis=-1, reduction="sum"),
        dict(n=2, c=1, d=(), ignore_index=0), dict(n=0, c=2, d=()),
    )  # fmt: skip

    def forward(self, x, t, w):
        place, share = self.located(t, w)
        n = share.sum() or 1
        return self.reduce(weigh(share, -x[place]), n), (place, share, n, x.shape)

    def jvp(self, tx, place, share, n, shape):
        return self.reduce(-share * tx[place], n)

    def vjp(self, gy, place, share, n, shape):
        gx = np.zeros(shape, gy.dtype)
        gx[place] = -share * self.spread(gy, n)
        return gx

    text = """
        at n=3, c=3, d=(); n=2, c=2, d=(2,), reduction="sum", ignore_index=1; n=3, c=2, d=(), without=("w",)
        for a in n
        for c k in c
        for s in *d
        let m[a,s] = w[t[a,s]] if t[a,s] != ignore_index else 0  # the weight of the target's class, 0 if ignored
        let N = sum(a, s, m[a,s]) if reduction == "mean" else 1  # what the mean divides by
        let l[a,s] = -m[a,s]*x[a,t[a,s],s] if m[a,s] != 0 else 0  # the loss of one example
        let y = sum(a, s, l[a,s])/N  # the loss, reduced

        d(l[a,s], x[a,k,s])
          = -m[a,s]*(t[a,s]==k)       # linear in x: the target's element alone

        vjp gx[a,k,s]
          = gy*d(y, x[a,k,s])         # chain rule
          = gy*d(l[a,s], x[a,k,s])/N  # the mean's share
          = -gy*m[a,s]*(t[a,s]==k)/N  # Jacobian above
"""


nll_loss = NLLLoss()
