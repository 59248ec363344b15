"""Add: the sum of two arrays, as behind a way around some layers."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.operators import Sparse
from pullback.rule import Rule, Straight


@dataclass(frozen=True)
class Add(Straight, Rule):
    """Element by element, where an axis that is missing in front or of size 1 is repeated.

        y  = x + z
        gx = gy,    gz = gy,    each summed over the axes on which it was repeated

    Source: NumPy's definition of broadcasting: Harris et al. (2020), Array programming with NumPy.
    """

    names = dict(z="other")
    signature = "x[*n], z[*m] -> y[*out]"
    requires = ("broadcast(x_shape, z_shape) is not None",)
    cases = (
        dict(n=(2, 3), m=(2, 3)), dict(n=(2, 3), m=(3,)), dict(n=(2, 1), m=(2, 1, 3)), dict(n=(), m=(2,)),
        dict(n=(), m=()), dict(n=(0, 2), m=(1, 2)),
    )  # fmt: skip

    def x_shape(self, n):
        return n

    def z_shape(self, m):
        return m

    def out(self, n, m):
        return np.broadcast_shapes(n, m)

    def forward(self, x, z):
        return x + z, (x.shape, z.shape, x.dtype)

    def jvp(self, tx, tz, n, m, dtype):
        return tx + tz

    def vjp(self, gy, n, m, dtype):
        return summed(gy, n), summed(gy, m)

    def jacobian(self, n, m, dtype):
        """One 1 in every row."""
        out = self.out(n, m)
        row, one = np.arange(prod(out)), np.ones(prod(out), dtype)
        source = lambda n: np.broadcast_to(np.arange(prod(n)).reshape(n), out).reshape(row.shape)
        return Sparse(row, source(n), one, out, n), Sparse(row, source(m), one, out, m)

    derivation = """
        at n=(2, 3), m=(3,); n=(2, 1), m=(1, 3)
        for i in *n
        for j in *m
        for p in *out
        let y[p] = x[onto(p, n)] + z[onto(p, m)]

        d(y[p], x[i])
          = (onto(p, n)==i)                # y[p] takes one element of x
        d(y[p], z[j])
          = (onto(p, m)==j)                # y[p] takes one element of z

        vjp gx[i]
          = sum(p, gy[p]*d(y[p], x[i]))    # chain rule
          = sum(p, gy[p]*(onto(p, n)==i))  # Jacobian above: summed where x was repeated
        vjp gz[j]
          = sum(p, gy[p]*d(y[p], z[j]))    # chain rule
          = sum(p, gy[p]*(onto(p, m)==j))  # Jacobian above: summed where z was repeated
"""


def summed(g, n):
    """The transpose of repeating: g summed to the shape n."""
    added = g.ndim - len(n)
    repeated = (k for k, size in enumerate(g.shape) if k < added or n[k - added] != size)
    return g if g.shape == n else g.sum(tuple(repeated), keepdims=True).reshape(n)


add = Add()
