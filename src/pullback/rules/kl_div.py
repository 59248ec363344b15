"""Kullback–Leibler divergence."""

from dataclasses import dataclass

import numpy as np

from pullback.rules.elementwise_loss import ElementwiseLoss
from pullback.rules.loss import weigh


@dataclass(frozen=True)
class KLDiv(ElementwiseLoss):
    """How far the log-probabilities x are from the probabilities t, in nats, element by element.

        y  = t (log t - x)
        gx = -t gy,    gt = (log t - x + 1) gy

    With log_target, t holds log-probabilities as well. reduction="batchmean" divides the sum by the length of the
    first axis, which makes it the divergence itself; "mean" divides by the number of elements, as in PyTorch.

    Where t is 0 the loss is 0, whatever x is, -inf included; gt, which falls without bound as t does, is -inf there,
    or inf if x is -inf. A target above 0 with x = -inf costs inf. No elements: loss 0, gradient 0.

    Source: Kullback and Leibler (1951), On information and sufficiency.
    """

    log_target: bool = False
    signature = property(lambda self: self.losses("x[...], t[...]>0.2<0.9 -> y[...]"))
    requires = ("reduction in ('none', 'mean', 'sum', 'batchmean')",)
    cases = (
        dict(batch=(5,)), dict(batch=(2, 3), reduction="batchmean"), dict(batch=(2, 3), reduction="none"),
        dict(batch=(3,), log_target=True), dict(batch=(2, 2), log_target=True, reduction="sum"), dict(batch=()),
    )  # fmt: skip

    def suited(self, *inputs):
        return LogKLDiv(self.reduction, self.log_target) if self.log_target else self

    def count(self, x):
        return (len(x) if self.reduction == "batchmean" and x.ndim else x.size) or 1

    def rows(self, batch):
        """What "batchmean" divides by, in the derivation."""
        return batch[0] if batch else 1

    def value(self, x, t):
        return weigh(t, np.log(np.where(t == 0, 1, t)) - x)

    def slope_x(self, x, t):
        return -t

    def slope_t(self, x, t):
        impossible = (t == 0) & (x == -np.inf)
        with np.errstate(divide="ignore"):
            return np.log(np.where(impossible, 1, t)) - x + 1

    def curvatures(self, x, t):
        with np.errstate(divide="ignore"):
            return np.zeros_like(x), -np.ones_like(x), 1 / t

    derivation = """
        at batch=(3,); batch=(2, 2), reduction="sum"; batch=(2,), reduction="none"; batch=()
        at batch=(3, 2), reduction="batchmean"
        for i j in ...
        let N = sum(i, 1) if reduction == "mean" else rows if reduction == "batchmean" else 1
        let y = sum(i, t[i]*(log(t[i]) - x[i]))/N

        d(y, x[j])
          = -t[j]/N                           # linear in x
        d(y, t[j])
          = (log(t[j]) - x[j] + t[j]/t[j])/N  # product rule
          = (log(t[j]) - x[j] + 1)/N          # cancel

        vjp gx[j]
          = gy*d(y, x[j])                     # chain rule
          = -gy*t[j]/N                        # Jacobian above
        vjp gt[j]
          = gy*d(y, t[j])                     # chain rule
          = gy*(log(t[j]) - x[j] + 1)/N       # Jacobian above
"""


@dataclass(frozen=True)
class LogKLDiv(KLDiv):
    """The same, of targets that are log-probabilities.

        y = exp(t) (t - x),    gx = -exp(t) gy,    gt = exp(t) (t - x + 1) gy

    Where t is -inf, all three are 0.
    """

    signature = property(lambda self: self.losses("x[...], t[...] -> y[...]"))
    suited = ElementwiseLoss.suited

    def value(self, x, t):
        return self.excess(x, t, 0)

    def slope_x(self, x, t):
        return -np.exp(t)

    def slope_t(self, x, t):
        return self.excess(x, t, 1)

    def curvatures(self, x, t):
        return np.zeros_like(x), -np.exp(t), self.excess(x, t, 2)

    def excess(self, x, t, more):
        """exp(t) (t - x + more)"""
        p = np.exp(t)
        return weigh(p, np.where(p == 0, 0, t) - x + more)

    derivation = """
        at batch=(3,); batch=(2, 2), reduction="sum"; batch=(2,), reduction="none"; batch=()
        at batch=(3, 2), reduction="batchmean"
        for i j in ...
        let N = sum(i, 1) if reduction == "mean" else rows if reduction == "batchmean" else 1
        let y = sum(i, exp(t[i])*(t[i] - x[i]))/N

        d(y, x[j])
          = -exp(t[j])/N                             # linear in x
        d(y, t[j])
          = (exp(t[j])*(t[j] - x[j]) + exp(t[j]))/N  # product rule
          = exp(t[j])*(t[j] - x[j] + 1)/N            # factor out

        vjp gx[j]
          = gy*d(y, x[j])                            # chain rule
          = -gy*exp(t[j])/N                          # Jacobian above
        vjp gt[j]
          = gy*d(y, t[j])                            # chain rule
          = gy*exp(t[j])*(t[j] - x[j] + 1)/N         # Jacobian above
"""


kl_div = KLDiv()
