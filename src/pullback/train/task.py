"""What is to be learned: a training part and a test part, as the network will see them."""

from hashlib import sha256
from typing import NamedTuple

import numpy as np

from pullback.train import text
from pullback.train.data import Dataset, Scaling, Text, split


class Task(NamedTuple):
    name: str
    source: str
    train: Dataset
    test: Dataset
    shape: tuple[int, ...]  # of one example; a text has none, it is read one character at a time
    scaling: Scaling | None  # of features; images are on one scale already

    @property
    def classes(self) -> tuple[str, ...]:
        return self.train.classes

    @property
    def reads_text(self) -> bool:
        return not self.shape

    @property
    def digest(self) -> str:
        """Tells whether data are the same, to the last bit."""
        found = sha256()
        for part in (self.train, self.test):
            found.update(part.x.tobytes() + part.t.tobytes())
        return found.hexdigest()


def prepare(data: Dataset | Text, seed: int) -> Task:
    if isinstance(data, Text):
        return Task(data.name, data.source, *text.parts(data), (), None)
    train, test = split(data, seed)
    scaling = Scaling.fit(train.x) if train.x.ndim == 2 else None
    if scaling:
        train, test = (part._replace(x=scaling.apply(part.x)) for part in (train, test))
    return Task(data.name, data.source, train, test, data.x.shape[1:], scaling)


def sizes(task: Task) -> str:
    """How much there is to learn from, in a sentence."""
    train, test = len(task.train.t), len(task.test.t)
    if task.reads_text:
        letters = f"{len(task.classes)} different characters"
        return f"{task.train.t.size:,} characters to train on, the last {task.test.t.size:,} held out; {letters}."
    return f"{train:,} examples to train on, {test:,} held out; {len(task.classes)} classes."


def confusion(task: Task, found: np.ndarray) -> np.ndarray:
    """How many test examples of each class (row) were taken for which (column)."""
    counts = np.zeros((len(task.classes),) * 2, int)
    np.add.at(counts, (task.test.t, found), 1)
    return counts
