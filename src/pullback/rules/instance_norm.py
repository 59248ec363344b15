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


instance_norm = InstanceNorm()
