"""Batch normalisation: every channel over all examples and positions."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.operators import Blocks, Diagonal, Flat
from pullback.rules.norm import Norm, normal


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Norm over all examples and positions; channels stand on axis 1.

        y = w[c] (x - mean[c]) / sqrt(var[c] + eps) + b[c]

    In evaluation, mean and var are the running statistics m and v: an affine map per channel, whose gradient is
    w r gy. In training they are those of this batch, which mixes examples: the gradient is that of `Norm`. Training
    also returns the running statistics, moved towards those of the batch; nothing is written to the old ones:

        m1 = (1 - momentum) m + momentum mean,    v1 = (1 - momentum) v + momentum var n/(n - 1)

    with the unbiased variance, as PyTorch does. They have no derivative. A channel with one value has no unbiased
    variance, and is refused; a batch of nothing leaves the statistics as they are.

    Source: Ioffe & Szegedy (2015), Batch normalization.
    """

    training: bool = False
    momentum: float = 0.1
    names = dict(m="running_mean", v="running_var")
    requires = (*Norm.requires, "0 <= momentum <= 1", "not training or values_per_channel != 1")
    sums = "nck->c", "nck,nck->c"
    cases = (
        dict(n=4, c=2, d=(), training=True), dict(n=2, c=3, d=(2, 2), training=True, without=("m", "v", "w", "b")),
        dict(n=1, c=2, d=(3,), training=True, momentum=1.0), dict(n=0, c=2, d=(3,), training=True),
        dict(n=3, c=2, d=(2,)), dict(n=1, c=3, d=(), without=("w", "b")), dict(n=0, c=2, d=(2,)),
    )  # fmt: skip

    @property
    def signature(self):
        if self.training:
            return "x[n c *d], const m[c]=0, const v[c]=1>0; w[c]=1, b[c]=0 -> y[n c *d], const m1[c], const v1[c]"
        return "x[n c *d], const m[c], const v[c]>0; w[c]=1, b[c]=0 -> y[n c *d]"

    def values_per_channel(self, n, d):
        return n * prod(d)

    def forward(self, x, m, v, w, b):
        if self.training:
            u, r, mean, var = self.standardise(x)
            count = x.size // max(len(w), 1)
            rate = self.momentum if count else 0
            m1 = (1 - rate) * m + rate * mean[:, 0]
            v1 = (1 - rate) * v + rate * (var[:, 0] * (count / max(count - 1, 1)))
            return (self.affine(u, w, b), m1, v1), (u, r, w)
        r = 1 / np.sqrt(v + self.eps)[:, None]
        u = ((self.fold(x) - m[:, None]) * r).reshape(x.shape)
        return self.affine(u, w, b), (u, r, w)

    def fold(self, x):
        return x.reshape(*x.shape[:2], prod(x.shape[2:]))

    def mean(self, *factors):
        return super().mean(*factors) if self.training else 0  # given statistics do not move with x

    def jacobian(self, u, r, w):
        if self.training:  # a block per channel, over examples and positions
            own = u.shape
            z = self.fold(u).swapaxes(0, 1)
            jx = Blocks(own, 1, normal(w[:, None], z.reshape(len(w), z.size // max(len(w), 1)), r))
        else:
            own = u.shape[1:]
            jx = Flat(own, Diagonal(np.repeat(w * r[:, 0], prod(u.shape[2:]))))
        return jx, *self.of_parameters(u, own)

    derivation = property(lambda self: TRAINING if self.training else EVALUATION)


EVALUATION = """
    at n=2, c=2, d=(2,); n=3, c=1, d=()
    for a f in n
    for c h in c
    for s q in *d
    let r[c] = 1/sqrt(v[c] + eps)  # one over the standard deviation
    let u[a,c,s] = (x[a,c,s] - m[c])*r[c]  # normalised x
    let y[a,c,s] = w[c]*u[a,c,s] + b[c]

    d(u[a,c,s], x[f,h,q])
      = (a==f)*(c==h)*(s == q)*r[c]                    # given statistics do not move with x

    vjp gx[a,c,s]
      = sum(f, h, q, gy[f,h,q]*d(y[f,h,q], x[a,c,s]))  # chain rule
      = gy[a,c,s]*w[c]*r[c]                            # collapse the deltas
    vjp gw[c]
      = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], w[c]))      # chain rule: all examples share w
      = sum(a, s, gy[a,c,s]*u[a,c,s])                  # collapse the delta
    vjp gb[c]
      = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], b[c]))      # chain rule: all examples share b
      = sum(a, s, gy[a,c,s])                           # collapse the delta
"""
TRAINING = """
    at n=3, c=2, d=(), training=True; n=2, c=1, d=(2,), training=True, momentum=0.5
    for a f l in n
    for c h in c
    for s q in *d
    let N = sum(a, s, 1)  # how many numbers are averaged
    let mean[c] = sum(a, s, x[a,c,s])/N
    let var[c] = sum(a, s, (x[a,c,s] - mean[c])**2)/N
    let r[c] = 1/sqrt(var[c] + eps)  # one over the standard deviation
    let u[a,c,s] = (x[a,c,s] - mean[c])*r[c]  # normalised x
    let y[a,c,s] = w[c]*u[a,c,s] + b[c]
    let m1[c] = (1 - momentum)*m[c] + momentum*mean[c]
    let v1[c] = (1 - momentum)*v[c] + momentum*var[c]*N/(N - 1)
    let gu[a,c,s] = w[c]*gy[a,c,s]  # the gradient of u

    d(mean[c], x[f,c,q])
      = 1/N                                                                    # a mean of N
    d(var[c], x[f,c,q])
      = sum(a, s, 2*(x[a,c,s] - mean[c])*((a==f)*(s == q) - 1/N))/N            # power rule
      = 2*(x[f,c,q] - mean[c])/N                                               # deviations sum to 0
    d(r[c], x[f,c,q])
      = -r[c]**3/2*d(var[c], x[f,c,q])                                         # power rule
      = -r[c]**2*u[f,c,q]/N                                                    # recognise u
    d(u[a,c,s], x[f,c,q])
      = ((a==f)*(s == q) - 1/N)*r[c] + (x[a,c,s] - mean[c])*d(r[c], x[f,c,q])  # product rule: three paths
      = r[c]*((a==f)*(s == q) - 1/N - u[a,c,s]*u[f,c,q]/N)                     # the slopes above

    vjp gx[f,c,q]
      = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], x[f,c,q]))                          # chain rule: examples are mixed
      = sum(a, s, gu[a,c,s]*d(u[a,c,s], x[f,c,q]))                             # through u
      = r[c]*(gu[f,c,q] - sum(a, s, gu[a,c,s])/N - u[f,c,q]*sum(a, s, u[a,c,s]*gu[a,c,s])/N)  # Jacobian above
    vjp gw[c]
      = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], w[c]))                              # chain rule: all examples share w
      = sum(a, s, gy[a,c,s]*u[a,c,s])                                          # collapse the delta
    vjp gb[c]
      = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], b[c]))                              # chain rule: all examples share b
      = sum(a, s, gy[a,c,s])                                                   # collapse the delta
"""


batch_norm = BatchNorm()
