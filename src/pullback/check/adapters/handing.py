"""What forward leaves for backward, on its way there: a cache, an object, the inputs. Whoever watches may put another
array into it, to see what backward makes of that."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any

import numpy as np

from pullback.check.adapters.holders import items

Way = tuple[Any, ...]  # to an array: names, keys, numbers
Scope = Callable[[], AbstractContextManager[None]]
DEPTH = 5

watching: list[Callable[[Any], Any]] = []  # the last of them is asked
within: list[Scope] = []  # what is left where a library calls a backward, and is entered there again


def entered() -> AbstractContextManager[None]:
    return within[-1]() if within else nullcontext()


class Turn(int):
    """A number in a list, which may hold the same for every step of time."""


def handed(value: Any) -> Any:
    return watching[-1](value) if watching else value


def ways(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """To all floating arrays of more than one number."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size > 1:
            yield way, value
    elif len(way) < DEPTH:
        for key, each in contents(value):
            yield from ways(each, (*way, key))


def contents(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, list):
        return [(Turn(k), each) for k, each in enumerate(value)]
    return list(enumerate(value)) if isinstance(value, tuple) else items(value)


def exchanged(value: Any, way: Way, array: Any) -> Any:
    """A copy with another array at the end of the way: nothing on it is the user's own any more."""
    if not way:
        return array
    key, rest = way[0], way[1:]
    if isinstance(value, (tuple, list)):
        each = [exchanged(one, rest, array) if k == key else one for k, one in enumerate(value)]
        return type(value)(*each) if hasattr(value, "_fields") else type(value)(each)
    if isinstance(value, dict):
        return value | {key: exchanged(value[key], rest, array)}
    found = copy(value)
    setattr(found, key, exchanged(getattr(value, key), rest, array))
    return found
