"""What readers make of a file: examples with their classes, or a text."""

from typing import Any, NamedTuple

import numpy as np

from pullback.errors import DtypeError, OptionError, RangeError, ShapeError
from pullback.train.data.examples import first
from pullback.train.data.labels import NO_REGRESSION


class Dataset(NamedTuple):
    """Examples and their classes; your own are `Dataset("own", x, t)`, or the pair `(x, t)` alone."""

    name: str
    x: np.ndarray  # float32: images [n c h w] between 0 and 1, or rows of features [n f]
    t: np.ndarray  # int64 [n]: the number of each example's class
    classes: tuple[str, ...] = ()  # their names
    source: str = ""  # where the data come from, and under which licence
    held_out: np.ndarray | None = None  # rows that belong to an official test set
    features: tuple[str, ...] = ()  # what a table calls its columns


Pair = tuple[Any, Any]  # arrays x and t

ONE_HOT = "rows with a one for the class become numbers by t.argmax(1)"


def as_dataset(given: Dataset | Pair, name: str) -> Dataset:
    """Examples with their classes, out of a pair of arrays too; `name` says in messages which ones they are."""
    if not isinstance(given, Dataset):
        if not (isinstance(given, tuple | list) and len(given) == 2):
            raise OptionError(f"{name} must be a Dataset or a pair of arrays (x, t), got {type(given).__name__}")
        given = Dataset(name, *given)
    given = given._replace(x=np.asarray(given.x), t=np.asarray(given.t))
    if not given.x.shape[:1] == given.t.shape[:1] > (0,):
        found = f"{len(np.atleast_1d(given.x))} examples in x, {len(np.atleast_1d(given.t))} classes in t"
        raise ShapeError(f"{name} holds {found}; needs as many of both, and at least one")
    if given.t.dtype.kind not in "iu":
        raise DtypeError(f"{name}: t holds {given.t.dtype}, needs classes: whole numbers from 0 up{remedy(given.t)}")
    if place := first(given.t < 0):
        got = f"t[{', '.join(map(str, place))}] is {given.t[place]}"
        none = (
            "leave out what has none" if given.t.min() == -100 else "np.unique(t, return_inverse=True)[1] numbers them"
        )
        advice = f"{none}; {NO_REGRESSION}"
        raise RangeError(f"{name}: {got}, needs classes: whole numbers from 0 up; {advice}")
    return given


def remedy(t: np.ndarray) -> str:
    """What to do with targets that are no integers."""
    convert = "convert them, as with t.astype(int)"
    if t.ndim == 2 and t.shape[1] > 1 and t.dtype.kind in "bf" and ((t == 0) | (t == 1)).all():
        return f"; {ONE_HOT}"
    if t.dtype.kind == "O" and all(isinstance(each, int | np.integer) for each in t.flat):
        return f"; {convert}"
    if t.dtype.kind in "OSU":
        return "; names become numbers by np.unique(t, return_inverse=True)[1]"
    if t.dtype.kind == "f":
        whole = bool((t == np.trunc(t)).all())
        return (f"; if they are classes, {convert}" if whole else "") + f"; {NO_REGRESSION}"
    return f"; {convert}" if t.dtype.kind == "b" else ""


class Text(NamedTuple):
    """A text as numbers: `alphabet[codes[i]]` is its i-th character."""

    name: str
    codes: np.ndarray  # int64
    alphabet: str
    source: str
