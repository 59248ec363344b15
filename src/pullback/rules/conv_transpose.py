"""Transposed convolution: every input is spread over one window of y."""

from dataclasses import dataclass

import numpy as np

from pullback.batch import flat
from pullback.operators import Sparse
from pullback.rules.convolution import Convolution


@dataclass(frozen=True)
class ConvTranspose(Convolution):
    """The transpose of a convolution in x, used forwards: every input is spread over one window of the output.

        y[o, stride p + dilation k - padding] += Σi w[i, o, k] x[i, p],    and + b[o]
        gx[i, p] = Σo Σk w[i, o, k] gy[o, stride p + dilation k - padding]
        gw[i, o, k] = Σp x[i, p] gy[o, stride p + dilation k - padding],    gb[o] = Σp gy[o, p]

    `padding` takes that much off both ends; `output_padding` puts so many outputs behind, which may hold b alone.
    It tells apart the sizes that a convolution with a stride makes equal, hence its bound. The channels of w are
    those of a group.

    Source: Zeiler et al. (2010), Deconvolutional networks.
    """

    output_padding: int | tuple = 0
    per_axis = *Convolution.per_axis, "output_padding"
    signature = "x[... i *n]; w[i o *k], b[o*groups]=0 -> y[... o*groups *out]"
    requires = (
        "stride > 0", "dilation > 0", "groups > 0 and i % groups == 0", "padding >= 0",
        "0 <= output_padding < stride_or_dilation", "k > 0", "output_size > 0",
    )  # fmt: skip
    cases3d = (
        dict(i=2, o=3, n=(3, 2, 3), k=(3, 2, 1)),
        dict(i=4, o=1, n=(3, 2, 2), k=(2, 3, 2), batch=(2,), groups=2, stride=2, padding=(1, 0, 1), output_padding=1),
        dict(i=3, o=2, n=(3, 2, 2), k=(2, 2, 1), batch=(2, 1), groups=3, dilation=(2, 1, 1), output_padding=(1, 0, 0)),
        dict(i=1, o=1, n=(1, 2, 3), k=(2, 1, 2), stride=(1, 3, 2), dilation=3, padding=1, without=("b",)),
    )

    @property
    def stride_or_dilation(self):
        """The greater of the two."""
        return tuple(map(max, self.stride, self.dilation))

    def out(self, n, k):
        def along(n, k, s, p, d, extra):
            return (n - 1) * s - 2 * p + d * (k - 1) + extra + 1

        return tuple(map(along, n, k, self.stride, self.padding, self.dilation, self.output_padding))

    def padding_before(self, k):
        return self.padding

    def forward(self, x, w, b):
        y = self.spread(x, w, self.out(self.space(x), self.space(w)))
        y += self.bias(b)
        return y, (x, w)

    def jvp(self, tx, tw, tb, x, w):
        out = self.out(self.space(x), self.space(w))
        return self.spread(tx, w, out) + self.spread(x, tw, out) + self.bias(tb)

    def vjp(self, gy, x, w):
        gx = lambda: self.correlate(gy, w, self.space(x))
        gw = lambda: self.weigh(x, gy, w)
        gb = lambda: self.sum_bias(gy)
        return gx, gw, gb

    def hvp(self, gy, tx, tw, tb, x, w):
        return self.correlate(gy, tw, self.space(x)), self.weigh(tx, gy, w), np.zeros_like(tb)

    def jacobian(self, x, w):
        n, out = self.space(x), self.out(self.space(x), self.space(w))
        col, weight, row = self.meetings(w, out, n)
        x, y, inp = flat(x, self.dims + 1), (w.shape[1] * self.groups, *out), x.shape[-self.dims - 1 :]
        jx = Sparse(row, col, w.reshape(w.size)[weight], y, inp)
        jw = Sparse(row, weight, x[..., col], y, w.shape)
        return jx, jw, self.bias_jacobian(y, w.dtype)

    derivation = """
        at i=2, o=1, n=(2, 2, 1), k=(2, 1, 2), groups=2, stride=2, padding=(1, 0, 0), output_padding=1
        at i=2, o=2, n=(2, 1, 1), k=(2, 2, 1), batch=(2,), dilation=(2, 1, 1); i=1, o=2, n=(2, 2, 1), k=(2, 1, 1)
        for e f in ...
        for a h in o*groups
        for s in i
        for c in o
        for k in *k
        for p in *n
        for q in *out
        let m = i//groups
        let r = o
        let G[e,a,q] = gy[e,a,q] if 0 <= q < out else 0  # gy, and zeros around it
        let meets[s,a,p,k,q] = (s//m == a//r)*(q == stride*p+dilation*k-padding)
        let y[e,a,q] = sum(s, p, k, meets[s,a,p,k,q]*w[s,a-r*(a//r),k]*x[e,s,p]) + b[a]

        d(y[f,a,q], x[e,s,p])
          = (e==f)*sum(k, meets[s,a,p,k,q]*w[s,a-r*(a//r),k])                # linear in x
        d(y[e,a,q], w[s,c,k])
          = (c == a-r*(a//r))*sum(p, meets[s,a,p,k,q]*x[e,s,p])              # linear in w

        vjp gx[e,s,p]
          = sum(f, a, q, gy[f,a,q]*d(y[f,a,q], x[e,s,p]))                    # chain rule
          = sum(a, q, k, gy[e,a,q]*meets[s,a,p,k,q]*w[s,a-r*(a//r),k])       # Jacobian above
          = sum(c, k, w[s,c,k]*G[e,r*(s//m)+c,stride*p+dilation*k-padding])  # collapse the deltas: a convolution
        vjp gw[s,c,k]
          = sum(e, a, q, gy[e,a,q]*d(y[e,a,q], w[s,c,k]))                    # chain rule: all positions share w
          = sum(e, p, x[e,s,p]*G[e,r*(s//m)+c,stride*p+dilation*k-padding])  # collapse the deltas
        vjp gb[a]
          = sum(e, h, q, gy[e,h,q]*d(y[e,h,q], b[a]))                        # chain rule: all positions share b
          = sum(e, q, gy[e,a,q])                                             # collapse the delta
"""


conv_transpose1d, conv_transpose2d, conv_transpose3d = (ConvTranspose(dims=d) for d in (1, 2, 3))
