"""Residual: a rule, and a way around it."""

from dataclasses import dataclass

import numpy as np

from pullback.errors import OptionError, ShapeError
from pullback.linearization import as_tuple
from pullback.rule import Rule
from pullback.rules.chain import alone, value


@dataclass(frozen=True)
class Residual(Rule):
    """What the rule f adds to its input:

        y  = x + f(x)
        gx = gy + Jᵀ gy

    The gradient has a way past f on which nothing makes it smaller. y has the shape of x. Inputs, further outputs
    and the second derivative are those of f.

    Source: He, Zhang, Ren & Sun (2016), Deep residual learning for image recognition.
    """

    rule: Rule

    def __post_init__(self):
        if not isinstance(self.rule, Rule):
            raise OptionError(f"Residual needs a rule, got {self.rule!r}")

    signature = property(lambda self: self.rule.signature)
    inputs = property(lambda self: self.rule.inputs)
    outputs = property(lambda self: self.rule.outputs)
    kinks = property(lambda self: self.rule.kinks)
    saves = property(lambda self: self.rule.saves)

    def forward(self, x, *rest):
        (y, *more), saved = self.rule.run(x, *rest)
        return alone((x + y, *more)), saved

    def jvp(self, tx, *rest):
        ty, *more = as_tuple(self.rule.jvp(tx, *rest))
        return alone((tx + ty, *more))

    def vjp(self, gy, *rest):
        gx, *others = as_tuple(self.rule.vjp(gy, *rest))
        return lambda: gy + value(gx), *others

    def hvp(self, *args):
        return self.rule.hvp(*args)

    def plan(self, *inputs):
        found = self.rule.plan(*inputs)
        before, after = np.shape(found.tangents[0]), np.shape(found.gradients[0])
        if before != after:
            raise ShapeError(f"{self.name}: {self.rule.name} turns {before} into {after}, needs the same shape")
        return found._replace(rule=Residual(found.rule))

    def sample(self, rng, **sizes):
        return self.rule.sample(rng, **sizes)
