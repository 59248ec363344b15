"""What readers make of a file: examples with their classes, or a text."""

from typing import NamedTuple

import numpy as np


class Dataset(NamedTuple):
    """Examples and their classes."""

    name: str
    x: np.ndarray  # float32: images [n c h w] between 0 and 1, or rows of features [n f]
    t: np.ndarray  # int64 [n]: the number of each example's class
    classes: tuple[str, ...]
    source: str  # where the data come from, and under which licence
    held_out: np.ndarray | None = None  # rows that belong to an official test set
    features: tuple[str, ...] = ()  # what a table calls its columns


class Text(NamedTuple):
    """A text as numbers: `alphabet[codes[i]]` is its i-th character."""

    name: str
    codes: np.ndarray  # int64
    alphabet: str
    source: str
