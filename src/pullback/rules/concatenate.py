"""Concatenate: two arrays become one, end to end."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.operators import Sparse
from pullback.rule import Rule, Straight
from pullback.signature import along


@dataclass(frozen=True)
class Concatenate(Straight, Rule):
    """x, and behind it z, along an axis; the other axes are the same. More than two: one after the other.

        y  = [x z]
        gx = the part of gy where x is,    gz = the rest

    Source: NumPy's definition of concatenate.
    """

    axis: int = 0
    signature = along("x[... n], z[... m] -> y[... n+m]")
    cases = (
        dict(n=2, m=3), dict(n=2, m=1, batch=(3,)), dict(n=1, m=2, batch=(2, 2), axis=-1), dict(n=0, m=2, axis=-1),
        dict(n=2, m=2, b0=3, batch=(2,), axis=1),
    )  # fmt: skip

    def forward(self, x, z):
        return self.join(x, z), (x.shape, z.shape, x.dtype)

    def jvp(self, tx, tz, n, m, dtype):
        return self.join(tx, tz)

    def vjp(self, gy, n, m, dtype):
        return self.part(gy, n)

    def jacobian(self, n, m, dtype):
        out = self.join(np.empty(n), np.empty(m)).shape
        places = self.part(np.arange(prod(out)).reshape(out), n)
        count = prod(n), prod(m)
        return tuple(
            Sparse(rows.reshape(k), np.arange(k), np.ones(k, dtype), out, rows.shape) for rows, k in zip(places, count)
        )

    def join(self, x, z):
        return np.concatenate((x, z), self.axis)

    def part(self, y, n):
        return tuple(np.split(y, [n[self.axis]], self.axis))

    derivation = """
        at n=2, m=3, batch=(2,); n=1, m=1
        for e f in ...
        for i in n
        for j in m
        for k in n+m
        let y[k,e] = x[k,e] if k < n else z[k-n,e]

        d(y[k,e], x[i,f])
          = (e==f)*(k==i)                         # x stands in front
        d(y[k,e], z[j,f])
          = (e==f)*(k==n+j)                       # z stands behind

        vjp gx[i,e]
          = sum(k, f, gy[k,f]*d(y[k,f], x[i,e]))  # chain rule
          = sum(k, gy[k,e]*(k==i))                # Jacobian above
          = gy[i,e]                               # collapse the delta
        vjp gz[j,e]
          = sum(k, f, gy[k,f]*d(y[k,f], z[j,e]))  # chain rule
          = sum(k, gy[k,e]*(k==n+j))              # Jacobian above
          = gy[n+j,e]                             # collapse the delta
"""


concatenate = Concatenate()
