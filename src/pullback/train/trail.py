"""The gradient's way back through a network, from the loss to the first layer, on one example."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pullback.discovery import public
from pullback.errors import DataError, OptionError
from pullback.linearization import as_tuple
from pullback.nn.derivative import Walk
from pullback.nn.model import Model
from pullback.rule import Rule
from pullback.train import config as configs
from pullback.train.data import load
from pullback.train.runs import Run
from pullback.train.task import Task, prepare

PREDICTING = {"Dropout": public("identity")}  # what a layer does then, if that is not what it does in training


class Step(NamedTuple):
    """A layer, and the gradient that leaves it towards the input."""

    name: str
    kind: str
    rule: Rule | None  # None: a nest of layers, such as Residual
    norm: float | None  # None: what it reads has no derivative, as characters of a text
    arrives: float  # the norm of the gradient that comes from above
    zeros: float  # the share of elements that are 0
    own: dict[str, float]  # the norms of the gradients of its parameters
    times: list[float]  # of a layer that reads a sequence, the norm at every step of time

    @property
    def factor(self) -> float | None:
        """By how much the layer makes the gradient longer."""
        return None if self.norm is None or not self.arrives else self.norm / self.arrives


class Trail(NamedTuple):
    """What was traced: the loss first, then the layers, from the last to the first."""

    source: str
    example: int
    target: str
    loss: float
    steps: list[Step]


def trace(
    source: str, data: str | None = None, example: int = 0, target: str | None = None, seed: int | None = None
) -> Trail:
    """The trail of a held-out example through a run, or through a model (a name, or a file) before it has learned."""
    run = Run(source) if Path(source).is_dir() else None
    if run and (own := [f"--{name}" for name, said in {"target": target, "seed": seed}.items() if said is not None]):
        raise OptionError(f"{source} has its own {' and '.join(own)}; these are for a model that has not learned")
    task, model = of_run(run, data) if run else of_model(source, data, target, seed or 0)
    count = len(task.test.t)
    if not 0 <= example < count:
        raise OptionError(f"--example must lie in 0 .. {count - 1}, the held-out examples; got {example}")
    x, t = task.test.x[example : example + 1], task.test.t[example : example + 1]
    said = "".join(task.classes[int(k)] for k in t.reshape(-1))
    loss, steps = walked(model, x, t)
    return Trail(source, example, said, loss, steps)


def of_run(run: Run, data: str | None) -> tuple[Task, Model]:
    config = run.config
    try:
        task = prepare(load(data or config.data, config.target), config.seed)
    except DataError:
        if data is not None:
            raise
        raise DataError(f"say which data {run.folder} learned from, as in pullback trace {run.folder} FILE") from None
    config.refuse_other(task)
    return task, run.trained()


def of_model(source: str, data: str | None, target: str | None, seed: int) -> tuple[Task, Model]:
    if data is None:
        raise DataError(f"{source} is no folder of a run; of a model say on which data: pullback trace {source} digits")
    task = prepare(load(data, target), seed)
    return task, configs.begin(task, {"model": source, "seed": seed}).build(source)


def walked(model: Model, x: np.ndarray, t: np.ndarray) -> tuple[float, list[Step]]:
    """The loss at one example, in float64, and all steps back from it. Layers do what they do when they predict."""
    model = model.astype(np.float64)
    x = x.astype(np.float64) if x.dtype.kind == "f" else x
    with np.errstate(all="ignore"):  # what is not finite is told
        scores, at = model.linearize(x)
        rule = public("cross_entropy")
        loss, after = rule.linearize(scores.reshape(-1, scores.shape[-1]), t.reshape(-1))
        (gy, _, _) = after.vjp(1.0)
        first = Step("loss", "cross_entropy", after.rule, norm(gy), 1.0, zeros(gy), {}, [])
        rules = {name: (layer.kind, PREDICTING.get(layer.kind, layer.rule)) for name, layer in model.leaves()}
        steps = list(follow(at.walk(gy.reshape(scores.shape)), rules, first))
    return float(loss), steps


def follow(walk: Walk, rules: dict[str, tuple[str, Rule]], first: Step) -> Iterator[Step]:
    """A step for every layer of a walk. A nest is met behind the layers inside it, and what came to them came to it."""
    yield first
    before = first.norm or 0.0
    begun: dict[str, float] = {}  # what came to a nest
    for name, g, own in walk:
        kind, rule = rules.get(name, ("Residual", None))
        for nest in nests(name):
            begun.setdefault(nest, before)
        arrives = before if rule else begun.get(name, before)
        norms = {full.removeprefix(f"{name}."): float(np.linalg.norm(a)) for full, a in own.items()}
        left = None if g is None else norm(g)
        yield Step(name, kind, rule, left, arrives, 0.0 if g is None else zeros(g), norms, over_time(rule, g))
        before = left or 0.0


def nests(name: str) -> list[str]:
    """The places that a layer lies in: of 2.fn.0 these are 2.fn and 2."""
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def over_time(rule: Rule | None, g: np.ndarray | None) -> list[float]:
    """The norms of the gradient at every step of time, where a layer has any."""
    if rule is None or g is None or g.ndim != 3 or "batch_first" not in rule.options:
        return []
    return [float(np.linalg.norm(part)) for part in (g[0] if rule.options["batch_first"] else g[:, 0])]


def norm(g: np.ndarray) -> float:
    return float(np.linalg.norm(as_tuple(g)[0]))


def zeros(g: np.ndarray) -> float:
    return float(np.mean(g == 0)) if g.size else 0.0
