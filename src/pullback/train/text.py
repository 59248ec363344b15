"""Texts: windows to learn from, and new text out of a model that gives a score to every next character."""

import numpy as np

from pullback.errors import DataError
from pullback.nn.model import Model
from pullback.train.data import Dataset, Text

STEPS = 64  # characters that are read in a row
HELD_OUT = 10  # one part in so many: the end of the text


def parts(text: Text) -> tuple[Dataset, Dataset]:
    """Windows of the beginning, to train on, and of the end, to test on."""
    end = len(text.codes) - len(text.codes) // HELD_OUT
    return windows(text, text.codes[:end]), windows(text, text.codes[end:])


def windows(text: Text, codes: np.ndarray) -> Dataset:
    """Examples of STEPS characters, one behind the other; the target of each character is the one that follows."""
    count = (len(codes) - 1) // STEPS
    if count < 1:
        needs = HELD_OUT * (STEPS + 1)
        raise DataError(f"{text.name}: {len(text.codes)} characters are too few; needs {needs} or more")
    x, t = (codes[k : k + count * STEPS].reshape(count, STEPS) for k in (0, 1))
    return Dataset(text.name, x, t, tuple(text.alphabet), text.source)


def sample(model: Model, alphabet: str, start: str, length: int, seed: int = 0) -> str:
    """Continue `start` by `length` characters, each drawn with the probability that the model gives it."""
    codes = encoded(start, alphabet)
    rng = np.random.default_rng(seed)
    for _ in range(length):
        scores = model(np.array([codes[-STEPS:]]))[0, -1].astype(float)
        p = np.exp(scores - scores.max())
        codes.append(int(rng.choice(len(p), p=p / p.sum())))
    return "".join(alphabet[code] for code in codes[len(start) :])


def encoded(text: str, alphabet: str) -> list[int]:
    if not text:
        raise DataError("there is no text to continue: give one character or more")
    if strange := sorted(set(text) - set(alphabet)):
        raise DataError(f"the model has never met {' '.join(map(repr, strange))}; leave that out")
    return [alphabet.index(letter) for letter in text]
