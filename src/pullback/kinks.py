"""Kinks: where a function has no derivative it has a set of them, and a word picks one.

The set is what lies between the derivatives just beside the place, `left` and `right`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

CHOICES: dict[str, Callable[[Any, Any], Any]] = {
    "right": lambda left, right: right,
    "left": lambda left, right: left,
    "mean": lambda left, right: (left + right) / 2,
    "min_norm": lambda left, right: np.clip(0, min(left, right), max(left, right)),
    "max_norm": lambda left, right: max(left, right, key=abs),
}
FRAMEWORKS = "torch", "jax", "tf"
WORDS = *CHOICES, *FRAMEWORKS


def choose(word: str, left: Any, right: Any, **frameworks: str) -> Any:
    """The element of the set that `word` picks; `frameworks` translate the names of libraries into choices."""
    return CHOICES[frameworks.get(word, word)](left, right)
