"""The same dice for every call: a layer that draws a mask must draw it again when it runs a second time."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SEED = 0


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
