"""Group normalisation: every example by itself, over the channels of a group and all positions."""

from dataclasses import dataclass
from math import prod

from pullback.rules.norm import Norm


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Norm over the channels of a group and all positions; channels stand on axis 1.

        y = w[c] (x - mean) / sqrt(var + eps) + b[c]        mean and var of [c/num_groups *d]

    One group is a layer norm of the example, a group per channel an instance norm. See `Norm` for the gradient, its
    edges and its accuracy.

    Source: Wu & He (2018), Group normalization.
    """

    num_groups: int = 1
    signature = "x[n c *d]; w[c]=1, b[c]=0 -> y[n c *d]"
    requires = (*Norm.requires, "num_groups > 0", "c % num_groups == 0")
    cases = (
        dict(n=2, c=4, d=(3,), num_groups=2), dict(n=2, c=2, d=(2, 2)), dict(n=1, c=3, d=(), without=("w", "b")),
        dict(n=2, c=2, d=(), num_groups=2), dict(n=0, c=2, d=(2,)), dict(n=2, c=2, d=(0,)),
    )  # fmt: skip

    def fold(self, x):
        return x.reshape(len(x), self.num_groups, prod(x.shape[1:]) // self.num_groups)

    derivation = """
        at n=1, c=4, d=(), num_groups=2; n=2, c=2, d=(2,); n=2, c=2, d=(2,), num_groups=2
        for a f in n
        for i j k in c
        for s q in *d
        let g = c//num_groups
        let N = sum(s, g)  # how many numbers are averaged
        let mean[a,i] = sum(k, s, (k//g == i//g)*x[a,k,s])/N
        let var[a,i] = sum(k, s, (k//g == i//g)*(x[a,k,s] - mean[a,i])**2)/N
        let r[a,i] = 1/sqrt(var[a,i] + eps)  # one over the standard deviation
        let z[a,i,s] = x[a,i,s] - mean[a,i]
        let u[a,i,s] = z[a,i,s]*r[a,i]  # normalised x
        let y[a,i,s] = w[i]*u[a,i,s] + b[i]
        let gu[a,i,s] = w[i]*gy[a,i,s]  # the gradient of u

        d(mean[a,i], x[a,j,q])
          = (i//g == j//g)/N                               # a mean of N
        d(var[a,i], x[a,j,q])
          = (i//g == j//g)*2*(x[a,j,q] - mean[a,i])/N      # power rule; deviations sum to 0
        d(r[a,i], x[a,j,q])
          = -r[a,i]**3/2*d(var[a,i], x[a,j,q])             # power rule
          = -(i//g == j//g)*r[a,i]**2*u[a,j,q]/N           # recognise u
        d(u[a,i,s], x[a,j,q])
          = ((i==j)*(s == q) - d(mean[a,i], x[a,j,q]))*r[a,i] + z[a,i,s]*d(r[a,i], x[a,j,q])  # product rule
          = r[a,i]*((i==j)*(s == q) - (i//g == j//g)*(1 + u[a,i,s]*u[a,j,q])/N)  # the slopes above

        vjp gx[a,j,q]
          = sum(f, i, s, gy[f,i,s]*d(y[f,i,s], x[a,j,q]))  # chain rule
          = sum(i, s, gu[a,i,s]*d(u[a,i,s], x[a,j,q]))     # through u
          = r[a,j]*(gu[a,j,q] - sum(i, s, (i//g == j//g)*(1 + u[a,j,q]*u[a,i,s])*gu[a,i,s])/N)  # Jacobian above
        vjp gw[j]
          = sum(a, i, s, gy[a,i,s]*d(y[a,i,s], w[j]))      # chain rule: all examples share w
          = sum(a, s, gy[a,j,s]*u[a,j,s])                  # collapse the delta
        vjp gb[j]
          = sum(a, i, s, gy[a,i,s]*d(y[a,i,s], b[j]))      # chain rule: all examples share b
          = sum(a, s, gy[a,j,s])                           # collapse the delta
"""


group_norm = GroupNorm()
