"""Cross-entropy of scores and targets, the softmax included."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import centred, from_likeliest, log_sum_exp
from pullback.rules.class_cross_entropy import ClassCrossEntropy
from pullback.rules.class_loss import ClassLoss
from pullback.rules.loss import weigh


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """How surprised softmax(x) is by the targets, in nats.

        y  = -Σc q[c] log p[c],        p = softmax(x)
        q  = w ((1 - label_smoothing) t + label_smoothing / C),    over C classes, each with a weight w, 1 if left out
        gx = (p Σc q[c] - q) gy,       p - t where w = 1 and Σc t[c] = 1
        gt = -w (1 - label_smoothing) log p gy

    x has its C classes along `axis`, which is 1; a bare vector of scores x[c] will do. w is a weight per class.
    t holds a probability for each class, in the shape of x; or integers, the numbers of the right classes, in the shape
    of y. Of classes, the mean divides by the weight of the targets, Σ w[t]; of probabilities, by their number.
    A class equal to `ignore_index` counts for nothing; if all do, or there are none, the loss and its gradient are 0
    (PyTorch: nan).

    A score of -inf costs nothing where q is 0, else inf; with label smoothing, that is always. inf is certainty, shared
    by all scores that are inf. Scores that are all -inf have p = 0. In all these cases gx is as above, and finite.

    Where a class has almost all of p, its entry of gx is what the others lack to 0: p - 1 would have lost its digits.

    Source: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs; label smoothing:
    Szegedy et al. (2016), Rethinking the Inception architecture for computer vision.
    """

    label_smoothing: float = 0.0
    signature = property(lambda self: self.losses("x[n c *d], t[n c *d]>0<1, const w[c]=1 -> y[n *d]"))
    requires = (*ClassLoss.requires, "0 <= label_smoothing <= 1", "c > 0")
    cases = (
        dict(n=4, c=3, d=(), without=("w",)), dict(n=2, c=3, d=(2,), label_smoothing=0.1, reduction="none"),
        dict(n=1, c=1, d=(1, 2)), dict(c=3, d=(), axis=0), dict(c=3, d=(2, 2), axis=-1, reduction="sum"),
        dict(n=0, c=2, d=()),
    )  # fmt: skip

    def suited(self, x, t, w):
        rule = super().suited(x, t, w)
        if t is not None and t.dtype.kind == "f" and not (x is not None and len(t.shape) == len(x.shape) - 1):
            return rule  # without an axis of classes they are meant as classes, and must be integers
        if self.label_smoothing:
            return SmoothedCrossEntropy(**rule.options)
        return ClassCrossEntropy(rule.reduction, rule.ignore_index, rule.axis)

    def forward(self, x, t, w):
        w = self.facing(w, x)
        q = w * self.smooth(t)
        y, logp = self.surprise(x, q)
        n = y.size or 1
        return self.reduce(y, n), (logp, q, w, n)

    def jvp(self, tx, tt, logp, q, w, n):
        moved = self.slope(logp, q) * tx + weigh(tt, -self.kept * w * logp)
        return self.reduce(moved.sum(self.axis), n)

    def vjp(self, gy, logp, q, w, n):
        g = self.lift(self.spread(gy, n))
        return g * self.slope(logp, q), lambda: weigh(g, -self.kept * w * logp)

    def hvp(self, gy, tx, tt, logp, q, w, n):
        g, tq = self.lift(self.spread(gy, n)), self.kept * w * tt
        straight = np.exp(logp) * self.total(tq) - tq
        return g * (self.slope_moved(tx, logp, q) + straight), -self.kept * w * g * self.moved(tx, logp)

    # What both kinds of targets share.

    kept = property(lambda self: 1 - self.label_smoothing)

    def smooth(self, t):
        return self.kept * t + self.label_smoothing / t.shape[self.axis]

    def surprise(self, x, q):
        """-Σ q log p, and log p."""
        _, z = centred(x, self.axis)
        logp = z - log_sum_exp(z, self.axis)
        return weigh(q, -logp).sum(self.axis), logp

    def slope(self, logp, q):
        """p Σq - q; a class that has most of p gets what the others lack to 0."""
        p = np.exp(logp)
        g, most = p * self.total(q) - q, p > 0.5
        return np.where(most, -self.total(np.where(most, 0, g)), g)

    def slope_moved(self, tx, logp, q):
        """How the slope moves along tx."""
        return np.exp(logp) * self.total(q) * self.moved(tx, logp)

    def moved(self, tx, logp):
        """How log p moves along tx."""
        p = np.exp(logp)
        tx = from_likeliest(tx, p, self.axis)
        return tx - self.total(p * tx)

    def total(self, a):
        return a.sum(self.axis, keepdims=True)

    def facing(self, w, x):
        """Weights of classes, shaped to multiply x."""
        after = x.ndim - 1 - self.axis if self.axis >= 0 else -1 - self.axis
        return w.reshape(w.size, *[1] * after)

    text = """
        at n=2, c=3, d=(); n=2, c=2, d=(2,), label_smoothing=0.1, reduction="sum"; n=2, c=2, d=(), without=("w",)
        for a in n
        for c k h in c
        for s in *d
        let C = c
        let N = sum(a, s, 1) if reduction == "mean" else 1  # what the mean divides by
        let p[a,c,s] = exp(x[a,c,s])/sum(k, exp(x[a,k,s]))  # softmax(x)
        let top[a,s] = max(k, x[a,k,s])  # the largest score
        let q[a,c,s] = w[c]*((1 - label_smoothing)*t[a,c,s] + label_smoothing/C)  # the target, smoothed and weighed
        let l[a,s] = -sum(c, q[a,c,s]*log(p[a,c,s]))  # the loss of one example
        let y = sum(a, s, l[a,s])/N  # the loss, reduced

        log(p[a,c,s])
          = x[a,c,s] - top[a,s] - log(sum(k, exp(x[a,k,s] - top[a,s])))  # exp(top) out of the sum: no exponent above 0
        d(log(p[a,c,s]), x[a,k,s])
          = d(p[a,c,s], x[a,k,s])/p[a,c,s]                  # derivative of log
          = ((c==k)*p[a,c,s] - p[a,c,s]*p[a,k,s])/p[a,c,s]  # softmax
          = (c==k) - p[a,k,s]                               # cancel
        d(l[a,s], x[a,k,s])
          = -sum(c, q[a,c,s]*((c==k) - p[a,k,s]))           # chain rule, through log p
          = p[a,k,s]*sum(c, q[a,c,s]) - q[a,k,s]            # collapse the delta: p - t where w = 1 and Σ t = 1
        d(l[a,s], t[a,k,s])
          = -w[k]*(1 - label_smoothing)*log(p[a,k,s])       # linear in t

        vjp gx[a,k,s]
          = gy*d(y, x[a,k,s])                               # chain rule
          = gy*d(l[a,s], x[a,k,s])/N                        # the mean's share
          = gy*(p[a,k,s]*sum(c, q[a,c,s]) - q[a,k,s])/N     # Jacobian above
        vjp gt[a,k,s]
          = gy*d(y, t[a,k,s])                               # chain rule
          = -gy*w[k]*(1 - label_smoothing)*log(p[a,k,s])/N  # Jacobian above
"""


@dataclass(frozen=True)
class SmoothedCrossEntropy(CrossEntropy):
    """Cross-entropy with label smoothing whose targets are classes: t is spelled out as probabilities."""

    signature = property(lambda self: self.losses("x[n c *d], int t[n *d]<c, const w[c]=1 -> y[n *d]"))
    exempt = property(lambda self: self.ignore_index)
    suited = ClassLoss.suited

    def forward(self, x, t, w):
        place, share = self.located(t, w)
        counted = self.lift(t != self.ignore_index)
        hot = np.zeros_like(x)
        hot[place] = 1
        q = self.facing(w, x) * self.smooth(hot) * counted
        y, logp = self.surprise(np.where(counted, x, 0), q)
        n = share.sum() or 1
        return self.reduce(y, n), (logp, q, n)

    def jvp(self, tx, logp, q, n):
        return self.reduce((self.slope(logp, q) * tx).sum(self.axis), n)

    def vjp(self, gy, logp, q, n):
        return self.lift(self.spread(gy, n)) * self.slope(logp, q)

    def hvp(self, gy, tx, logp, q, n):
        return self.lift(self.spread(gy, n)) * self.slope_moved(tx, logp, q)

    text = """
        at n=2, c=3, d=(), label_smoothing=0.1; n=2, c=2, d=(2,), label_smoothing=0.3, reduction="sum", ignore_index=1
        for a in n
        for c k in c
        for s in *d
        let C = c
        let m[a,s] = w[t[a,s]] if t[a,s] != ignore_index else 0  # the weight of the target's class, 0 if ignored
        let N = sum(a, s, m[a,s]) if reduction == "mean" else 1  # what the mean divides by
        let p[a,c,s] = exp(x[a,c,s])/sum(k, exp(x[a,k,s]))  # softmax(x)
        let top[a,s] = max(k, x[a,k,s])  # the largest score
        let q[a,c,s] = (t[a,s] != ignore_index)*w[c]*((1 - label_smoothing)*(t[a,s]==c) + label_smoothing/C)
        let l[a,s] = -sum(c, q[a,c,s]*log(p[a,c,s]))  # the loss of one example
        let y = sum(a, s, l[a,s])/N  # the loss, reduced

        log(p[a,c,s])
          = x[a,c,s] - top[a,s] - log(sum(k, exp(x[a,k,s] - top[a,s])))  # exp(top) out of the sum: no exponent above 0
        d(l[a,s], x[a,k,s])
          = -sum(c, q[a,c,s]*((c==k) - p[a,k,s]))        # chain rule, through log p
          = p[a,k,s]*sum(c, q[a,c,s]) - q[a,k,s]         # collapse the delta

        vjp gx[a,k,s]
          = gy*d(y, x[a,k,s])                            # chain rule
          = gy*d(l[a,s], x[a,k,s])/N                     # the mean's share
          = gy*(p[a,k,s]*sum(c, q[a,c,s]) - q[a,k,s])/N  # Jacobian above
"""


cross_entropy = CrossEntropy()
