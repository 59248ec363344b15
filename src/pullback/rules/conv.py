"""Convolution: every output is a weighted sum of one window of x."""

from dataclasses import dataclass

import numpy as np

from pullback.batch import flat
from pullback.operators import Sparse
from pullback.rules.convolution import Convolution


@dataclass(frozen=True)
class Conv(Convolution):
    """Slide a kernel over x; every output is a weighted sum of one window (a correlation: the kernel is not flipped).

        y[o, p] = Σc Σk w[o, c, k] x[c, stride p + dilation k - padding] + b[o]
        gx[c, q] = Σ w[o, c, k] gy[o, p] over o, p, k where q = stride p + dilation k - padding
        gw[o, c, k] = Σp gy[o, p] x[c, stride p + dilation k - padding],    gb[o] = Σp gy[o, p]

    x is 0 outside. `padding="same"` keeps the size (stride 1; an odd element goes behind), "valid" is 0.
    With `groups`, output channels see only the input channels of their group; as many groups as channels make it
    depthwise. What no window meets gets gradient 0.

    Source: LeCun et al. (1989), Backpropagation applied to handwritten zip code recognition.
    """

    signature = "x[... i *n]; w[o i/groups *k], b[o]=0 -> y[... o *out]"
    words = dict(padding=("same", "valid"))
    requires = (
        "stride > 0", "dilation > 0", "groups > 0 and o % groups == 0",
        "padding in ('same', 'valid') or padding >= 0", "padding != 'same' or stride == 1", "k > 0", "output_size > 0",
    )  # fmt: skip
    cases3d = (
        dict(i=2, o=3, n=(5, 4, 3), k=(3, 2, 1)),
        dict(i=4, o=2, n=(4, 5, 3), k=(2, 3, 2), batch=(2,), groups=2, stride=2, padding=(1, 0, 1)),
        dict(i=1, o=1, n=(6, 3, 2), k=(2, 3, 2), padding="same", dilation=(2, 1, 1), without=("b",)),
        dict(i=3, o=6, n=(3, 2, 2), k=(3, 2, 2), batch=(2, 1), groups=3, padding="valid"),
        dict(i=1, o=2, n=(4, 3, 3), k=(2, 1, 2), stride=3, padding=1, dilation=2, batch=(3,)),
    )

    def out(self, n, k):
        if self.padding == "same":
            return n

        def along(n, k, s, p, d):
            return (n + 2 * p - d * (k - 1) - 1) // s + 1

        return tuple(map(along, n, k, self.stride, self.padding_before(k), self.dilation))

    def padding_before(self, k):
        if self.padding == "same":
            return tuple(d * (size - 1) // 2 for d, size in zip(self.dilation, k))
        return (0,) * self.dims if self.padding == "valid" else self.padding

    def forward(self, x, w, b):
        y = self.correlate(x, w, self.out(self.space(x), self.space(w)))
        y += self.bias(b)
        return y, (x, w)

    def jvp(self, tx, tw, tb, x, w):
        out = self.out(self.space(x), self.space(w))
        return self.correlate(tx, w, out) + self.correlate(x, tw, out) + self.bias(tb)

    def vjp(self, gy, x, w):
        gx = lambda: self.spread(gy, w, self.space(x))
        gw = lambda: self.weigh(gy, x, w)
        gb = lambda: self.sum_bias(gy)
        return gx, gw, gb

    def hvp(self, gy, tx, tw, tb, x, w):
        return self.spread(gy, tw, self.space(x)), self.weigh(gy, tx, w), np.zeros_like(tb)

    def jacobian(self, x, w):
        n, out = self.space(x), self.out(self.space(x), self.space(w))
        row, weight, col = self.meetings(w, n, out)
        x, y, inp = flat(x, self.dims + 1), (len(w), *out), x.shape[-self.dims - 1 :]
        jx = Sparse(row, col, w.reshape(w.size)[weight], y, inp)
        jw = Sparse(row, weight, x[..., col], y, w.shape)
        return jx, jw, self.bias_jacobian(y, w.dtype)

    derivation = """
        at i=2, o=2, n=(4, 2, 2), k=(2, 2, 1), groups=2, stride=2, padding=1, dilation=(2, 1, 1)
        at i=2, o=1, n=(3, 2, 1), k=(2, 1, 1), batch=(2,); i=1, o=2, n=(3, 2, 2), k=(2, 2, 1), padding="same"
        for e f in ...
        for a h in o
        for s in i
        for c in i/groups
        for k in *k
        for p in *out
        for q in *n
        let v[a,c] = (a//(o//groups))*(i//groups) + c  # which channel of x the kernel's channel c reads
        let t[p,k] = stride*p + dilation*k - padding_before  # where the kernel's offset k falls
        let X[e,s,q] = x[e,s,q] if 0 <= q < n else 0  # x, and zeros around it
        let y[e,a,p] = sum(c, k, w[a,c,k]*X[e,v[a,c],t[p,k]]) + b[a]

        d(y[f,a,p], x[e,s,q])
          = (e==f)*sum(c, k, (s == v[a,c])*(q == t[p,k])*w[a,c,k])           # a window meets x[q] at its offset k
        d(y[e,h,p], w[a,c,k])
          = (a==h)*X[e,v[a,c],t[p,k]]                                        # linear in w

        vjp gx[e,s,q]
          = sum(f, a, p, gy[f,a,p]*d(y[f,a,p], x[e,s,q]))                    # chain rule
          = sum(a, p, c, k, gy[e,a,p]*(s == v[a,c])*(q == t[p,k])*w[a,c,k])  # Jacobian above
          = sum(a, c, k, (s == v[a,c])*w[a,c,k]*sum(p, (q == t[p,k])*gy[e,a,p]))  # one offset at a time
        vjp gw[a,c,k]
          = sum(e, h, p, gy[e,h,p]*d(y[e,h,p], w[a,c,k]))                    # chain rule: all positions share w
          = sum(e, p, gy[e,a,p]*X[e,v[a,c],t[p,k]])                          # collapse the delta
        vjp gb[a]
          = sum(e, h, p, gy[e,h,p]*d(y[e,h,p], b[a]))                        # chain rule: all positions share b
          = sum(e, p, gy[e,a,p])                                             # collapse the delta
"""


conv1d, conv2d, conv3d = (Conv(dims=d) for d in (1, 2, 3))
