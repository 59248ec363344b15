"""Cross-entropy of scores and classes: what every step of training a classifier computes, hence lean."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import centred
from pullback.rules.class_loss import ClassLoss
from pullback.rules.loss import weigh


@dataclass(frozen=True)
class ClassCrossEntropy(ClassLoss):
    """How surprised softmax(x) is by the class t, in nats.

        y = -w[t] log p[t],    gx = w[t] (p - (c==t)) gy,    p = softmax(x)

    Where p[t] is almost 1, what is left to the other classes is summed up: 1 - p[t] would have lost its digits.
    Saved are `p`, but 0 at the target; there `right` is p, and `rest` is 1 - p.
    """

    signature = property(lambda self: self.losses("x[b c *d], int t[b *d]<c, const w[c]=1 -> y[b *d]"))
    exempt = property(lambda self: self.ignore_index)
    requires = (*ClassLoss.requires, "c > 0")

    def forward(self, x, t, w):
        place, share = self.located(t, w)
        z = self.lowered(x, share)
        logit = z[place]
        p, right = np.exp(z), np.exp(logit)
        p[place] = 0
        lack = 1 - right
        rest = np.maximum(p.sum(self.axis), lack)  # the latter only if all scores are -inf
        excess = rest - lack  # Σ exp(z) - 1
        n = share.sum() or 1
        y = self.reduce(weigh(share, np.log1p(excess) - logit), n)
        total = 1 + excess
        p /= self.lift(total)
        return y, (p, right / total, rest / total, place, share, n)

    def jvp(self, tx, p, right, rest, place, share, n):
        return self.reduce(share * ((p * tx).sum(self.axis) - rest * tx[place]), n)

    def vjp(self, gy, p, right, rest, place, share, n):
        g = share * self.spread(gy, n)
        gx = p * self.lift(g)
        gx[place] = -rest * g
        return gx

    def hvp(self, gy, tx, p, right, rest, place, share, n):
        g = share * self.spread(gy, n)
        from_target = tx - self.lift(tx[place])
        mean = (p * from_target).sum(self.axis)
        gx = p * self.lift(g) * (from_target - self.lift(mean))
        gx[place] = -right * mean * g
        return gx

    def lowered(self, x, share):
        """x less the largest score of its row. An ignored row may hold anything."""
        m = x.max(self.axis, keepdims=True)
        return x - m if np.isfinite(m).all() else centred(np.where(self.lift(share) == 0, 0, x), self.axis)[1]
