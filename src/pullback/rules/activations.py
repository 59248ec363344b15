"""Activations: one function applied to every element. Each is an entry of a table, not a file.

f' and f'' are written in x, in y = f(x) and in the hyperparameters, by name; of x and y, what f' mentions is saved.
Where f has a kink, f' is the derivative from the right; `breaks` says where, and what the frameworks take there.
"""

import inspect
from dataclasses import dataclass, fields, make_dataclass
from functools import cache, cached_property

import numpy as np

from pullback.functions import sigmoid, softplus as log1pexp
from pullback.operators import Diagonal
from pullback.rule import Rule

KINKS = {
    "right": lambda left, right: right,
    "left": lambda left, right: left,
    "mean": lambda left, right: (left + right) / 2,
    "min_norm": lambda left, right: np.clip(0, min(left, right), max(left, right)),
    "max_norm": lambda left, right: max(left, right, key=np.abs),
}


@dataclass(frozen=True)
class Elementwise(Rule):
    """y = f(x), element by element: the Jacobian is diag(f'(x)).

    `kink` picks one of the derivatives where there are two: "right" (the default), "left", "mean", "min_norm"
    (of all between them the one nearest to 0), "max_norm", or what "torch", "jax" or "tf" picks.
    """

    kink: str = "right"
    signature = "x[...] -> y[...]"
    requires = (f"kink in {(*KINKS, 'torch', 'jax', 'tf')}",)
    cases = dict(batch=(5,)), dict(batch=(2, 3)), dict(batch=(5,), kink="torch")
    frameworks = dict(torch="right", jax="right", tf="right")

    @cached_property
    def own(self):
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def kinks(self):
        return tuple(self.own[k] if isinstance(k, str) else k for k in self.breaks)

    @cached_property
    def saves(self):
        needed = (*names(self.df), "x") if self.breaks and self.kink != "right" else names(self.df)
        return tuple(name for name in "xy" if name in needed)

    def value(self, f, **known):
        known = self.own | known
        return f(*[known[name] for name in names(f)])

    def forward(self, x):
        y = self.value(self.f, x=x)
        return y, tuple([{"x": x, "y": y}[name] for name in self.saves])

    def slope(self, *saved):
        known = dict(zip(self.saves, saved))
        slope = self.value(self.df, **known)
        for kink in self.kinks if self.kink != "right" else ():
            choice = KINKS[self.frameworks.get(self.kink, self.kink)]
            slope = np.where(known["x"] == kink, slope.dtype.type(choice(*self.sides(kink))), slope)
        return slope

    def sides(self, kink):
        """The derivatives from the left and from the right."""
        near = np.nextafter(np.float64(kink), [-np.inf, np.inf])
        return self.value(self.df, x=near, y=self.value(self.f, x=near))

    def jvp(self, tx, *saved):
        return self.slope(*saved) * tx

    def vjp(self, gy, *saved):
        return self.slope(*saved) * gy

    def hvp(self, gy, tx, *saved):
        return self.value(self.d2f, **dict(zip(self.saves, saved))) * tx * gy

    def jacobian(self, *saved):
        return Diagonal(self.slope(*saved))


def elementwise(f, df, d2f=lambda x: np.zeros_like(x), breaks=(), torch="right", jax="right", tf="right", **own):
    """A table entry: a class whose fields are the hyperparameters `own`, with their defaults."""
    own = [(name, type(value), value) for name, value in own.items()]
    body = {k: staticmethod(v) for k, v in dict(f=f, df=df, d2f=d2f).items()}
    body |= dict(breaks=breaks, frameworks=dict(torch=torch, jax=jax, tf=tf), __module__=__name__)
    return make_dataclass("Elementwise", own, bases=(Elementwise,), frozen=True, namespace=body)()


@cache
def names(f):
    return tuple(inspect.signature(f).parameters)


def step(condition, x):
    return condition.astype(x.dtype)


# fmt: off
identity = elementwise(lambda x: x, lambda x: np.ones_like(x))
tanh = elementwise(lambda x: np.tanh(x), lambda y: 1 - y * y, lambda y: -2 * y * (1 - y * y))
logistic = elementwise(sigmoid, lambda x: sigmoid(x) * sigmoid(-x),
                       lambda x: sigmoid(x) * sigmoid(-x) * (sigmoid(-x) - sigmoid(x)))
softplus = elementwise(log1pexp, sigmoid, lambda x: sigmoid(x) * sigmoid(-x))
silu = elementwise(lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
                   lambda x: sigmoid(x) * sigmoid(-x) * (2 + x * (sigmoid(-x) - sigmoid(x))))
relu = elementwise(lambda x: np.maximum(x, 0), lambda x: step(x >= 0, x), breaks=(0.0,),
                   torch="left", jax="left", tf="left")
leaky_relu = elementwise(lambda x, negative_slope: np.where(x < 0, negative_slope * x, x),
                         lambda x, negative_slope: np.where(x < 0, x.dtype.type(negative_slope), 1),
                         breaks=(0.0,), torch="left", jax="right", tf="left", negative_slope=0.01)
elu = elementwise(lambda x, alpha: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
                  lambda x, alpha: np.where(x < 0, alpha * np.exp(np.minimum(x, 0)), 1),
                  lambda x, alpha: np.where(x < 0, alpha * np.exp(np.minimum(x, 0)), 0),
                  breaks=(0.0,), torch="left", jax="left", tf="left", alpha=1.0)
hardtanh = elementwise(lambda x, min_val, max_val: np.clip(x, min_val, max_val),
                       lambda x, min_val, max_val: step((min_val <= x) & (x < max_val), x),
                       breaks=("min_val", "max_val"), torch="min_norm", jax="max_norm", tf="max_norm",
                       min_val=-1.0, max_val=1.0)
clamp = elementwise(lambda x, min, max: np.clip(x, min, max), lambda x, min, max: step((min <= x) & (x < max), x),
                    breaks=("min", "max"), torch="max_norm", jax="mean", tf="max_norm", min=-np.inf, max=np.inf)
abs = elementwise(lambda x: np.abs(x), lambda x: np.where(x >= 0, x.dtype.type(1), -1), breaks=(0.0,),
                  torch="min_norm", jax="right", tf="min_norm")
# fmt: on
