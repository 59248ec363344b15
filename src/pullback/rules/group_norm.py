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


group_norm = GroupNorm()
