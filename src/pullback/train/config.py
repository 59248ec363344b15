"""What a run was begun with: all that is needed, beside the weights, to go on with it or to use it."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from math import isfinite, prod
from pathlib import Path
from reprlib import repr as brief
from typing import Any

import numpy as np

import pullback.files as files
from pullback.errors import DataError, OptionError
from pullback.nn.model import Model
from pullback.nn.modelfile import build_model
from pullback.train import models
from pullback.train.data import Scaling
from pullback.train.fields import fields
from pullback.train.optimisers import OPTIMISERS
from pullback.train.task import Task

EPOCHS = {"digits": 30, "mnist5k": 14, "text": 6}  # and 20 for data that we do not know
RATES = {"sgd": 0.05, "adam": 2e-3, "adamw": 2e-3}
TEXT_RATES = RATES | {"adam": 5e-3, "adamw": 5e-3}
BATCH = 32
LARGEST = 2**31  # of epochs, and of numbers in an example
Chosen = Mapping[str, Any]  # options by name; None: not given


@dataclasses.dataclass(frozen=True)
class Config:
    """`model` is the TOML text of the network; `mean` and `deviation` scale features (images: none)."""

    data: str
    digest: str
    shape: list[int]
    classes: list[str]
    features: list[str]
    mean: list[float]
    deviation: list[float]
    model: str
    optimizer: str
    lr: float
    batch: int
    epochs: int
    seed: int
    target: str | None = None

    @property
    def reads_text(self) -> bool:
        return not self.shape

    @property
    def scaling(self) -> Scaling | None:
        return Scaling(np.array(self.mean, "f4"), np.array(self.deviation, "f4")) if self.mean else None

    def build(self, source: str = "the model") -> Model:
        """The network with its first weights, which follow from the seed; `source` names it in messages."""
        tokens = len(self.classes) if self.reads_text else None
        return build_model(self.model, tuple(self.shape), len(self.classes), tokens, self.seed, source)

    def refuse_other(self, task: Task) -> None:
        if task.digest != self.digest:
            raise DataError(f"{task.name}: not the data that the run was begun with; train anew, without --resume")

    def extended(self, chosen: Chosen) -> "Config":
        """The same with more epochs; nothing else may change, or the result would be another."""
        for name, value in chosen.items():
            value = models.network(value, tuple(self.shape)) if name == "model" and value else value
            if value is not None and name != "epochs" and value != getattr(self, name):
                raise OptionError(f"--resume goes on as the run was begun; --{name} cannot be changed")
        return dataclasses.replace(self, epochs=chosen.get("epochs") or self.epochs)


def begin(task: Task, chosen: Chosen) -> Config:
    """What was chosen, and for the rest what suits the data."""
    given = {name: value for name, value in chosen.items() if value is not None}
    optimizer = given.get("optimizer", "adam")
    n = len(task.train.t)
    config = Config(
        data=task.name,
        digest=task.digest,
        shape=list(task.shape),
        classes=list(task.classes),
        features=list(task.train.features),
        mean=task.scaling.mean.tolist() if task.scaling else [],
        deviation=task.scaling.deviation.tolist() if task.scaling else [],
        model=models.network(given.get("model"), task.shape),
        optimizer=optimizer,
        lr=given.get("lr", (TEXT_RATES if task.reads_text else RATES).get(optimizer, 0.0)),
        batch=given.get("batch", min(BATCH, n)),
        epochs=given.get("epochs", EPOCHS.get(task.name, 20)),
        seed=given.get("seed", 0),
        target=given.get("target"),
    )
    refuse_senseless(config, n)
    return config


def refuse_senseless(config: Config, n: int) -> None:
    if config.optimizer not in OPTIMISERS:
        raise OptionError(f"no optimizer {config.optimizer!r}; there are {', '.join(OPTIMISERS)}")
    if not (config.lr > 0 and isfinite(config.lr)):
        raise OptionError(f"--lr must be a positive number, got {config.lr}")
    if not 1 <= config.batch <= n:
        raise OptionError(f"--batch must be between 1 and {n}, the number of training examples; got {config.batch}")
    if config.epochs < 1:
        raise OptionError(f"--epochs must be 1 or more, got {config.epochs}")
    if config.seed < 0:
        raise OptionError(f"--seed must be 0 or more, got {config.seed}")


def write(config: Config, path: Path) -> None:
    files.write(path, (json.dumps(dataclasses.asdict(config), indent=2) + "\n").encode())


def read(path: Path) -> Config:
    try:
        config = Config(**fields(files.read(path), {field.name: field.type for field in dataclasses.fields(Config)}))
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path} is damaged, or no configuration of a run: {error}") from None
    for name, makes_sense in SENSE.items():
        if not makes_sense(config):
            raise DataError(f"{path} is damaged: {name} is {brief(getattr(config, name))}")
    return config


def single(numbers: list[float]) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.array(numbers, "f8").astype("f4")


SENSE: dict[str, Callable[[Config], bool]] = {
    "shape": lambda c: len(c.shape) in models.TAKES and all(n > 0 for n in c.shape) and prod(c.shape) < LARGEST,
    "classes": lambda c: (
        len({*c.classes}) == len(c.classes) > 1 and (not c.reads_text or {*map(len, c.classes)} == {1})
    ),
    "features": lambda c: not c.features or [len(c.features)] == c.shape,
    "mean": lambda c: (not c.mean or [len(c.mean)] == c.shape) and bool(np.isfinite(single(c.mean)).all()),
    "deviation": lambda c: len(c.deviation) == len(c.mean) and bool((single(c.deviation) > 0).all()),
    "optimizer": lambda c: c.optimizer in OPTIMISERS,
    "lr": lambda c: c.lr > 0,
    "batch": lambda c: c.batch > 0,
    "epochs": lambda c: 0 < c.epochs < LARGEST,
    "seed": lambda c: c.seed >= 0,
}  # what a field must be, beside its type
