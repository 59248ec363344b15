"""What a run says about new examples, or how it continues a text."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from pullback.train import text
from pullback.train.data import names, read_inputs
from pullback.train.data.labels import on_one_line
from pullback.train.runs import Run

LENGTH = 400  # characters that a text is continued by


class Prediction(NamedTuple):
    """The likeliest class, and its probability."""

    label: str
    probability: float


def predict(run: Run, inputs: str) -> list[Prediction]:
    """One for every example in a file."""
    config = run.config
    x = read_inputs(inputs, tuple(config.shape), tuple(config.features))
    p = run.probabilities(x)
    return [Prediction(config.classes[k], float(row[k])) for k, row in zip(p.argmax(-1), p)]


def proceed(run: Run, start: str) -> str:
    """How the run would go on with a text."""
    config = run.config
    return text.sample(run.trained(), "".join(config.classes), start, LENGTH, config.seed)


def lines(folder: str, inputs: str) -> Iterator[str]:
    """Either of them, to print: a class and its probability a line, of a folder with the file's name; or the text."""
    run = Run(folder)
    if run.config.reads_text:
        yield inputs + proceed(run, inputs)
        return
    found = predict(run, inputs)
    labels = [on_one_line(p.label) for p in found]
    width = max(map(len, labels), default=0)
    for label, p, name in zip_longest(labels, found, names(inputs)):
        yield f"{label:<{width}}  {p.probability:.4f}" + (f"  {on_one_line(name)}" if name else "")
