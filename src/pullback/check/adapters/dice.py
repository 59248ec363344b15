"""The same dice for every run: a layer that draws a mask must draw it again when it runs a second time."""

import pickle
import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

SEED = 0


class Dice:
    """`with dice():` around a run. Whether they are thrown at all is seen in the first ones, `with dice.watched():`."""

    def __init__(self) -> None:
        self.thrown = False

    def __call__(self) -> AbstractContextManager[None]:
        return same_dice() if self.thrown else nullcontext()

    @contextmanager
    def watched(self) -> Iterator[None]:
        with same_dice():
            before = states()
            try:
                yield
            finally:
                self.thrown = self.thrown or states() != before


@contextmanager
def same_dice() -> Iterator[None]:
    """All global generators start from one seed inside, and go on as if nothing had been drawn after it."""
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()
    state = torch.random.get_rng_state() if torch else None
    random.seed(SEED), np.random.seed(SEED)
    if torch:
        torch.manual_seed(SEED)
    try:
        yield
    finally:
        random.setstate(python), np.random.set_state(numpy)
        if torch:
            torch.random.set_rng_state(state)


def states() -> tuple[Any, ...]:
    """Of all global generators, to be compared."""
    torch = sys.modules.get("torch")
    tensors = torch.random.get_rng_state().numpy().tobytes() if torch else b""
    return random.getstate(), pickle.dumps(np.random.get_state()), tensors
