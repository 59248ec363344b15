"""Log-sum-exp: a smooth maximum."""

from dataclasses import dataclass

import numpy as np

from pullback.batch import flat
from pullback.errors import OptionError
from pullback.functions import at_likeliest, centred, log_sum_exp
from pullback.operators import Flat, Outer
from pullback.rule import Rule


@dataclass(frozen=True)
class LogSumExp(Rule):
    """The logarithm of the sum of exponentials along an axis, or over several.

        y     = log Σk exp(x[k])
        gx[i] = softmax(x)[i] gy

    The largest score is taken out first: no finite score overflows.
    A row of -inf alone gives -inf, as does an empty one, and gradient 0 (PyTorch: nan); inf gives inf, and its gradient
    goes to the scores of inf in equal shares (PyTorch: nan). nan makes its row nan.
    `keepdims` leaves axes of size 1 behind.

    Source: Blanchard, Higham & Higham (2021), Accurately computing the log-sum-exp and softmax functions.
    """

    axis: int | tuple[int, ...] = -1
    keepdims: bool = False
    cases = (
        dict(n=3), dict(n=1), dict(n=4, batch=(2, 3)), dict(n=3, batch=(2,), keepdims=True),
        dict(n=3, axis=0, batch=(2,)), dict(n=3, e1=2, axis=-2, batch=(2,)), dict(n=3, b0=2, axis=1),
        dict(n=3, n2=2, axis=(0, -1), batch=(2,)), dict(n=3, n2=2, axis=(-1, -2), keepdims=True),
        dict(n=3, n2=2, b0=2, b1=3, e1=2, axis=(-2, 2)),
    )  # fmt: skip

    def __post_init__(self):
        if not self.axes or len(set(self.axes)) < len(self.axes):
            raise OptionError(f"axis must be one number, or several that differ, got {self.axis!r}")

    @property
    def axes(self):
        """All of them, in the order in which they stand."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return tuple(sorted(axes, key=lambda k: (k < 0, k)))

    @property
    def signature(self):
        """`x[... n] -> y[...]`, with the axes where they stand: n, n2, … are summed over; b0, b1, …, e2, e1 stay."""
        sums = iter(("n", *(f"n{k}" for k in range(2, 2 + len(self.axes)))))
        places = (*range(max(self.axes) + 1), None, *range(min(min(self.axes), 0), 0))
        before, after = [], []
        for k in places:
            summed = k in self.axes
            name = "..." if k is None else next(sums) if summed else f"b{k}" if k >= 0 else f"e{-k}"
            before.append(name)
            after += ["1"] * self.keepdims if summed else [name]
        return f"x[{' '.join(before)}] -> y[{' '.join(after)}]"

    def forward(self, x):
        m, z = centred(x, self.axis)
        rest = log_sum_exp(z, self.axis)
        y = m + rest
        return (y if self.keepdims else y.squeeze(self.axis)), (np.exp(z - rest),)

    def jvp(self, tx, p):
        return (p * tx).sum(self.axis, keepdims=self.keepdims)

    def vjp(self, gy, p):
        return p * self.spread(gy)

    def hvp(self, gy, tx, p):
        best = at_likeliest(self.flat(tx), self.flat(p), -1)[..., 0]
        tx = tx - np.expand_dims(best, self.axis)  # so that nothing cancels where p is almost 1
        return p * (tx - (p * tx).sum(self.axis, keepdims=True)) * self.spread(gy)

    def jacobian(self, p):
        """A row per example: p, all the axes of the sum in one."""
        row = self.flat(p)
        sizes = tuple(p.shape[k] for k in self.axes)
        out = (1,) * len(sizes) if self.keepdims else ()
        return Flat(sizes, Outer(np.ones(1, p.dtype), row), out).along(*self.axes)

    def last(self, a):
        """The axes of the sum, behind all others."""
        return np.moveaxis(a, self.axes, range(-len(self.axes), 0))

    def flat(self, a):
        """The same, as one axis."""
        return flat(self.last(a), len(self.axes))

    def spread(self, gy):
        """A gradient of the sums, with their axes back in place."""
        return gy if self.keepdims else np.expand_dims(gy, self.axis)

    derivation = """
        at n=3; n=2, batch=(2,)
        for i j k in n
        let y = log(sum(k, exp(x[k])))
        let p[j] = exp(x[j]) / sum(k, exp(x[k]))  # softmax(x)
        let top = max(k, x[k])  # the largest score

        y
          = top + log(sum(k, exp(x[k] - top)))       # exp(top) out of the sum: no exponent above 0
        p[j]
          = exp(x[j] - top)/sum(k, exp(x[k] - top))  # both divided by exp(top): no exponent above 0

        d(y, x[j])
          = exp(x[j])/sum(k, exp(x[k]))  # chain rule
          = p[j]                         # recognise softmax

        vjp gx[j]
          = gy*d(y, x[j])                # chain rule
          = gy*p[j]                      # Jacobian above
"""


logsumexp = LogSumExp()
