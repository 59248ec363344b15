"""Where a step is run: the name of its operation, and code and instruction of all calls, from the innermost."""

from typing import Any

Place = tuple[Any, ...]


def is_step(place: Place) -> bool:
    """Or is it what comes before all steps, or after them?"""
    return len(place) > 2
