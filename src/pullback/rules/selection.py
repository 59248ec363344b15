"""Rules whose every output is one of their inputs."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import flat, scatter
from pullback.operators import Sparse
from pullback.rule import Straight
from pullback.rules.spatial import Spatial


@dataclass(frozen=True)
class Select(Straight, Spatial):
    """y[p] = x[index[p]]. The choice does not move with x, but where two elements tie; so this is linear beside that.

    J is 0 but for one 1 in every row: it gathers, Jᵀ scatters.
    """

    return_indices: bool = False
    kinks = "ties"

    @property
    def signature(self):
        return "x[... *n] -> y[... *out]" + ", int index[... *out]" * self.return_indices

    def answer(self, x, y, index):
        """What forward returns."""
        return ((y, index) if self.return_indices else y), (index, self.space(x), x.dtype)

    def jvp(self, tx, index, n, dtype):
        return self.gather(tx, index)

    def vjp(self, gy, index, n, dtype):
        gx = scatter(flat(gy, self.dims), flat(index, self.dims), prod(n))
        return gx.reshape(*self.batch(gy), *n)

    def jacobian(self, index, n, dtype):
        places = flat(index, self.dims)
        out = places.shape[-1:]
        return Sparse(np.arange(*out), places, np.ones(out, dtype), self.space(index), n)

    def gather(self, x, index):
        return np.take_along_axis(flat(x, self.dims), flat(index, self.dims), -1).reshape(index.shape)
