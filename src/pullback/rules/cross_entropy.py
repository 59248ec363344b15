"""Cross-entropy of scores and targets, the softmax included."""

from dataclasses import asdict, dataclass

import numpy as np

from pullback.rules.loss import Loss, weigh


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """How surprised softmax(x) is by the targets, in nats. The classes are axis 1, as in PyTorch.

        y = -Σc q[c] log softmax(x)[c],    q = w ((1 - label_smoothing) t + label_smoothing / C)
        gx = p Σc q[c] - q,                p = softmax(x)

    t holds a probability per class; where it holds integers, ClassCrossEntropy takes over. A score of -inf
    costs nothing where q is 0, else inf. The rows of gx sum to 0 exactly, so the entry of the likeliest class
    is taken from the others: p - 1 would lose every digit as p -> 1.

    Source: Bridle (1990); label smoothing: Szegedy et al. (2016).
    """

    ignore_index: int = -100
    label_smoothing: float = 0.0
    signature = property(lambda self: self.losses("x[b c *d], t[b c *d], const w[c]=1 -> y[b *d]"))
    cases = (
        dict(b=4, c=3, d=()), dict(b=2, c=3, d=(2,), label_smoothing=0.1, reduction="none"), dict(b=1, c=1, d=(1, 2)),
        dict(b=0, c=2, d=()),
    )  # fmt: skip

    def suited(self, x, t, *w):
        return ClassCrossEntropy(**asdict(self)) if t.dtype.kind in "iu" else self

    def forward(self, x, t, w):
        q = w * self.smooth(np.moveaxis(t, 1, -1))
        y, logp = surprise(x, q)
        return self.reduce(y, y.size or 1), (logp, q, w, y.size or 1)

    def jvp(self, tx, tt, logp, q, w, n):
        tx, tt = np.moveaxis(tx, 1, -1), np.moveaxis(tt, 1, -1)
        return self.reduce((slope(logp, q) * tx - (1 - self.label_smoothing) * w * logp * tt).sum(-1), n)

    def vjp(self, gy, logp, q, w, n):
        g = self.spread(gy, n)[..., None]
        gx = np.moveaxis(g * slope(logp, q), -1, 1)
        gt = lambda: np.moveaxis(g * w * logp * (self.label_smoothing - 1), -1, 1)
        return gx, gt

    def smooth(self, t):
        return (1 - self.label_smoothing) * t + t.dtype.type(self.label_smoothing / max(t.shape[-1], 1))


@dataclass(frozen=True)
class ClassCrossEntropy(CrossEntropy):
    """Cross-entropy with targets that are classes: t is the number of the class.

    The mean divides by the weight of the targets, Σ w[t]. A target equal to `ignore_index` counts for nothing;
    if all are, the loss and its gradient are 0.
    """

    signature = property(lambda self: self.losses("x[b c *d], int t[b *d]<c, const w[c]=1 -> y[b *d]"))
    exempt = property(lambda self: self.ignore_index)

    def forward(self, x, t, w):
        hot = (t[..., None] == np.arange(len(w))).astype(x.dtype)
        counted = (t != self.ignore_index)[..., None]
        q = w * self.smooth(hot) * counted
        n = (w * hot * counted).sum() or x.dtype.type(1)
        y, logp = surprise(x, q)
        return self.reduce(y, n), (logp, q, n)

    def jvp(self, tx, logp, q, n):
        return self.reduce((slope(logp, q) * np.moveaxis(tx, 1, -1)).sum(-1), n)

    def vjp(self, gy, logp, q, n):
        return np.moveaxis(self.spread(gy, n)[..., None] * slope(logp, q), -1, 1)


def surprise(x, q):
    """-Σ q log p, and log p, with the classes last."""
    x = np.moveaxis(x, 1, -1)
    best = x.argmax(-1)[..., None]
    z = x - np.take_along_axis(x, best, -1)
    e = np.exp(z)
    np.put_along_axis(e, best, 0, -1)  # log1p of the others: exact as p -> 1
    logp = z - np.log1p(e.sum(-1, keepdims=True))
    return -weigh(q, logp).sum(-1), logp


def slope(logp, q):
    g = np.exp(logp) * q.sum(-1, keepdims=True) - q
    best = logp.argmax(-1)[..., None]
    np.put_along_axis(g, best, 0, -1)
    np.put_along_axis(g, best, -g.sum(-1, keepdims=True), -1)
    return g


cross_entropy = CrossEntropy()
