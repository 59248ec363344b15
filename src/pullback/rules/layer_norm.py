"""Layer normalisation: every example by itself, over its last axes."""

from dataclasses import dataclass

import numpy as np

from pullback.batch import flat, rows
from pullback.operators import Diagonal, Flat
from pullback.rules.norm import Norm, normal


class LastAxes:
    """For rules of the axes of `normalized_shape`, the last ones of x (None: of the very last)."""

    normalized_shape: int | tuple | None

    @property
    def own(self):
        """Those axes: sizes, or a name."""
        n = self.normalized_shape
        return n if isinstance(n, tuple) else ("n" if n is None else n,)

    @property
    def signature(self):
        return self.text.replace("*n", " ".join(map(str, self.own)))

    def fold(self, x):
        return flat(x, len(self.own))


@dataclass(frozen=True)
class LayerNorm(LastAxes, Norm):
    """Norm over the last axes of every example: those of `normalized_shape`, or one.

        y = w (x - mean) / sqrt(var + eps) + b        w and b have a number per element

    See `Norm` for the gradient, its edges and its accuracy. If normalized_shape is one element, y is b.

    Source: Ba, Kiros & Hinton (2016), Layer normalization.
    """

    normalized_shape: int | tuple | None = None
    text = "x[... *n]; w[*n]=1, b[*n]=0 -> y[... *n]"
    cases = (
        dict(n=4), dict(n=3, batch=(2,)), dict(normalized_shape=(2, 3), batch=(2,)), dict(n=3, without=("w", "b")),
        dict(normalized_shape=1, batch=(2, 2)), dict(n=0, batch=(2,)), dict(n=3, batch=(2,), eps=0.5),
    )  # fmt: skip

    def widen(self, w, x):
        return w

    def narrow(self, w, *factors):
        sums = "nk->k", "nk,nk->k"
        return np.einsum(sums[len(factors) - 1], *(rows(self.fold(g)) for g in factors)).reshape(w.shape)

    def jacobian(self, u, r, w):
        u, own = self.fold(u), w.shape
        kinds = normal(w.reshape(u.shape[-1]), u, r), Diagonal(u), Diagonal(np.ones_like(u))
        return tuple(Flat(own, kind) for kind in kinds)


layer_norm = LayerNorm()
