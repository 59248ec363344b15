"""Cross-entropy of scores and classes: what every step of training a classifier computes, hence lean."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import centred, from_likeliest
from pullback.rules.class_loss import ClassLoss

FAR = 60.0  # exp of it is far from overflow, in float32 as well


@dataclass(frozen=True)
class ClassCrossEntropy(ClassLoss):
    """How surprised softmax(x) is by the class t, in nats.

        y  = -w[t] log p[t],    p = softmax(x),    w[t] the weight of the right class t, 1 if left out
        gx = w[t] (p - (c==t)) gy,    at class c
        both of one example: the mean divides them by the sum of all w[t]

    Where p[t] is almost 1, what is left to the other classes is summed up: 1 - p[t] would have lost its digits.
    Saved are `p`, but 0 at the target; there `right` is p, and `rest` is 1 - p.
    """

    signature = property(lambda self: self.losses("x[n c *d], int t[n *d]<c, const w[c]=1 -> y[n *d]"))
    exempt = property(lambda self: self.ignore_index)
    requires = (*ClassLoss.requires, "c > 0")

    def forward(self, x, t, w):
        place, share = self.located(t, w)
        p, right, rest, y = self.by_odds(x, place) or self.by_shares(x, place, share)
        n = share.sum() or 1
        return self.reduce(share * y, n), (p, right, rest, place, share, n)

    def jvp(self, tx, p, right, rest, place, share, n):
        return self.reduce(share * ((p * tx).sum(self.axis) - rest * tx[place]), n)

    def vjp(self, gy, p, right, rest, place, share, n):
        g = share * self.spread(gy, n)
        gx = p * self.lift(g)
        gx[place] = -rest * g
        return gx

    def hvp(self, gy, tx, p, right, rest, place, share, n):
        g = share * self.spread(gy, n)
        p = p.copy()
        p[place] = right
        tx = from_likeliest(tx, p, self.axis)
        return p * self.lift(g) * (tx - (p * tx).sum(self.axis, keepdims=True))

    # Two ways to what is saved, and to -log p[t].

    def by_odds(self, x, place):
        """From the odds of the other classes against the target, Σ exp(x - x[t]); None where they might overflow."""
        own = x[place]
        if not np.isfinite(own).all():
            return None
        with np.errstate(over="ignore"):  # two finite scores may be farther apart than the largest number
            z = x - self.lift(own)
        if z.max(initial=0) < FAR:
            p = np.exp(z, out=z)
            p[place] = 0
            odds = p.sum(self.axis)
            right = 1 / (1 + odds)
            p *= self.lift(right)
            return p, right, odds * right, np.log1p(odds)

    def by_shares(self, x, place, share):
        """From what every class has of Σ exp(x - max x). A row that does not count may hold anything."""
        _, z = centred(np.where(self.lift(share) == 0, 0, x), self.axis)
        logit = z[place]
        p, right = np.exp(z), np.exp(logit)
        p[place] = 0
        lack = 1 - right
        rest = np.maximum(p.sum(self.axis), lack)  # the latter only if all scores are -inf
        excess = rest - lack  # Σ exp(z) - 1
        total = 1 + excess
        p /= self.lift(total)
        return p, right / total, rest / total, np.where(share == 0, 0, np.log1p(excess) - logit)

    text = """
        at n=2, c=3, d=(); n=2, c=2, d=(2,), reduction="sum", ignore_index=1; n=3, c=2, d=(), without=("w",)
        for a in n
        for c k in c
        for s in *d
        let m[a,s] = w[t[a,s]] if t[a,s] != ignore_index else 0  # the weight of the target's class, 0 if ignored
        let N = sum(a, s, m[a,s]) if reduction == "mean" else 1  # what the mean divides by
        let p[a,c,s] = exp(x[a,c,s])/sum(k, exp(x[a,k,s]))  # softmax(x)
        let top[a,s] = max(k, x[a,k,s])  # the largest score
        let l[a,s] = -m[a,s]*log(sum(c, (t[a,s]==c)*p[a,c,s])) if m[a,s] != 0 else 0  # the loss of one example
        let y = sum(a, s, l[a,s])/N  # the loss, reduced

        log(p[a,c,s])
          = x[a,c,s] - top[a,s] - log(sum(k, exp(x[a,k,s] - top[a,s])))  # exp(top) out of the sum: no exponent above 0
        d(log(p[a,c,s]), x[a,k,s])
          = d(p[a,c,s], x[a,k,s])/p[a,c,s]                  # derivative of log
          = ((c==k)*p[a,c,s] - p[a,c,s]*p[a,k,s])/p[a,c,s]  # softmax
          = (c==k) - p[a,k,s]                               # cancel
        d(l[a,s], x[a,k,s])
          = -m[a,s]*((t[a,s]==k) - p[a,k,s])                # log p above, at c = t
          = m[a,s]*(p[a,k,s] - (t[a,s]==k))                 # p minus 1 at the target

        vjp gx[a,k,s]
          = gy*d(y, x[a,k,s])                               # chain rule
          = gy*d(l[a,s], x[a,k,s])/N                        # the mean's share
          = gy*m[a,s]*(p[a,k,s] - (t[a,s]==k))/N            # Jacobian above
"""
