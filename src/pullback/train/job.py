"""What `pullback train` does, from the data to the picture."""

import shlex
from contextlib import AbstractContextManager, nullcontext
from math import ceil
from typing import Any

from rich.console import Console

from pullback.errors import OptionError, PullbackError
from pullback.kernels import twin_of
from pullback.nn.model import Model
from pullback.train import config as configs
from pullback.train import report, runs, text
from pullback.train.config import Config
from pullback.train.data import load
from pullback.train.loop import Epoch, one_epoch, predictions
from pullback.train.optimisers import Optimiser, make
from pullback.train.runs import Run
from pullback.train.sight import refuse_cheats
from pullback.train.task import Task, confusion, prepare, sizes
from pullback.train.verify import verify

CHECKED = 32  # examples that the derivatives are checked at
NUMBERS = 2**17  # that they may hold in all: fewer examples do if they are large
WINDOWS = 4  # of a text
SAMPLE = 400  # characters of new text


class WrongDerivative(PullbackError):
    """The backward of a layer is not its derivative: there is no sense in training."""

    exit_code = 1


class Stopped(PullbackError):
    """By Ctrl-C. The last checkpoint stays."""

    exit_code = 130


def train(data: str, console: Console, resume: bool = False, out: str | None = None, **chosen: Any) -> Run:
    """Begin a run, or go on with one, and tell the console about it. Options that are None have not been chosen."""
    run = runs.newest(data, out) if resume else runs.fresh(data, out)
    config = run.config.extended(chosen) if resume else None
    seed = config.seed if config else chosen.get("seed") or 0
    task = prepare(load(data, config.target if config else chosen.get("target")), seed)
    if config:
        config.refuse_other(task)
    else:
        config = configs.begin(task, chosen)
    console.print(f"{task.source}\n{sizes(task)}\n", markup=False)

    model, optimiser = config.build(chosen.get("model") or "the model"), make(config.optimizer, config.lr)
    history = run.restore(model, optimiser) if resume else []
    if len(history) >= config.epochs:
        done = "epoch" if len(history) == 1 else f"{len(history)} epochs"
        raise OptionError(f"{run.folder} has done its {done}; --epochs says to how many it shall go on")
    with compiling(console):
        names = introduce(model, task, console)

    run.begin(config)
    if not resume:
        run.save(model, optimiser, history, names)
    try:
        learn(run, config, task, model, optimiser, history, names, console)
    except KeyboardInterrupt:
        raise Stopped(stopped(run, data, config, out)) from None
    conclude(model, task, history[-1], config.seed, console)
    console.print(
        f"\nWritten to {run.folder}: weights.safetensors, history.jsonl, picture.svg; and, for predict and --resume, "
        "config.json, checkpoint.safetensors",
        markup=False,
        soft_wrap=True,
    )
    return run


def compiling(console: Console) -> AbstractContextManager[None]:
    """The console hears of it when kernels are compiled: on a machine's first run."""
    module = twin_of("compiled")
    said = "Compiling kernels for this machine: this takes some twenty seconds, once.\n"
    return module.announced(lambda: console.print(said)) if module else nullcontext()


def introduce(model: Model, task: Task, console: Console) -> dict[str, str]:
    """Show the network, check its derivatives; return what the layers that learn are called."""
    some = WINDOWS if task.reads_text else max(2, min(CHECKED, NUMBERS // task.train.x[0].size))
    x, t = task.train.x[:some], task.train.t[:some]
    refuse_cheats(model, x, task.reads_text)
    rows = model.describe(x)
    console.print(report.network(rows))
    found = verify(model, x, t)
    console.print(report.verdicts(found, len(x)))
    if wrong := [v for v in found if v.says == "wrong"]:
        layer = f"{wrong[0].layer} ({wrong[0].kind})"
        raise WrongDerivative(f"the derivative of layer {layer} is wrong: {wrong[0].why}; nothing is trained")
    return {row.name: f"{row.name} {row.kind}" for row in rows}


def learn(
    run: Run, config: Config, task: Task, model: Model, optimiser: Optimiser,
    history: list[Epoch], names: dict[str, str], console: Console,
) -> None:  # fmt: skip
    """Epoch by epoch, with a checkpoint after each."""
    todo = range(len(history) + 1, config.epochs + 1)
    with report.progress(console, len(todo) * ceil(len(task.train.t) / config.batch)) as (tick, tell):
        for number in todo:
            epoch = one_epoch(
                model, task.train, task.test, optimiser, number, batch=config.batch, seed=config.seed, tick=tick
            )
            history.append(epoch)
            run.save(model, optimiser, history, names)
            tell(report.line(epoch, config.epochs))


def conclude(model: Model, task: Task, last: Epoch, seed: int, console: Console) -> None:
    """What the network can do, on data that it has not learned from."""
    assert last.accuracy is not None and last.test_loss is not None, "there is a test part"
    if task.reads_text:
        console.print(f"\nHeld out: {report.bits(last.test_loss)}; {last.accuracy:.2%} of the next characters right.")
        alphabet = "".join(task.classes)
        start = alphabet[0] if "\n" not in alphabet else "\n"
        new = text.sample(model, alphabet, start, SAMPLE, seed)
        console.print(f"A sample:\n\n{new}", markup=False, soft_wrap=True)
        return
    found = predictions(model, task.test.x).argmax(-1)
    right, total = int((found == task.test.t).sum()), len(found)
    console.print(f"\nHeld out: {right} of {total} right ({right / total:.2%}).\n")
    console.print(report.confusion(confusion(task, found), task.classes))


def stopped(run: Run, data: str, config: Config, out: str | None) -> str:
    """What to do next."""
    again = shlex.join(["pullback", "train", data, "--resume", *(["--out", out] if out else [])])
    return f"stopped; {run.folder} holds {run.epochs()} of {config.epochs} epochs; to go on: {again}"
