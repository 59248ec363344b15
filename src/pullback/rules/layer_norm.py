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

    derivation = """
        at n=3, batch=(2,); normalized_shape=(2, 2), batch=(2,)
        for e f in ...
        for j k in w
        let N = sum(k, 1)  # how many numbers are averaged
        let mean[e] = sum(k, x[e,k])/N
        let var[e] = sum(k, (x[e,k] - mean[e])**2)/N
        let r[e] = 1/sqrt(var[e] + eps)  # one over the standard deviation
        let u[e,k] = (x[e,k] - mean[e])*r[e]  # normalised x
        let y[e,k] = w[k]*u[e,k] + b[k]
        let gu[e,k] = w[k]*gy[e,k]  # the gradient of u

        d(mean[e], x[e,j])
          = 1/N                                            # a mean of N
        d(var[e], x[e,j])
          = sum(k, 2*(x[e,k] - mean[e])*((j==k) - 1/N))/N  # power rule
          = 2*(x[e,j] - mean[e])/N                         # deviations sum to 0
        d(r[e], x[e,j])
          = -r[e]**3/2*d(var[e], x[e,j])                   # power rule
          = -r[e]**2*u[e,j]/N                              # recognise u
        d(u[e,k], x[e,j])
          = ((j==k) - d(mean[e], x[e,j]))*r[e] + (x[e,k] - mean[e])*d(r[e], x[e,j])  # product rule: three paths
          = r[e]*((j==k) - 1/N - u[e,k]*u[e,j]/N)          # the slopes above

        vjp gx[e,j]
          = sum(f, k, gy[f,k]*d(y[f,k], x[e,j]))           # chain rule
          = sum(k, gu[e,k]*d(u[e,k], x[e,j]))              # through u
          = r[e]*(gu[e,j] - sum(k, gu[e,k])/N - u[e,j]*sum(k, u[e,k]*gu[e,k])/N)  # Jacobian above
        vjp gw[j]
          = sum(e, k, gy[e,k]*d(y[e,k], w[j]))             # chain rule: all examples share w
          = sum(e, gy[e,j]*u[e,j])                         # collapse the delta
        vjp gb[j]
          = sum(e, k, gy[e,k]*d(y[e,k], b[j]))             # chain rule: all examples share b
          = sum(e, gy[e,j])                                # collapse the delta
"""


layer_norm = LayerNorm()
