"""Instance normalisation: every channel of every example by itself."""

from dataclasses import dataclass

from pullback.batch import flat
from pullback.rules.norm import Norm


@dataclass(frozen=True)
class InstanceNorm(Norm):
    """Norm over all positions of a channel; channels stand on axis 1.

        y = w[c] (x - mean) / sqrt(var + eps) + b[c]        mean and var of [*d]

    A channel of one position gives b. See `Norm` for the gradient, its edges and its accuracy.

    Source: Ulyanov, Vedaldi & Lempitsky (2016), Instance normalization.
    """

    signature = "x[n c *d]; w[c]=1, b[c]=0 -> y[n c *d]"
    cases = (
        dict(n=2, c=3, d=(4,)), dict(n=1, c=2, d=(2, 3)), dict(n=2, c=2, d=(1,), without=("w", "b")),
        dict(n=0, c=2, d=(2,)), dict(n=2, c=2, d=(0,)),
    )  # fmt: skip

    def fold(self, x):
        return flat(x, x.ndim - 2)

    derivation = """
        at n=1, c=2, d=(3,); n=2, c=1, d=(2, 2)
        for a f in n
        for c h in c
        for s q in *d
        let N = sum(s, 1)  # how many numbers are averaged
        let mean[a,c] = sum(s, x[a,c,s])/N
        let var[a,c] = sum(s, (x[a,c,s] - mean[a,c])**2)/N
        let r[a,c] = 1/sqrt(var[a,c] + eps)  # one over the standard deviation
        let z[a,c,s] = x[a,c,s] - mean[a,c]
        let u[a,c,s] = z[a,c,s]*r[a,c]  # normalised x
        let y[a,c,s] = w[c]*u[a,c,s] + b[c]
        let gu[a,c,s] = w[c]*gy[a,c,s]  # the gradient of u

        d(mean[a,c], x[a,c,q])
          = 1/N                                            # a mean of N
        d(var[a,c], x[a,c,q])
          = 2*(x[a,c,q] - mean[a,c])/N                     # power rule; deviations sum to 0
        d(r[a,c], x[a,c,q])
          = -r[a,c]**3/2*d(var[a,c], x[a,c,q])             # power rule
          = -r[a,c]**2*u[a,c,q]/N                          # recognise u
        d(u[a,c,s], x[a,c,q])
          = ((s == q) - d(mean[a,c], x[a,c,q]))*r[a,c] + z[a,c,s]*d(r[a,c], x[a,c,q])  # product rule: three paths
          = r[a,c]*((s == q) - 1/N - u[a,c,s]*u[a,c,q]/N)  # the slopes above

        vjp gx[a,c,q]
          = sum(f, h, s, gy[f,h,s]*d(y[f,h,s], x[a,c,q]))  # chain rule
          = sum(s, gu[a,c,s]*d(u[a,c,s], x[a,c,q]))        # through u
          = r[a,c]*(gu[a,c,q] - sum(s, gu[a,c,s])/N - u[a,c,q]*sum(s, u[a,c,s]*gu[a,c,s])/N)  # Jacobian above
        vjp gw[c]
          = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], w[c]))      # chain rule: all examples share w
          = sum(a, s, gy[a,c,s]*u[a,c,s])                  # collapse the delta
        vjp gb[c]
          = sum(a, h, s, gy[a,h,s]*d(y[a,h,s], b[c]))      # chain rule: all examples share b
          = sum(a, s, gy[a,c,s])                           # collapse the delta
"""


instance_norm = InstanceNorm()
