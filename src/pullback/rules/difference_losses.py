"""Losses of the difference d = x - t alone: one formula, and a row for each of its functions of d."""

from dataclasses import dataclass

import numpy as np

from pullback.kinks import WORDS, choose
from pullback.rules.elementwise_loss import ElementwiseLoss


@dataclass(frozen=True)
class DifferenceLoss(ElementwiseLoss):
    """y = f(d), d = x - t, hence gx = f'(d) gy and gt = -gx.

    A row gives f as `value`, f' as `slope_x` and f'' as `curve`.
    """

    signature = property(lambda self: self.losses("x[...], t[...] -> y[...]"))
    saves = ("d",)
    breaks = ()  # where f' or f'' jumps
    cases = (
        dict(batch=(5,)), dict(batch=(2, 3), reduction="sum"), dict(batch=(2, 3), reduction="none"), dict(batch=()),
    )  # fmt: skip

    def keep(self, x, t):
        return (x - t,)

    def slope_t(self, d):
        return -self.slope_x(d)

    def curvatures(self, d):
        curve = self.curve(d)
        return curve, -curve, curve

    def sample(self, rng, **sizes):
        """Differences between x and t stay clear of the breaks, where no test by differences could judge."""
        x, t = super().sample(rng, **sizes)
        for place in self.breaks:
            x = np.where(abs(x - t - place) < 0.15, x + 0.3, x)
        return [x, t]


@dataclass(frozen=True)
class SquaredError(DifferenceLoss):
    """The square of the difference.

        y  = d²,      d = x - t
        gx = 2 d gy,  gt = -gx

    Source: Legendre (1805), Nouvelles méthodes pour la détermination des orbites des comètes.
    """

    def value(self, d):
        return d * d

    def slope_x(self, d):
        return 2 * d

    def curve(self, d):
        return np.full_like(d, 2)

    derivation = """
        at batch=(3,); batch=(2, 2), reduction="sum"; batch=(2,), reduction="none"; batch=()
        for i j in ...
        let N = sum(i, 1) if reduction == "mean" else 1
        let d[i] = x[i] - t[i]
        let y = sum(i, d[i]**2)/N

        d(y, x[j])
          = sum(i, 2*d[i]*(i==j))/N  # power rule
          = 2*d[j]/N                 # collapse the delta

        vjp gx[j]
          = gy*d(y, x[j])            # chain rule
          = 2*d[j]*gy/N              # Jacobian above
        vjp gt[j]
          = gy*d(y, t[j])            # chain rule
          = -2*d[j]*gy/N             # t stands with a minus
"""


@dataclass(frozen=True)
class AbsoluteError(DifferenceLoss):
    """The size of the difference.

        y  = |d|,          d = x - t
        gx = sign(d) gy,   gt = -gx

    At d = 0 every slope from -1 to 1 is a derivative. `kink` picks the one of x, and that of t is its negative: "right"
    (1, the default), "left" (-1), "mean", "min_norm", "max_norm", or what "torch" (0), "jax" (1), "tf" (0) picks.

    Source: Boscovich (1757), De litteraria expeditione per pontificiam ditionem.
    """

    kink: str = "right"
    requires = (*DifferenceLoss.requires, f"kink in {WORDS}")
    breaks = (0.0,)

    def value(self, d):
        return abs(d)

    def slope_x(self, d):
        at_kink = d.dtype.type(choose(self.kink, -1.0, 1.0, torch="min_norm", jax="right", tf="min_norm"))
        return np.where(d == 0, at_kink, np.sign(d))

    def curve(self, d):
        return np.zeros_like(d)

    derivation = """
        at batch=(4,); batch=(2, 2), reduction="sum"; batch=(2,), reduction="none"; batch=()
        for i j in ...
        let N = sum(i, 1) if reduction == "mean" else 1
        let d[i] = x[i] - t[i]
        let y = sum(i, abs(d[i]))/N

        d(y, x[j])
          = sum(i, (1 if d[i] >= 0 else -1)*(i==j))/N  # slope of each piece
          = (1 if d[j] >= 0 else -1)/N                 # collapse the delta

        vjp gx[j]
          = gy*d(y, x[j])                              # chain rule
          = (gy if d[j] >= 0 else -gy)/N               # Jacobian above
        vjp gt[j]
          = gy*d(y, t[j])                              # chain rule
          = (-gy if d[j] >= 0 else gy)/N               # t stands with a minus
"""


@dataclass(frozen=True)
class SmoothAbsoluteError(DifferenceLoss):
    """The size of the difference, rounded off below beta.

        y = d² / (2 beta) where |d| < beta, else |d| - beta/2,    d = x - t
        gx = d / beta gy, no less than -gy and no more

    With beta = 0 it is l1_loss, and `kink` picks its slope at d = 0. Where |d| = beta the second derivative jumps; the
    outer one is taken, 0.

    Source: Girshick (2015), Fast R-CNN.
    """

    beta: float = 1.0
    kink: str = "right"
    requires = (*AbsoluteError.requires, "beta == 0 or beta >= 1e-36", "beta < inf")
    breaks = property(lambda self: (-self.beta, self.beta))
    cases = *DifferenceLoss.cases, dict(batch=(5,), beta=0.5), dict(batch=(5,), beta=0, reduction="none")

    def suited(self, *inputs):
        return self if self.beta else AbsoluteError(self.reduction, self.kink)

    def value(self, d):
        size = abs(d)
        inner = np.minimum(size, self.beta)
        return inner / self.beta * (size - inner / 2)

    def slope_x(self, d):
        return np.clip(d, -self.beta, self.beta) / self.beta

    def curve(self, d):
        return (abs(d) < self.beta).astype(d.dtype) / self.beta

    derivation = """
        at batch=(6,); batch=(2, 3), reduction="sum", beta=0.5; batch=(2,), reduction="none"; batch=()
        for i j in ...
        let N = sum(i, 1) if reduction == "mean" else 1
        let d[i] = x[i] - t[i]
        let y = sum(i, d[i]**2/(2*beta) if abs(d[i]) < beta else abs(d[i]) - beta/2)/N

        d(y, x[j])
          = (d[j]/beta if abs(d[j]) < beta else sign(d[j]))/N  # slope of each piece
          = max(-1, min(1, d[j]/beta))/N                       # no less than -1, no more than 1

        vjp gx[j]
          = gy*d(y, x[j])                                      # chain rule
          = gy*max(-1, min(1, d[j]/beta))/N                    # Jacobian above
        vjp gt[j]
          = gy*d(y, t[j])                                      # chain rule
          = -gy*max(-1, min(1, d[j]/beta))/N                   # t stands with a minus
"""


@dataclass(frozen=True)
class Huber(DifferenceLoss):
    """Half the square of the difference, straight beyond delta: outliers pull no harder than delta.

        y = d²/2 where |d| <= delta, else delta (|d| - delta/2),    d = x - t
        gx = d gy, no less than -delta gy and no more

    It is delta smooth_l1_loss(beta=delta). Where |d| = delta the second derivative jumps; the outer one is taken, 0.

    Source: Huber (1964), Robust estimation of a location parameter.
    """

    delta: float = 1.0
    requires = (*DifferenceLoss.requires, "delta > 0")
    breaks = property(lambda self: (-self.delta, self.delta))
    cases = *DifferenceLoss.cases, dict(batch=(5,), delta=0.5)

    def value(self, d):
        size = abs(d)
        inner = np.minimum(size, self.delta)
        return inner * (size - inner / 2)

    def slope_x(self, d):
        return np.clip(d, -self.delta, self.delta)

    def curve(self, d):
        return (abs(d) < self.delta).astype(d.dtype)

    derivation = """
        at batch=(6,); batch=(2, 3), reduction="sum", delta=0.5; batch=(2,), reduction="none"; batch=()
        for i j in ...
        let N = sum(i, 1) if reduction == "mean" else 1
        let d[i] = x[i] - t[i]
        let y = sum(i, d[i]**2/2 if abs(d[i]) <= delta else delta*(abs(d[i]) - delta/2))/N

        d(y, x[j])
          = (d[j] if abs(d[j]) <= delta else delta*sign(d[j]))/N  # slope of each piece
          = max(-delta, min(delta, d[j]))/N                       # no less than -delta, no more than delta

        vjp gx[j]
          = gy*d(y, x[j])                                         # chain rule
          = gy*max(-delta, min(delta, d[j]))/N                    # Jacobian above
        vjp gt[j]
          = gy*d(y, t[j])                                         # chain rule
          = -gy*max(-delta, min(delta, d[j]))/N                   # t stands with a minus
"""


mse_loss = SquaredError()
l1_loss = AbsoluteError()
smooth_l1_loss = SmoothAbsoluteError()
huber_loss = Huber()
