"""Normalisation: subtract the mean, divide by the standard deviation, scale, shift. The names differ by the axes."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import flat, rows
from pullback.operators import Diagonal, Flat, Outer
from pullback.rule import Rule


@dataclass(frozen=True)
class Norm(Rule):
    """What all share. A rule tells how to `fold` x, so that statistics run over its last axis, and how to `unfold`.

        u = (x - mean) r,    r = 1 / sqrt(var + eps)        (the biased variance)
        y = w u + b

    The gradient reaches x by three paths, directly, through the mean, and through the variance:

        gx = r (gu - mean(gu) - u mean(u gu)),    gu = w gy

    that is r gu without its parts along 1 and u. A constant row gives b, and r = 1/sqrt(eps) a large gradient.
    """

    eps: float = 1e-5

    def forward(self, x, w, b):
        z = self.fold(x)
        u = z - self.mean(z)
        r = 1 / np.sqrt(self.mean(u * u) + self.eps)
        u = u * r
        return self.widen(w, x) * self.unfold(u, x) + self.widen(b, x), (u, r, w)

    def jvp(self, tx, tw, tb, u, r, w):
        tu = self.unfold(self.project(self.fold(tx), u, r), tx)
        return self.widen(w, tx) * tu + self.widen(tw, tx) * self.unfold(u, tx) + self.widen(tb, tx)

    def vjp(self, gy, u, r, w):
        gx = lambda: self.unfold(self.project(self.fold(self.widen(w, gy) * gy), u, r), gy)
        gw = lambda: self.narrow(gy * self.unfold(u, gy), w)
        gb = lambda: self.narrow(gy, w)
        return gx, gw, gb

    def hvp(self, gy, tx, tw, tb, u, r, w):
        t, gu, tgu = self.fold(tx), self.fold(self.widen(w, gy) * gy), self.fold(self.widen(tw, gy) * gy)
        tu = self.project(t, u, r)
        gx = self.project(tgu - r * self.mean(u * t) * gu, u, r)
        gx = gx - r * (tu * self.mean(u * gu) + u * self.mean(tu * gu))
        return self.unfold(gx, gy), self.narrow(gy * self.unfold(tu, gy), w), np.zeros_like(tb)

    def project(self, v, u, r):
        """r (I - 1 1ᵀ/n - u uᵀ/n) v: symmetric, hence the derivative and its transpose."""
        return r * (v - self.mean(v) - u * self.mean(u * v))

    def mean(self, v):
        return v.sum(-1, keepdims=True) / max(v.shape[-1], 1)

    def widen(self, w, x):
        """A number per channel, for every element."""
        return w.reshape(-1, *[1] * (x.ndim - 2))

    def narrow(self, g, w):
        """Its transpose."""
        return g.sum((0, *range(2, g.ndim)))

    def unfold(self, u, x):
        return u.reshape(x.shape)


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Every example by itself, over its last axes: those of `normalized_shape`, or one.

    Source: Ba, Kiros & Hinton (2016), Layer normalization.
    """

    normalized_shape: int | tuple | None = None
    cases = dict(n=4), dict(n=3, batch=(2,)), dict(normalized_shape=(2, 3), batch=(2,)), dict(n=3, without=("w", "b"))

    @property
    def own(self):
        n = self.normalized_shape
        return n if isinstance(n, tuple) else ("n" if n is None else n,)

    @property
    def signature(self):
        n = " ".join(map(str, self.own))
        return f"x[... {n}]; w[{n}]=1, b[{n}]=0 -> y[... {n}]"

    def fold(self, x):
        return flat(x, len(self.own))

    def widen(self, w, x):
        return w

    def narrow(self, g, w):
        return rows(g, w.ndim).sum(0)

    def jacobian(self, u, r, w):
        n, own = u.shape[-1], w.shape
        w, one = w.reshape(-1), np.ones_like(u)
        jx = Diagonal(w * r) - Outer(w * r, one / n) - Outer(w * r * u, u / n)
        return Flat(own, jx), Flat(own, Diagonal(u)), Flat(own, Diagonal(one))


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Every example by itself, over the channels of a group and all positions.

    Source: Wu & He (2018), Group normalization.
    """

    num_groups: int = 1
    signature = "x[n c *d]; w[c]=1, b[c]=0 -> y[n c *d]"
    requires = ("num_groups > 0 and c % num_groups == 0",)
    cases = dict(n=2, c=4, d=(3,), num_groups=2), dict(n=2, c=2, d=(2, 2)), dict(n=1, c=3, d=(), without=("w", "b"))

    def fold(self, x):
        return x.reshape(len(x), self.num_groups, prod(x.shape[1:]) // self.num_groups)


@dataclass(frozen=True)
class InstanceNorm(Norm):
    """Every channel of every example by itself, over all positions.

    Source: Ulyanov, Vedaldi & Lempitsky (2016), Instance normalization.
    """

    signature = "x[n c *d]; w[c]=1, b[c]=0 -> y[n c *d]"
    cases = dict(n=2, c=3, d=(4,)), dict(n=1, c=2, d=(2, 3)), dict(n=0, c=2, d=(2,))

    def fold(self, x):
        return flat(x, x.ndim - 2)


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Every channel over all examples and positions; it mixes examples.

    `training` normalises by the statistics of this batch, and returns the running statistics, moved towards
    them, as further outputs (the unbiased variance, as PyTorch does); nothing is written to the old ones. They
    have no derivative. Otherwise it normalises by the running statistics: an affine map per channel.

    Source: Ioffe & Szegedy (2015), Batch normalization.
    """

    training: bool = False
    momentum: float = 0.1
    cases = (
        dict(n=4, c=2, d=(), training=True), dict(n=2, c=3, d=(2, 2), training=True, without=("m", "v", "w", "b")),
        dict(n=3, c=2, d=(2,)),
    )  # fmt: skip

    requires = ("not training or n * prod(d) > 1",)

    @property
    def signature(self):
        if self.training:
            return "x[n c *d], const m[c]=0, const v[c]=1>0; w[c]=1, b[c]=0 -> y[n c *d], const m1[c], const v1[c]"
        return "x[n c *d], const m[c], const v[c]>0; w[c]=1, b[c]=0 -> y[n c *d]"

    def forward(self, x, m, v, w, b):
        z = self.fold(x)
        if self.training:
            new = z.var(-1, ddof=1)
            y, saved = super().forward(x, w, b)
            move = lambda old, new: (1 - self.momentum) * old + self.momentum * new
            return (y, move(m, z.mean(-1)), move(v, new)), saved
        r = 1 / np.sqrt(v + self.eps)[:, None]
        u = (z - m[:, None]) * r
        return self.widen(w, x) * self.unfold(u, x) + self.widen(b, x), (u, r, w)

    def mean(self, v):
        return super().mean(v) if self.training else 0  # given statistics do not move with x

    def fold(self, x):
        return x.swapaxes(0, 1).reshape(x.shape[1], x.size // max(x.shape[1], 1))

    def unfold(self, u, x):
        return u.reshape(x.shape[1], len(x), *x.shape[2:]).swapaxes(0, 1)


layer_norm, group_norm, instance_norm, batch_norm = LayerNorm(), GroupNorm(), InstanceNorm(), BatchNorm()
