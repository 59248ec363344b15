"""What a function is called with: the arrays that may be moved, and everything else, which stays as it is."""

import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.containers import DEPTH, attributes, contents, is_named, is_record, replaced
from pullback.check.adapters.frameworks import to_numpy
from pullback.errors import ShapeError

Array = NDArray[Any]


class Leaf(NamedTuple):
    """One array among the arguments: what it is called, where it stands, and an example of it (or its shape)."""

    name: str
    path: tuple[Any, ...]
    value: Any
    wanted: bool = False  # does it ask for a gradient, as a tensor that requires_grad?
    owns: bool = True  # does it get one where there are fewer gradients than inputs?
    argument: str = ""  # the name of that which it is, or stands in

    @property
    def moves(self) -> bool:
        """May it have a derivative?"""
        return is_shape(self.value) or np.asarray(self.value).dtype.kind in "fc"


class Arguments:
    """Example arguments, taken apart into arrays, and put together again with others in their places.

    Arrays, numbers in nested lists, and shapes (tuples of integers) are leaves, in dicts, lists and tuples too; of
    records, as dataclasses are, only arrays. Text, flags and None stay as they are, and so do plain numbers
    (`stride=2`), unless there is nothing else.
    """

    def __init__(self, values: Sequence[Any], names: Sequence[str] = ()) -> None:
        self.values = list(values)
        self.names = names = [*names, *(f"x{k}" for k in range(len(names), len(values)))][: len(values)]
        found = [
            leaf._replace(argument=name)
            for k, (name, value) in enumerate(zip(names, values))
            for leaf in leaves(name, (k,), value)
        ]
        self.leaves = distinct(found)
        self.left: list[str] = []  # arrays in what stays as it is
        if not self.leaves:
            numbers = [k for k, value in enumerate(self.values) if isinstance(value, float)]
            self.leaves = [Leaf(names[k], (k,), np.asarray(self.values[k])) for k in numbers]

    def leave_records(self) -> None:
        """Records that forward writes to are kept by it for backward: they stay what they are, with all in them."""
        kept = lambda leaf: any(is_record(each) and not is_named(each) for each in on_the_way(self.values, leaf))
        self.left = [leaf.name for leaf in self.leaves if kept(leaf)]
        self.leaves = [leaf for leaf in self.leaves if not kept(leaf)]

    @property
    def apart(self) -> str:
        """Arrays that stay where they are, in objects."""
        inside = [f"{name}.{key}" for name, value in zip(self.names, self.values) for key in hidden(value)]
        held = [*self.left, *inside]
        return f"{', '.join(held[:SHOWN])}{' and others' if held[SHOWN:] else ''}: {STAYS}" if held else ""

    def filled(self, arrays: Sequence[Array]) -> list[Any]:
        """The arguments with these arrays as leaves."""
        if self.plain:
            return list(arrays)
        found = dict(zip((leaf.path for leaf in self.leaves), arrays, strict=True))
        return [rebuilt(value, (k,), found) for k, value in enumerate(self.values)]

    @cached_property
    def plain(self) -> bool:
        """Is every argument an array?"""
        return [leaf.path for leaf in self.leaves] == [(k,) for k in range(len(self.values))]

    @property
    def precision(self) -> Any:
        """The dtype of the first array that moves; shapes become double."""
        moving = (leaf.value for leaf in self.leaves if leaf.moves)
        return next((np.dtype(float) if is_shape(value) else value.dtype for value in moving), np.dtype(float))

    def single(self) -> None:
        """Shapes become arrays of single precision, for code that takes no other."""
        drawn = (array.astype("f4") for array in self.example())
        self.leaves = [leaf._replace(value=a) if is_shape(leaf.value) else leaf for leaf, a in zip(self.leaves, drawn)]

    def example(self) -> list[Array]:
        """The leaves themselves; where only a shape is known, any numbers will do."""
        rng = np.random.default_rng(0)
        return [rng.normal(size=leaf.value) if is_shape(leaf.value) else np.array(leaf.value) for leaf in self.leaves]

    def shown(self) -> list[str]:
        """All that is given, in its order: arrays by their shapes, and hyperparameters."""
        found: dict[int, list[str]] = defaultdict(list)
        for leaf, array in zip(self.leaves, self.example()):
            found[leaf.path[0]].append(f"{leaf.name} {np.shape(array)}")
        for k, (name, value) in enumerate(zip(self.names, self.values)):
            if k not in found and isinstance(value, PLAIN):
                found[k].append(f"{name}={value}")
        return [text for k in sorted(found) for text in found[k]]


STAYS = "what an object holds stays as it is, and no gradient of it is judged"
SHOWN = 3


class Value(tuple[Any, ...]):
    """A tuple that is meant as it is: `axis=(0, 1)` is no shape."""


PLAIN = bool, int, float, str, Value  # hyperparameters


def is_shape(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and not (isinstance(value, Value) or is_named(value))
        and all(isinstance(n, Integral) and not isinstance(n, bool) for n in value)
    )


def is_array(value: Any) -> bool:
    """An array, or numbers in (nested) lists."""
    if isinstance(value, list):
        numbers = (
            isinstance(item, (int, float, np.number)) or isinstance(item, list) and is_array(item) for item in value
        )
        return bool(value) and all(numbers)
    return isinstance(value, (np.ndarray, np.generic))


def leaves(name: str, path: tuple[Any, ...], value: Any, record: bool = False) -> list[Leaf]:
    """All arrays in a value; `record`: and nothing that may become one."""
    array = to_numpy(value)
    if isinstance(array, (np.ndarray, np.generic)):
        return [Leaf(name, path, np.asarray(array), getattr(value, "requires_grad", False) is True)]
    if is_shape(value) and not record:
        if min(value, default=0) < 0:
            raise ShapeError(f"{name} has the shape {value}; sizes are 0 or more")
        return [Leaf(name, path, value)]
    if is_array(value) and not record:
        return [Leaf(name, path, regular(name, value))]
    parts, record = contents(value) if len(path) <= DEPTH else [], record or is_record(value)
    below = lambda key: f"{name}[{key}]" if isinstance(value, (list, tuple)) and isinstance(key, int) else str(key)
    return [leaf for key, part in parts for leaf in leaves(below(key), (*path, key), part, record)]


def distinct(found: list[Leaf]) -> list[Leaf]:
    """Those of one name, `w` of one layer and of the next, are called by the whole way there."""
    times = Counter(leaf.name for leaf in found)
    below = lambda key: f"[{key}]" if isinstance(key, int) else f".{key}"
    whole = lambda leaf: leaf.argument + "".join(map(below, leaf.path[1:]))
    return [leaf._replace(name=whole(leaf)) if times[leaf.name] > 1 else leaf for leaf in found]


def on_the_way(values: Sequence[Any], leaf: Leaf) -> Iterator[Any]:
    """The containers that a leaf stands in, from the argument on."""
    value: Any = dict(enumerate(values))
    for key in leaf.path:
        yield (value := dict(contents(value))[key])


def hidden(value: Any) -> list[str]:
    """Under which names an object that is no container holds numbers with a derivative."""
    if contents(value) or isinstance(to_numpy(value), np.ndarray) or isinstance(value, type):
        return []
    held = {key: to_numpy(part) for key, part in attributes(value).items()}
    return [key for key, part in held.items() if isinstance(part, np.ndarray) and part.dtype.kind in "fc"]


def regular(name: str, value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            f"{name} is a list of rows of different lengths; give an array, or rows of one length"
        ) from error


def rebuilt(value: Any, path: tuple[Any, ...], found: dict[Any, Array]) -> Any:
    """The same structure, new in every part that a function might write to."""
    if path in found:
        return found[path]
    if is_record(value) and not any(each[: len(path)] == path for each in found):
        return value
    parts = {key: rebuilt(part, (*path, key), found) for key, part in contents(value)}
    return replaced(value, parts) if parts else copied(value)


def copied(value: Any) -> Any:
    """An empty dict or list is as new as any other."""
    return value.copy() if isinstance(value, (dict, list)) else value


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a function may be given by position, torch's context apart; empty where it does not say."""
    try:
        all_of_them = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [p for p in all_of_them if p.kind in positional and p.name != "ctx"]


def takes_anything(function: Callable[..., Any]) -> bool:
    """It does not say what it takes, or takes any number."""
    try:
        kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return True
    return inspect.Parameter.VAR_POSITIONAL in kinds


def names_of(function: Callable[..., Any]) -> list[str]:
    return [p.name for p in parameters(function)]


def required(function: Callable[..., Any]) -> int:
    return sum(p.default is inspect.Parameter.empty for p in parameters(function))
