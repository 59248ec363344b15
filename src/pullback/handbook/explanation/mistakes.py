"""Common mistakes: what a backward with a known fault would give at the reader's numbers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pullback.handbook.words import texts


class Mistake(NamedTuple):
    name: str
    says: str
    gradients: dict[str, np.ndarray]  # those that come out wrong, by name


def mistakes(right: Mapping[str, np.ndarray], above: np.ndarray | None, lang: str) -> list[Mistake]:
    """Each known fault that makes a difference here, with the gradients that it gets wrong."""
    found = []
    for name, (says, spoil, _) in faults().items():
        with np.errstate(all="ignore"):
            spoiled = {g: spoil(value, value if above is None else above) for g, value in right.items()}
        wrong = {g: value for g, value in spoiled.items() if differs(value, right[g])}
        if wrong:
            found.append(Mistake(name, translated(name, says, lang), wrong))
    return found


def faults() -> dict[str, Any]:
    """The table of `check`: name -> what is wrong in a sentence, and a function of the gradient and what is above."""
    from pullback.check.faults import FAULTS

    return FAULTS


def translated(name: str, says: str, lang: str) -> str:
    known = texts().get(f"faults.{name}")
    return known[lang] if known and lang != "en" else says


def differs(one: Any, other: Any) -> bool:
    return np.shape(one) != np.shape(other) or not np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)
