"""Dropout with its mask given: what is random stands outside, so the derivative is that of this very call."""

from dataclasses import dataclass

from pullback.operators import Diagonal
from pullback.rule import Rule, Straight


@dataclass(frozen=True)
class Dropout(Straight, Rule):
    """Keep x where the mask is 1 (or True), and scale it up so that its expectation stays; p is the chance of a 0.

        y  = x mask / (1 - p)
        gx = gy mask / (1 - p)

    p = 0 keeps what the mask keeps, and p = 1 gives 0 and gradient 0. A mask of other numbers is a weight. A 0 does
    not hide a nan or inf: their y is nan.

    Source: Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting.
    """

    p: float = 0.5
    signature = "x[... n], const mask[... n] -> y[... n]"
    requires = ("0 <= p <= 1",)
    cases = dict(n=4), dict(n=2, batch=(3,), p=0.1), dict(n=3, p=0.0), dict(n=2, batch=(2,), p=1.0)

    def forward(self, x, mask):
        scale = mask * x.dtype.type(1 / (1 - self.p) if self.p < 1 else 0)
        return x * scale, (scale,)

    def jvp(self, tx, scale):
        return tx * scale

    def vjp(self, gy, scale):
        return gy * scale

    def jacobian(self, scale):
        return Diagonal(scale)

    derivation = """
        at n=3; n=2, p=0.1; n=2, p=1.0
        for i j in n
        let scale = 1/(1 - p) if p < 1 else 0
        let y[i] = x[i]*mask[i]*scale

        d(y[i], x[j])
          = (i==j)*mask[i]*scale                # linear in x

        vjp gx[j]
          = sum(i, gy[i]*d(y[i], x[j]))         # chain rule
          = sum(i, gy[i]*(i==j)*mask[i]*scale)  # Jacobian above
          = gy[j]*mask[j]*scale                 # collapse the delta
"""


dropout = Dropout()
