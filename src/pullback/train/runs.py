"""A run is a folder; this is what stands in it. Every file is written whole or not at all.

config.json              what it was begun with
weights.safetensors      the parameters, named as PyTorch would
checkpoint.safetensors   parameters, optimiser and epoch, written last: it is what a run goes on from
history.jsonl            one line an epoch
picture.svg              the same to look at
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import repr as brief
from typing import get_type_hints

import numpy as np

import pullback.files as files
from pullback import nn
from pullback.discovery import public
from pullback.errors import DataError
from pullback.nn.model import Model
from pullback.train import config as configs
from pullback.train.config import Config
from pullback.train.fields import fields
from pullback.train.loop import Epoch, predictions
from pullback.train.optimisers import Optimiser
from pullback.train.picture import picture

HOME = Path("runs")
RECORDED = get_type_hints(Epoch) | {"test_loss": float, "accuracy": float}  # a run always has a test part


class Run:
    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def begin(self, config: Config) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        configs.write(config, self.folder / "config.json")

    @property
    def config(self) -> Config:
        if not self.folder.is_dir():
            raise DataError(f"no such run: {self.folder}{others(self.folder)}")
        return configs.read(self.folder / "config.json")

    def trained(self) -> Model:
        """The network with the weights of its last epoch."""
        model = self.config.build()
        path = self.folder / "weights.safetensors"
        take(model, nn.load_weights(path), path)
        return model

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Of every class, for every example: [examples classes]. Rows of a table stand as in its file: they are scaled
        as in training."""
        scaling = self.config.scaling
        scores = predictions(self.trained(), scaling.apply(x) if scaling else x)
        return np.asarray(public("softmax")(scores))

    def save(self, model: Model, optimiser: Optimiser, history: Sequence[Epoch], names: Mapping[str, str]) -> None:
        """The checkpoint last: if anything before it fails, the run goes on from the one before."""
        if history:
            lines = (json.dumps(epoch._asdict()) + "\n" for epoch in history)
            files.write(self.folder / "history.jsonl", "".join(lines).encode())
            files.write(self.folder / "picture.svg", picture(history, self.folder.name, names).encode())
        nn.save(model, self.folder / "weights.safetensors")
        nn.save(
            {
                **{f"model/{name}": p for name, p in model.parameters.items()},
                **{f"optimiser/{name}": a for name, a in optimiser.state.items()},
                "epoch": np.array(len(history)),
            },
            self.folder / "checkpoint.safetensors",
        )

    def restore(self, model: Model, optimiser: Optimiser) -> list[Epoch]:
        """Put model and optimiser where they were; return what has happened so far."""
        found, path = self.checkpoint(), self.folder / "checkpoint.safetensors"
        part = lambda head: {name.removeprefix(head): a for name, a in found.items() if name.startswith(head)}
        take(model, part("model/"), path)
        check_memory(part("optimiser/"), model, optimiser, path)
        optimiser.load(part("optimiser/"))
        return self.history(int(found["epoch"]))

    def epochs(self) -> int:
        """How many are done."""
        return int(self.checkpoint()["epoch"])

    def checkpoint(self) -> dict[str, np.ndarray]:
        path = self.folder / "checkpoint.safetensors"
        found = nn.load_weights(path)
        if "epoch" not in found or "optimiser/steps" not in found:
            raise DataError(f"{path} is no checkpoint of pullback")
        for name in ("epoch", "optimiser/steps"):
            if not (found[name].shape == () and found[name].dtype.kind in "iu" and found[name] >= 0):
                raise DataError(f"{path} is damaged: {name} is {brief(found[name].tolist())}, needs a number from 0")
        return found

    def history(self, epochs: int) -> list[Epoch]:
        """The first epochs. There may be one more: the history is written before the checkpoint."""
        path = self.folder / "history.jsonl"
        lines = files.read(path).decode("utf-8", "replace").splitlines() if epochs else []
        found = [epoch_of(line, k + 1, path) for k, line in enumerate(lines[:epochs])]
        if len(found) < epochs:
            raise DataError(f"{path} is damaged: it has {len(found)} epochs of {epochs}")
        if len({tuple(epoch.gradients) for epoch in found}) > 1:
            raise DataError(f"{path} is damaged: its epochs have gradients of different layers")
        return found


def epoch_of(line: str, number: int, path: Path) -> Epoch:
    try:
        epoch = Epoch(**fields(line, RECORDED))
    except ValueError as error:
        raise DataError(f"{path} is damaged: line {number}: {error}") from None
    if epoch.epoch != number:
        raise DataError(f"{path} is damaged: line {number}: epoch is {epoch.epoch}")
    if not epoch.gradients or min(epoch.gradients.values()) < 0:
        raise DataError(f"{path} is damaged: line {number}: gradients is {brief(epoch.gradients)}")
    return epoch


def take(model: Model, weights: Mapping[str, np.ndarray], path: Path) -> None:
    check_finite(weights, path)
    try:
        model.load(weights)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} does not fit the network: {error}") from None


def check_finite(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    if wrong := [name for name, a in arrays.items() if not np.isfinite(a).all()]:
        raise DataError(f"{path} is damaged: {wrong[0]} holds numbers that are not finite")


def check_memory(state: Mapping[str, np.ndarray], model: Model, optimiser: Optimiser, path: Path) -> None:
    """Every array that an optimiser remembers is like its parameter; after the first step there is one for each."""
    check_finite(state, path)
    kept = {name: a for name, a in state.items() if name != "steps"}
    for name, a in kept.items():
        place, _, what = name.rpartition("/")
        p = model.parameters.get(place)
        if p is None or what not in optimiser.remembers:
            raise DataError(f"{path} is damaged: {type(optimiser).__name__} remembers no {name}")
        if (a.shape, a.dtype) != (p.shape, p.dtype):
            raise DataError(f"{path} is damaged: {name} is {a.dtype} {a.shape}, needs {p.dtype} {p.shape}")
    learned = model.trainable if state["steps"] else ()
    if missing := [f"{p}/{what}" for p in learned for what in optimiser.remembers if f"{p}/{what}" not in kept]:
        raise DataError(f"{path} is damaged: it has no {missing[0]}")


# Where runs are.


def name_of(data: str) -> str:
    """digits, flowers of flowers.csv, photos of photos/."""
    return Path(data).resolve().name.partition(".")[0] or "data" if data not in ("", ".") else Path.cwd().name


def numbered(data: str) -> list[int]:
    """The numbers of the runs of these data; runs/digits is number 1, runs/digits-2 is number 2."""
    pattern = re.compile(re.escape(name_of(data)) + r"(?:-(\d+))?")
    folders = HOME.iterdir() if HOME.is_dir() else ()
    return sorted(int(found[1] or 1) for folder in folders if (found := pattern.fullmatch(folder.name)))


def place(data: str, number: int) -> Path:
    return HOME / (name_of(data) + (f"-{number}" if number > 1 else ""))


def fresh(data: str, out: str | None) -> Run:
    """A folder that holds no run yet: nothing is ever overwritten."""
    if out is None:
        return Run(place(data, max(numbered(data), default=0) + 1))
    if (Path(out) / "config.json").exists():
        raise DataError(f"{out} holds a run already; --resume goes on with it, another --out begins a new one")
    return Run(out)


def newest(data: str, out: str | None) -> Run:
    if out is not None:
        return Run(out)
    if not (numbers := numbered(data)):
        raise DataError(f"there is no run of {data} under {HOME}/ to resume")
    return Run(place(data, numbers[-1]))


def others(folder: Path) -> str:
    """The end of a sentence: what runs there are."""
    known = sorted(str(path.parent) for path in folder.parent.glob("*/config.json")) if folder.parent.is_dir() else []
    return f"; there are {', '.join(known)}" if known else ""
