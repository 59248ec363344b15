"""PReLU: a leaky ReLU that learns its slope."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import flat
from pullback.kinks import WORDS, choose
from pullback.operators import Diagonal, Flat, Sparse
from pullback.rule import Rule
from pullback.rules.elementwise import step


@dataclass(frozen=True)
class PReLU(Rule):
    """A leaky relu whose slope is learned; one w for all channels, or one per channel (axis 1).

        y  = x where it is positive,     w x below
        gx = gy where x >= 0,            w gy below;    gw = Σ x gy over x < 0

    At 0 the derivative with respect to x is 1 from the right (the default) and w from the left. `kink` chooses as in
    elementwise rules; for the frameworks it is w, as in PyTorch's backward (its forward mode takes 1; JAX has no such
    function).

    Source: He et al. (2015), Delving deep into rectifiers.
    """

    kink: str = "right"
    signature = "x[n c *d]; w[p] -> y[n c *d]"
    requires = "p in (1, c)", f"kink in {WORDS}"
    kinks = (0.0,)
    cases = dict(n=3, c=2, d=(), p=2), dict(n=2, c=3, d=(2,), p=1), dict(n=2, c=2, d=(2, 1), p=2, kink="mean")

    def forward(self, x, w):
        return np.maximum(x, 0) + widen(w, x) * np.minimum(x, 0), (x, w)

    def jvp(self, tx, tw, x, w):
        return self.slope(x, w) * tx + widen(tw, x) * np.minimum(x, 0)

    def vjp(self, gy, x, w):
        return self.slope(x, w) * gy, gathered(gy * np.minimum(x, 0), w)

    def hvp(self, gy, tx, tw, x, w):
        share = self.share(x, w)
        return share * widen(tw, x) * gy, gathered(share * tx * gy, w)

    def jacobian(self, x, w):
        own = x.shape[1:]
        channel = np.broadcast_to(widen(np.arange(w.size), x), own).reshape(prod(own))
        entries = Sparse(np.arange(prod(own)), channel, flat(np.minimum(x, 0), len(own)), own, w.shape)
        return Flat(own, Diagonal(flat(self.slope(x, w), len(own)))), entries

    def slope(self, x, w):
        slope = np.where(x < 0, widen(w, x), w.dtype.type(1))
        return slope if self.kink == "right" else np.where(x == 0, widen(self.at_zero(w), x), slope)

    def share(self, x, w):
        """How the slope moves with w: as w itself does where w is the slope, which at 0 is up to `kink`."""
        left = step(x < 0, x)
        if self.kink == "right":
            return left
        at_zero = np.full_like(w, 0.5) if self.kink == "mean" else step(self.at_zero(w) == w, w)
        return np.where(x == 0, widen(at_zero, x), left)

    def at_zero(self, w):
        chosen = [choose(self.kink, slope, 1.0, torch="left", jax="left", tf="left") for slope in w]
        return np.array(chosen, w.dtype)

    derivation = """
        at n=3, c=2, d=(2,), p=2; n=3, c=3, d=(), p=1
        for a f in n
        for c h in c
        for s r in *d
        for m in p
        let one = p
        let k[c] = 0 if one == 1 else c
        let y[a,c,s] = x[a,c,s] if x[a,c,s] > 0 else w[k[c]]*x[a,c,s]

        d(y[a,c,s], w[m])
          = (k[c]==m)*(0 if x[a,c,s] > 0 else x[a,c,s])        # linear in w

        vjp gx[a,c,s]
          = sum(f, h, r, gy[f,h,r]*d(y[f,h,r], x[a,c,s]))      # chain rule
          = gy[a,c,s]*d(y[a,c,s], x[a,c,s])                    # element by element
          = gy[a,c,s] if x[a,c,s] >= 0 else w[k[c]]*gy[a,c,s]  # slope of each piece
        vjp gw[m]
          = sum(a, c, s, gy[a,c,s]*d(y[a,c,s], w[m]))          # chain rule: all that share a slope
          = sum(a, c, s, (k[c]==m)*gy[a,c,s]*(0 if x[a,c,s] > 0 else x[a,c,s]))  # Jacobian above
"""


def widen(w, x):
    """w along the axis of the channels."""
    return w.reshape(w.size, *[1] * (x.ndim - 2))


def gathered(g, w):
    """The sum of g over what shares a slope."""
    g = g.sum((0, *range(2, g.ndim)))
    return g if w.size == g.size else g.sum(keepdims=True)


prelu = PReLU()
