"""Arrays that tell what is done with them: every operation of NumPy goes through `noted`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

Operation = Callable[..., Any]
Noted = Callable[[str, Operation, Sequence[Any]], Any]  # (name, operation, operands) -> result

running: list[Noted] = []  # those who want to know, the last of whom is told
indexing: list[Noted] = []  # and of indices
INDEX = "index"  # the name of such a step: of an index, and the shape of what it is of
HOLE = object()  # where an array goes
writing: list[Noted] = []  # those who want to know of what is written into a part of an array, too


class Watched(np.ndarray[Any, Any]):
    """Floating numbers that are watched; `made` says which step they come from."""

    made: Any = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        if method == "at" and indexing:
            inputs = (inputs[0], index(inputs[0], inputs[1]), *inputs[2:])
        there = unwatched(out[0]).copy() if out and "where" in options else None  # what is masked out keeps it

        def run(*operands: Any, **options: Any) -> Any:
            kept = {} if there is None else {"out": there.copy()}
            return getattr(ufunc, method)(*operands, **options, **kept)

        call = Called(run, (HOLE,) * len(inputs), options)
        if not running or method not in ("__call__", "reduce") or len(out) > 1:
            into = {"out": tuple(map(unwatched, out))} if out else {}
            found = getattr(ufunc, method)(*map(unwatched, inputs), **options, **into)
            return out[0] if len(out) == 1 else found
        found = running[-1](f"{ufunc.__name__}{'.reduce' * (method == 'reduce')}", call, inputs)
        if not out:
            return found
        unwatched(out[0])[...] = unwatched(found)
        return out[0]

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        operands: list[Any] = []
        call = Called(function, *taken_apart((arguments, options), operands))
        return running[-1](function.__name__, call, operands) if running else call(*map(unwatched, operands))

    def __getitem__(self, *key: Any) -> Any:
        """A single number is watched on. With a star Python calls it as ever: else, after some calls, it says that the
        caller stands at another instruction."""
        found = super().__getitem__(index(self, *key))
        return watched(found, self.made) if isinstance(found, np.inexact) else found

    def __setitem__(self, key: Any, value: Any) -> None:
        key = index(self, key)
        if writing and isinstance(value, np.ndarray | np.inexact) and not np.may_share_memory(self, value):
            value = writing[-1]("setitem", Writing(self.shape, key), (super().__getitem__(key), value))
        super().__setitem__(key, unwatched(value))

    def astype(self, dtype: Any, *arguments: Any, **options: Any) -> Any:
        """A step, if it rounds."""
        call = lambda a: np.asarray(a).astype(dtype, *arguments, **options)
        rounds = np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize < self.itemsize
        return (
            running[-1]("astype", call, [self]) if running and rounds else super().astype(dtype, *arguments, **options)
        )

    # Methods that NumPy takes apart itself, into several steps.

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, **options: Any) -> Any:
        return np.mean(self, axis, dtype, out, **options)

    def var(self, *arguments: Any, **options: Any) -> Any:
        return np.var(self, *arguments, **options)

    def std(self, *arguments: Any, **options: Any) -> Any:
        return np.std(self, *arguments, **options)

    def dot(self, other: Any, out: Any = None) -> Any:
        return np.dot(self, other, out)


def index(array: Any, key: Any) -> Any:
    return indexing[-1](INDEX, lambda key, shape: key, (key, array.shape)) if indexing else key


class Called:
    """A function with all that it takes but for arrays, which come in the place of holes, as they are `taken`."""

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        options: dict[str, Any],
        taken: Callable[[Sequence[Any]], Sequence[Any]] = tuple,
    ) -> None:
        self.function, self.arguments, self.options, self.taken = function, arguments, options, taken

    def __call__(self, *given: Any) -> Any:
        positional, named = put_together((self.arguments, self.options), iter(self.taken(given)))
        return self.function(*positional, **named)

    @property
    def words(self) -> list[str]:
        """Such as the letters of a sum."""
        return [each for each in self.arguments if isinstance(each, str)]

    def with_word(self, old: str, new: str) -> "Called":
        return Called(
            self.function, [new if each is old else each for each in self.arguments], self.options, self.taken
        )

    def without(self, option: str) -> "Called":
        return Called(self.function, self.arguments, {k: v for k, v in self.options.items() if k != option}, self.taken)


class Writing:
    """Into some places of an array of that shape; where one is named more than once, what comes last stays."""

    def __init__(self, shape: tuple[int, ...], key: Any) -> None:
        self.shape, self.key = shape, key

    def __call__(self, old: Any, new: Any) -> Any:
        return new

    def added_up(self, old: Any, new: Any) -> Any:
        """What is written so that each place gets all that is added to it."""
        total = np.zeros(self.shape)
        np.add.at(total, self.key, new - old)
        return old + total[self.key]


def rebound(name: str) -> Callable[[Any, Any], Any]:
    """A number that is taken from an array is none that can be changed: it gives way to another."""
    new, changed = getattr(np.ndarray, f"__{name}__"), getattr(np.ndarray, f"__i{name}__")
    return lambda self, other: (changed if self.ndim else new)(self, other)


for operation in ("add", "sub", "mul", "truediv"):
    setattr(Watched, f"__i{operation}__", rebound(operation))


def watched(value: Any, made: Any = None) -> Any:
    """Floating numbers alone: an index is an index."""
    if type(value) in (list, tuple):
        return type(value)(watched(each, made) for each in value)
    if not isinstance(value, (np.ndarray, np.inexact)) or value.dtype.kind not in "fc":
        return value
    found = np.asarray(value).view(Watched)
    found.made = made
    return found


def unwatched(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Watched) else value


MAKERS = "zeros", "empty", "ones", "full"


@contextmanager
def filling() -> Iterator[None]:
    """What a stranger's code makes in order to fill it is watched, too."""
    before = {name: getattr(np, name) for name in MAKERS}
    for name, make in before.items():
        setattr(np, name, wraps(make)(lambda *given, make=make, **options: watched(make(*given, **options))))
    try:
        yield
    finally:
        for name, make in before.items():
            setattr(np, name, make)


def floating(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fbc"


def taken_apart(value: Any, operands: list[Any], moves: Callable[[Any], bool] = floating) -> Any:
    """The structure of arguments, with holes where floating arrays are; those are added to `operands`."""
    if moves(value):
        operands.append(value)
        return HOLE
    if isinstance(value, dict):
        return {key: taken_apart(each, operands, moves) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(taken_apart(each, operands, moves) for each in value)
    return unwatched(value)


def put_together(structure: Any, operands: Iterator[Any]) -> Any:
    if structure is HOLE:
        return next(operands)
    if isinstance(structure, dict):
        return {key: put_together(each, operands) for key, each in structure.items()}
    if type(structure) in (list, tuple):
        return type(structure)(put_together(each, operands) for each in structure)
    return structure
