"""Bilinear: every output is a weighted sum of all products of two inputs."""

from dataclasses import dataclass

import numpy as np

from pullback.batch import flat, rows
from pullback.operators import Diagonal, Matrix, Sparse
from pullback.rule import Rule
from pullback.rules.linear import weigh


@dataclass(frozen=True)
class Bilinear(Rule):
    """A bilinear map of the last axes of two inputs: a linear layer that sees their outer product p.

        p[i j] = x[i] z[j],    y[o] = Σij w[o i j] p[i j] + b[o]

    Linear in x, in z and in w separately. With gp[i j] = Σo gy[o] w[o i j], the gradient of p:

        gx[i] = Σj gp[i j] z[j],    gz[j] = Σi x[i] gp[i j],    gw[o i j] = Σ gy[o] p[i j] over the batch

    p is not kept but made anew. Sums of no terms are 0, and an empty batch gives gw = 0, gb = 0.

    Source: Tenenbaum & Freeman (2000), Separating style and content with bilinear models.
    """

    names = dict(x="input1", z="input2")
    signature = "x[... i], z[... j]; w[o i j], b[o]=0 -> y[... o]"
    cases = (
        dict(i=2, j=3, o=4), dict(i=1, j=1, o=1), dict(i=3, j=2, o=2, batch=(4,)),
        dict(i=2, j=2, o=3, batch=(2, 2), without=("b",)), dict(i=0, j=2, o=2, batch=(2,)),
    )  # fmt: skip

    def forward(self, x, z, w, b):
        y = weigh(products(x, z), flat(w, 2))
        y += b
        return y, (x, z, w)

    def jvp(self, tx, tz, tw, tb, x, z, w):
        tp = products(tx, z) + products(x, tz)
        return weigh(tp, flat(w, 2)) + weigh(products(x, z), flat(tw, 2)) + tb

    def vjp(self, gy, x, z, w):
        gp = self.spread(gy, w)
        gw = lambda: self.collect(gy, products(x, z), w)
        return onto_x(gp, z), onto_z(gp, x), gw, rows(gy).sum(0)

    def hvp(self, gy, tx, tz, tw, tb, x, z, w):
        gp, tgp = self.spread(gy, w), self.spread(gy, tw)
        tgx = onto_x(tgp, z) + onto_x(gp, tz)
        tgz = onto_z(tgp, x) + onto_z(gp, tx)
        return tgx, tgz, self.collect(gy, products(tx, z) + products(x, tz), w), np.zeros_like(tb)

    def jacobian(self, x, z, w):
        o, p = len(w), products(x, z)
        jx, jz = (w @ z[..., None, :, None])[..., 0], (x[..., None, None, :] @ w)[..., 0, :]
        own = np.repeat(np.arange(o), p.shape[-1])  # every output has weights of its own
        jw = Sparse(own, np.arange(w.size), np.tile(p, o), (o,), w.shape)
        return Matrix(jx), Matrix(jz), jw, Diagonal(np.ones(o, w.dtype))

    def spread(self, gy, w):
        """gp[i j] = Σo gy[o] w[o i j]"""
        return weigh(gy, flat(w, 2).T).reshape(*gy.shape[:-1], *w.shape[1:])

    def collect(self, gy, p, w):
        """gw[o i j] = Σ gy[o] p[i j] over the batch"""
        return (rows(gy).T @ rows(p)).reshape(w.shape)

    derivation = """
        at i=2, j=3, o=2, batch=(2,); i=1, j=2, o=2
        for e in ...
        for i k in i
        for j l in j
        for o q in o
        let p[e,i,j] = x[e,i]*z[e,j]  # products
        let y[e,o] = sum(i, j, w[o,i,j]*p[e,i,j]) + b[o]
        let gp[e,i,j] = sum(o, gy[e,o]*w[o,i,j])  # the gradient of p

        d(y[e,o], x[e,k])
          = sum(j, w[o,k,j]*z[e,j])                  # linear in x
        d(y[e,o], z[e,l])
          = sum(i, w[o,i,l]*x[e,i])                  # linear in z
        d(y[e,o], w[q,k,l])
          = (o==q)*x[e,k]*z[e,l]                     # linear in w

        vjp gx[e,k]
          = sum(o, gy[e,o]*d(y[e,o], x[e,k]))        # chain rule
          = sum(o, j, gy[e,o]*w[o,k,j]*z[e,j])       # Jacobian above
          = sum(j, gp[e,k,j]*z[e,j])                 # name the gradient of the products
        vjp gz[e,l]
          = sum(o, gy[e,o]*d(y[e,o], z[e,l]))        # chain rule
          = sum(o, i, gy[e,o]*w[o,i,l]*x[e,i])       # Jacobian above
          = sum(i, gp[e,i,l]*x[e,i])                 # name the gradient of the products
        vjp gw[q,k,l]
          = sum(e, o, gy[e,o]*d(y[e,o], w[q,k,l]))   # chain rule: all examples share w
          = sum(e, o, gy[e,o]*(o==q)*x[e,k]*z[e,l])  # Jacobian above
          = sum(e, gy[e,q]*x[e,k]*z[e,l])            # collapse the delta
        vjp gb[q]
          = sum(e, o, gy[e,o]*d(y[e,o], b[q]))       # chain rule: all examples share b
          = sum(e, gy[e,q])                          # collapse the delta
"""


def products(x, z):
    """x[i] z[j], the axes i and j made one."""
    return flat(x[..., :, None] * z[..., None, :], 2)


def onto_x(gp, z):
    return (gp @ z[..., None])[..., 0]


def onto_z(gp, x):
    return (x[..., None, :] @ gp)[..., 0, :]


bilinear = Bilinear()
