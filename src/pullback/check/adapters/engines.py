"""Engines that add up gradients in the nodes of a graph: over one graph they go back once, and a second time adds to
what the nodes between inputs and output have got. Nobody takes that for a fault of theirs."""

from collections.abc import Iterator
from numbers import Number
from typing import Any

import numpy as np

from pullback.check.adapters.handing import DEPTH, Way, contents
from pullback.check.adapters.holders import GRADIENT

Kept = dict[Way, Any]


def kept(value: Any) -> Kept:
    """All numbers that forward has left, as they are now."""
    return {way: np.array(number) for way, number in numbers(value)}


def numbers(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    if isinstance(value, (Number, np.ndarray)):
        yield way, value
    elif len(way) < DEPTH:
        for key, each in contents(value):
            yield from numbers(each, (*way, key))


def gradients_alone_moved(before: Kept, after: Kept) -> bool:
    """Has a backward written to gradients of what it was given, and to nothing else?"""
    same = lambda way: way in before and np.array_equal(before[way], after[way])
    moved = [way for way in after if not same(way)]
    return bool(moved) and all(map(is_gradient, moved))


def is_gradient(way: Way) -> bool:
    name = next((each for each in reversed(way) if isinstance(each, str)), "").strip("_")
    return name in GRADIENT or "grad" in name
