"""Losses that compare x and t element by element."""

from dataclasses import dataclass

from pullback.operators import Diagonal
from pullback.rules.loss import Loss, weigh


@dataclass(frozen=True)
class ElementwiseLoss(Loss):
    """A loss that is a function of two numbers, x and t, for each element.

    A rule gives that function as `value`, its `slope_x` and `slope_t`, and its `curvatures` along x twice, along x
    and t, and along t twice. All of them take what `keep` makes of the inputs, which is what the rule saves.
    Along x the slope is finite; along t it may be infinite.
    """

    @property
    def saves(self):
        return tuple(slot.name for slot in self.inputs)

    def keep(self, *inputs):
        return inputs

    def count(self, x):
        return x.size or 1

    def forward(self, *inputs):
        saved = self.keep(*inputs)
        return self.reduce(self.value(*saved), self.count(inputs[0])), saved

    def jvp(self, tx, tt, *saved):
        return self.reduce(self.slope_x(*saved) * tx + weigh(tt, self.slope_t(*saved)), self.count(saved[0]))

    def vjp(self, gy, *saved):
        g = self.spread(gy, self.count(saved[0]))
        return g * self.slope_x(*saved), lambda: weigh(g, self.slope_t(*saved))

    def hvp(self, gy, tx, tt, *saved):
        g = self.spread(gy, self.count(saved[0]))
        xx, xt, both_t = self.curvatures(*saved)
        return g * (xx * tx + xt * tt), g * (xt * tx + weigh(tt, both_t))

    def jacobian(self, *saved):
        """diag(slope), of unreduced losses."""
        if self.reduction == "none":
            return Diagonal(self.slope_x(*saved)), Diagonal(self.slope_t(*saved))
