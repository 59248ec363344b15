"""What a run was begun with: all that is needed, beside the weights, to go on with it or to use it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from pullback.errors import DataError, OptionError
from pullback.nn import files
from pullback.nn.model import Model
from pullback.nn.modelfile import build_model
from pullback.train import models
from pullback.train.data import Scaling
from pullback.train.optimisers import OPTIMISERS
from pullback.train.task import Task

EPOCHS = {"digits": 30, "mnist5k": 14, "text": 6}  # and 20 for data that we do not know
RATES = {"sgd": 0.05, "adam": 2e-3, "adamw": 2e-3}
TEXT_RATES = RATES | {"adam": 5e-3, "adamw": 5e-3}
BATCH = 32
Chosen = Mapping[str, Any]  # options by name; None: not given


@dataclass(frozen=True)
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
        return replace(self, epochs=chosen.get("epochs") or self.epochs)


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
    files.write(path, (json.dumps(asdict(config), indent=2) + "\n").encode())


def read(path: Path) -> Config:
    try:
        found = json.loads(files.read(path))
        values = {field.name: checked(found, field.name, field.type) for field in fields(Config)}
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged, or no configuration of a run: {error}") from None
    return Config(**values)


def checked(found: dict[str, Any], name: str, kind: Any) -> Any:
    """A value of the type that the field says; JSON writes 1.0 as it was, but people write 1."""
    value = found[name]
    sample = kind(value) if kind in (int, float, str) else value
    items = {"list[int]": int, "list[str]": str, "list[float]": float}.get(str(kind))
    if sample != value or items and not all(isinstance(item, items) for item in value):
        raise ValueError(f"{name} is {value!r}")
    return value
