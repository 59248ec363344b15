"""Normalisation: subtract the mean, divide by the standard deviation, scale, shift. The names differ by the axes."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import flat
from pullback.operators import Blocks, Diagonal, Outer, Sparse
from pullback.rule import Rule


@dataclass(frozen=True)
class Norm(Rule):
    """What all share. A rule tells how to `fold` x, so that its statistics run over the last axis, k.

        u = (x - mean) r,    r = 1 / sqrt(var + eps)        (the biased variance)
        y = w u + b

    The gradient reaches x by three paths, directly, through the mean, and through the variance:

        gx = r (gu - mean(gu) - u mean(u gu)),    gu = w gy

    that is r gu without its parts along 1 and u. Without variance y is b, up to rounding, and r = 1/sqrt(eps) makes
    a large gradient; a single element gets gradient 0. A nan or inf makes all that share its statistics nan; values
    beyond 1e18 in float32 (1e153 in float64) overflow as squares, and give r = 0.
    The mean is subtracted twice, since rounding leaves some of a large one: for x around 1e4 (1e6) with variance 1,
    float32 is off by 1e-7 (4e-7) of the largest y, where one subtraction leaves 3e-4 (2e-2).
    """

    eps: float = 1e-5
    requires = "eps >= 1e-36", "eps < inf"  # 1/eps is a number in float32 as well
    sums = "...k->...", "...k,...k->..."  # of a folded array, and of a product, over what shares statistics

    def forward(self, x, w, b):
        u, r, *_ = self.standardise(x)
        return self.affine(u, w, b), (u, r, w)

    def jvp(self, tx, tw, tb, u, r, w):
        tu = self.project(self.fold(tx), self.fold(u), r).reshape(u.shape)
        return self.affine(tu, w, tb) + self.widen(tw, u) * u

    def vjp(self, gy, u, r, w):
        gx = lambda: self.project(self.fold(self.widen(w, gy) * gy), self.fold(u), r).reshape(gy.shape)
        gw = lambda: self.narrow(w, gy, u)
        gb = lambda: self.narrow(w, gy)
        return gx, gw, gb

    def hvp(self, gy, tx, tw, tb, u, r, w):
        n, t = self.fold(u), self.fold(tx)
        gu, tgu = self.fold(self.widen(w, gy) * gy), self.fold(self.widen(tw, gy) * gy)
        tu = self.project(t, n, r)
        gx = self.project(tgu - r * self.mean(n, t) * gu, n, r)
        gx -= r * (tu * self.mean(n, gu) + n * self.mean(tu, gu))
        return gx.reshape(gy.shape), self.narrow(w, gy, tu.reshape(gy.shape)), np.zeros_like(tb)

    def standardise(self, x):
        """u, r, and the statistics."""
        u = self.fold(x)
        mean = self.mean(u)
        u = u - mean
        rest = self.mean(u)  # what rounding left of it
        u -= rest
        var = self.mean(u, u)
        r = 1 / np.sqrt(var + self.eps)
        u *= r
        return u.reshape(x.shape), r, mean + rest, var

    def project(self, v, u, r):
        """r (I - 1 1ᵀ/k - u uᵀ/k) v: symmetric, hence the derivative and its transpose."""
        away = u * self.mean(u, v)
        away += self.mean(v)
        np.subtract(v, away, out=away)
        away *= r
        return away

    def mean(self, *factors):
        """The mean of a folded array, or of a product of two, over what shares statistics."""
        total = np.einsum(self.sums[len(factors) - 1], *factors)[..., None]
        return total / max(factors[0].size // max(total.size, 1), 1)

    def affine(self, u, w, b):
        y = self.widen(w, u) * u
        y += self.widen(b, u)
        return y

    # Parameters: a number per channel, on axis 1, where a rule does not say otherwise.

    def widen(self, w, x):
        """A parameter, for every element that it meets."""
        return w.reshape(-1, *[1] * (x.ndim - 2))

    def narrow(self, w, *factors):
        """Its transpose: the sum of an array, or of a product of two, over all that meet an element of w."""
        sums = "nck->c", "nck,nck->c"
        return np.einsum(sums[len(factors) - 1], *(g.reshape(*g.shape[:2], prod(g.shape[2:])) for g in factors))

    def jacobian(self, u, r, w):
        own = u.shape[1:]
        scale = self.fold(np.broadcast_to(self.widen(w, u), u.shape))
        return Blocks(own, 0, normal(scale, self.fold(u), r)), *self.of_parameters(u, own)

    def of_parameters(self, u, own):
        """The Jacobians in w and b: every element of y has one entry, in the column of its channel."""
        channel = np.broadcast_to(self.widen(np.arange(u.shape[1]), u), own).reshape(prod(own))
        entries = lambda a: Sparse(np.arange(prod(own)), channel, a, own, u.shape[1:2])
        return entries(flat(u, len(own))), entries(np.ones(prod(own), u.dtype))


def normal(w, u, r):
    """w r (I - 1 1ᵀ/k - u uᵀ/k): a diagonal less two outer products."""
    one = np.ones_like(u)
    scale, k = w * r * one, max(u.shape[-1], 1)
    return Diagonal(scale) - Outer(scale, one / k) - Outer(scale * u, u / k)
