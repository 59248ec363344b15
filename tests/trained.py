"""What the tests of training share: data, and short runs."""

import io

import numpy as np
from rich.console import Console

from pullback import train
from pullback.train import job
from pullback.train.loop import Epoch

DIGITS = train.load("digits")
FEW = DIGITS._replace(x=DIGITS.x[:300], t=DIGITS.t[:300])
POEM = train.Text("poem", np.arange(2000) % 7, "\nabcdef", "made up")


def work(tmp_path, data="digits", **options):
    """What the console said."""
    console = Console(file=io.StringIO(), width=100)
    run = job.train(data, console, out=str(tmp_path / options.pop("name", "run")), **options)
    return run, console.file.getvalue()


def history(epochs, layers=3):
    norms = lambda k: {str(n): 10.0 ** (n - k / 20) for n in range(layers)}
    return [Epoch(k + 1, 2 / (k + 1), 2.5 / (k + 1), 0.9, norms(k), 0.1) for k in range(epochs)]
