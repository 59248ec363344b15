"""Loops of a stranger's code that tell how many turns they have."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pullback.check.steps.watched import Noted

RANGE = "range"  # the name of such a step


@contextmanager
def ranging(noted: Noted, scopes: Mapping[str, dict[str, Any]]) -> Iterator[None]:
    """In modules, given by their global names, that have no range of their own, it is one that is noted."""
    own = [scope for scope in scopes.values() if RANGE not in scope]
    try:
        for scope in own:
            scope[RANGE] = lambda *numbers: noted(RANGE, range, numbers)
        yield
    finally:
        for scope in own:
            scope.pop(RANGE, None)
