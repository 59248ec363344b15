"""What a command line says: which file, what in it, and arrays and options as text."""

import ast
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pullback.check.files.finding import Exercise, everything, of_name
from pullback.check.files.loading import FileError, load
from pullback.check.files.numbers import one_hot


class TextError(FileError):
    """A shape or an option that cannot be read."""


def targets(text: str) -> list[Exercise]:
    """`FILE.py`: everything in it that has a backward. `FILE.py:forward,backward` or `FILE.py:Layer`: that alone."""
    path, mark, names = text.partition(".py:")
    module = load(Path(path + ".py" if mark else text))
    if mark:
        return [named(module, names.split(","), path + ".py")]
    found = everything(module)
    if not found:
        raise FileError(
            f"{text} has nothing to check: no pair such as affine_forward and affine_backward, no class with forward "
            "and backward, no torch.autograd.Function; name a pair yourself, as in FILE.py:forward,backward"
        )
    return found


def named(module: ModuleType, names: Sequence[str], path: str) -> Exercise:
    names = [name.strip() for name in names]
    if len(names) > 2 or "" in names:
        raise TextError(f"{path}:{','.join(names)}: name a forward and a backward, or one thing that has both")
    for name in names:
        if not hasattr(module, name):
            close = get_close_matches(name, vars(module))
            raise TextError(f"{path} has no {name!r}" + (f" (did you mean {' or '.join(close)}?)" if close else ""))
    pair = of_name(module, names[0]) if len(names) == 1 else None
    return pair or Exercise(names[-1], *(getattr(module, name) for name in names))


def shape(text: str, seed: int = 0) -> Any:
    """`4,5` is the shape of an array, an empty text that of a number; `4<10` is 4 integers below 10, `4,5=0..1` are
    numbers from 0 to 1, and `4,5=one-hot` is a 1 in each row, or along another axis, `5,4=one-hot:0`."""
    sizes, mark, numbers = re.fullmatch(r"([^<=]*)([<=]?)(.*)", text).groups()  # type: ignore[union-attr]
    try:
        found = tuple(int(size) for size in sizes.strip("() ").split(",") if size.strip())
        if min(found, default=0) < 0:
            raise ValueError(text)
        rng = np.random.default_rng(seed)
        if mark == "<":
            return rng.integers(0, int(numbers), found)
        if not mark:
            return found
        if hot := re.fullmatch(r"one-hot(?::(-?\d+))?", numbers):
            return one_hot(*found, axis=int(hot[1] or -1), seed=seed)
        low, high = map(float, numbers.split(".."))
        return rng.uniform(low, high, found)
    except (TypeError, ValueError, OverflowError, MemoryError, IndexError) as error:
        says = (
            "write 4,5 for an array of 4 x 5, 4<10 for 4 integers below 10, 4,5=0..1 for numbers from 0 to 1, "
            "4,5=one-hot for a 1 in each row"
        )
        raise TextError(f"{text!r} is no shape; {says}") from error


def options(texts: Sequence[str]) -> dict[str, Any]:
    """`stride=2`, `mode=train`, `axis=(0,1)`: values of Python, or words."""
    found = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name.isidentifier():
            raise TextError(f"{text!r} is no option; write name=value, as in stride=2")
        try:
            found[name] = ast.literal_eval(value)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            if value[:1] in tuple("([{'\""):
                raise TextError(f"{text!r}: the value cannot be read; write it as in Python, axis=(0,1)") from error
            found[name] = value
    return found
