"""Elementwise rules: one function applied to every element. A row of the table is f, f', f'', and where f' jumps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pullback.kinks import WORDS, choose
from pullback.operators import Diagonal
from pullback.rule import Rule


@dataclass(frozen=True)
class Elementwise(Rule):
    """y = f(x), element by element: the Jacobian is diag(f'(x)).

    A row gives `f` and `df`, to 4 units in the last place wherever the true value is a normal number, and `d2f`, which
    may lose digits around its roots.
    They are computed in float64 and rounded once, unless the row is `plain`: compares, adds and multiplies alone.
    nan gives nan, and so does its derivative unless that is a constant on each piece.
    """

    signature = "x[...] -> y[...]"
    cases = dict(batch=(5,)), dict(batch=(2, 3)), dict(batch=())
    plain = False

    def d2f(self, x):
        return np.zeros_like(x)

    def forward(self, x):
        return self.evaluate(self.f, x), (x,)

    def jvp(self, tx, x):
        return self.slope(x) * tx

    def vjp(self, gy, x):
        return self.slope(x) * gy

    def hvp(self, gy, tx, x):
        return self.evaluate(self.d2f, x) * tx * gy

    def jacobian(self, x):
        return Diagonal(self.slope(x))

    def slope(self, x):
        return self.evaluate(self.df, x)

    def evaluate(self, f, x):
        wide = x if self.plain else x.astype(np.float64, copy=False)
        return f(wide).astype(x.dtype, copy=False)


@dataclass(frozen=True)
class Kinked(Elementwise):
    """An elementwise rule whose derivative jumps at `breaks`; `df` and `d2f` are those from the right there.

    `kink` picks one of the derivatives between the two sides: "right" (the default), "left", "mean", "min_norm"
    (the one nearest to 0), "max_norm" (the one farthest from it), or what "torch", "jax" or "tf" picks. The second
    derivative is the one from the right whatever it picks.
    """

    kink: str = "right"
    requires = (f"kink in {WORDS}",)
    cases = *Elementwise.cases, dict(batch=(5,), kink="torch")
    plain = True
    torch = jax = tf = "right"

    @property
    def kinks(self):
        return self.breaks

    def slope(self, x):
        slope = super().slope(x)
        for place, chosen in self.corners:
            slope = np.where(x == place, chosen, slope)
        return slope

    @cached_property
    def corners(self):
        """Where the derivative is not the one from the right, and what it is."""
        return [] if self.kink == "right" else [(place, self.chosen(place)) for place in self.breaks]

    def chosen(self, place):
        left, right = (float(self.df(np.nextafter(place, side))) for side in (-np.inf, np.inf))
        return float(choose(self.kink, left, right, torch=self.torch, jax=self.jax, tf=self.tf))


def step(condition, x):
    """1 where the condition holds, 0 elsewhere, in x's dtype."""
    return condition.astype(x.dtype)
