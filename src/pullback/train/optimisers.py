"""Optimisers: PyTorch's formulas on dicts of arrays, in place.

    optimiser = Adam(lr=1e-3)
    optimiser.step(model.parameters, gradients)

An optimiser remembers arrays as large as the parameters; `state` is all of it, by name, and `load` takes it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf, sqrt
from typing import Any, ClassVar, Self

import numpy as np

from pullback.errors import DataError, OptionError, ShapeError
from pullback.kernels import twin_of

Array = np.ndarray
Arrays = dict[str, Array]


def within(number: object) -> bool:
    """From 0 up, and finite."""
    return isinstance(number, int | float | np.integer | np.floating) and bool(0 <= number < inf)


def need(good: bool, name: str, what: str, got: object) -> None:
    if not good:
        raise OptionError(f"{name} must be {what}, got {got!r}")


@dataclass(kw_only=True)
class Optimiser:
    """What all share: a learning rate, the number of steps taken, and a memory for every parameter."""

    lr: float = field(default=1e-3, kw_only=False)
    weight_decay: float = 0.0
    steps: int = field(default=0, init=False)
    memory: dict[str, Arrays] = field(default_factory=dict, init=False, repr=False)
    remembers: ClassVar[tuple[str, ...]] = ()
    # A class that has a twin says so itself, as `twin`: its name in pullback.kernels.optimisers.

    def __new__(cls, *args: Any, **options: Any) -> Self:
        if len(args) > 1:
            names = ", ".join(each.name for each in fields(cls) if each.init and each.kw_only)
            raise OptionError(f"{cls.__name__} takes lr alone by place, got {args}; give the others by name: {names}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        need(within(self.lr) and self.lr > 0, "lr", "a positive number", self.lr)
        need(within(self.weight_decay), "weight_decay", "a number from 0 up", self.weight_decay)

    def step(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Move the parameters that have a gradient, in place."""
        for name, g in gradients.items():
            if name not in parameters:
                raise OptionError(f"there is a gradient of {name}, and no parameter of that name")
            if (p := parameters[name]).shape != g.shape:
                raise ShapeError(f"the gradient of {name} is {g.shape}, and {name} itself {p.shape}")
            self.recall(name, p)
        self.steps += 1
        for name, g in gradients.items():
            self.advance(parameters[name], g, self.memory[name])

    def recall(self, name: str, p: Array) -> Arrays:
        """What is remembered of a parameter: at first zeros."""
        memory = self.memory.setdefault(name, {})
        for what in self.remembers:
            if what not in memory:
                memory[what] = np.zeros_like(p)
            elif (known := memory[what].shape) != p.shape:
                others = f"remembers a {name} of {known}, and is given one of {p.shape}"
                raise ShapeError(f"the optimizer {others}: every model needs an optimizer of its own")
        return memory

    def advance(self, p: Array, g: Array, memory: Arrays) -> None:
        """Move one parameter: compiled where it is an array of float32, in one piece."""
        module = twin_of("optimisers") if p.dtype == np.float32 and self.compiled else None
        arrays = p, g, *(memory[what] for what in self.remembers)
        if module and all(a.flags.c_contiguous and a.dtype == np.float32 for a in arrays):
            getattr(module, vars(type(self))["twin"])(self, *(a.reshape(-1) for a in arrays))
        else:
            self.move(p, g, **memory)

    @property
    def compiled(self) -> bool:
        """Is there a twin of just this class? What is derived from it moves otherwise."""
        return "twin" in vars(type(self))

    def move(self, p: Array, g: Array, **memory: Array) -> None:
        raise NotImplementedError

    @property
    def state(self) -> Arrays:
        """Everything that the next step depends on."""
        arrays = {f"{name}/{what}": a for name, kept in self.memory.items() for what, a in kept.items()}
        return {"steps": np.array(self.steps), **arrays}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over the state of an optimiser of the same kind."""
        rest = dict(state)
        memory: dict[str, Arrays] = {}
        if "steps" not in rest:
            raise DataError("this is no state of an optimiser: it does not say how many steps were taken")
        steps = int(rest.pop("steps"))
        for name, a in rest.items():
            place, _, what = name.rpartition("/")
            memory.setdefault(place, {})[what] = np.array(a)
        if any(set(kept) != set(self.remembers) for kept in memory.values()):
            raise DataError(f"this is the state of another optimiser than {type(self).__name__}")
        self.steps, self.memory = steps, memory


@dataclass(kw_only=True)
class SGD(Optimiser):
    """Stochastic gradient descent: downhill, with the momentum of earlier steps.

        g ← g + weight_decay p
        v ← momentum v + g
        p ← p - lr v                       nesterov: p - lr (g + momentum v)

    Source: Polyak (1964), Some methods of speeding up the convergence of iteration methods; Nesterov (1983).
    """

    momentum: float = 0.0
    nesterov: bool = False
    remembers: ClassVar[tuple[str, ...]] = ("v",)
    twin: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        need(within(self.momentum) and self.momentum < 1, "momentum", "a number from 0 to below 1", self.momentum)
        need(isinstance(self.nesterov, bool), "nesterov", "True or False", self.nesterov)
        if self.nesterov and not self.momentum:
            raise OptionError("nesterov needs momentum, as in SGD(0.1, momentum=0.9, nesterov=True); it is 0")

    def move(self, p: Array, g: Array, **memory: Array) -> None:
        v = memory["v"]
        if self.weight_decay:
            g = g + self.weight_decay * p
        if self.momentum:
            v *= self.momentum
            v += g
            g = g + self.momentum * v if self.nesterov else v
        p -= self.lr * g


@dataclass(kw_only=True)
class Adam(Optimiser):
    """Steps of one size for every parameter: the mean gradient over the root of the mean squared one.

        g ← g + weight_decay p
        m ← β1 m + (1 - β1) g
        v ← β2 v + (1 - β2) g²
        p ← p - lr m / (1 - β1ᵗ) / (√(v / (1 - β2ᵗ)) + eps)

    Source: Kingma & Ba (2015), Adam: a method for stochastic optimization.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    remembers: ClassVar[tuple[str, ...]] = ("m", "v")
    twin: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        two = isinstance(self.betas, tuple | list) and len(self.betas) == 2
        need(two and all(within(b) and b < 1 for b in self.betas), "betas", "two numbers from 0 to below 1", self.betas)
        need(within(self.eps), "eps", "a number from 0 up", self.eps)

    @property
    def decay(self) -> tuple[float, float]:
        """The share of a weight that is added to its gradient, and the share that is left of it before the step."""
        return self.weight_decay, 1.0

    def move(self, p: Array, g: Array, **memory: Array) -> None:
        m, v = memory["m"], memory["v"]
        added, left = self.decay
        if added:
            g = g + added * p
        p *= left
        (b1, b2), t = self.betas, self.steps
        work = np.empty_like(p)
        np.multiply(g, 1 - b1, out=work)
        m *= b1
        m += work
        np.multiply(g, g, out=work)
        work *= 1 - b2
        v *= b2
        v += work
        np.sqrt(v, out=work)
        work /= sqrt(1 - b2**t)
        work += self.eps
        np.divide(m, work, out=work)
        work *= self.lr / (1 - b1**t)
        p -= work


@dataclass(kw_only=True)
class AdamW(Adam):
    """Adam whose weights decay by themselves, not through the gradient: p ← (1 - lr weight_decay) p, then Adam's step.

    Source: Loshchilov & Hutter (2019), Decoupled weight decay regularization.
    """

    weight_decay: float = 1e-2
    twin: ClassVar[str] = "adam"

    @property
    def decay(self) -> tuple[float, float]:
        return 0.0, 1 - self.lr * self.weight_decay


OPTIMISERS: dict[str, type[Optimiser]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def make(name: str, lr: float) -> Optimiser:
    """The optimiser of that name. Without momentum, sgd is of little use to networks: it gets 0.9."""
    if name not in OPTIMISERS:
        raise OptionError(f"no optimizer {name!r}; there are {', '.join(OPTIMISERS)}")
    return SGD(lr, momentum=0.9) if name == "sgd" else OPTIMISERS[name](lr)
