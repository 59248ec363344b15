"""Classes: their numbers 0, 1, … and their names."""

from typing import Any

import numpy as np

from pullback.errors import DataError
from pullback.train.data.examples import first

NO_REGRESSION = "to predict a quantity (regression) takes a loop of your own: README.md, Training, has one"
MANY = 20  # classes: of more numbers, gaps speak for a quantity

Classes = tuple[np.ndarray, tuple[str, ...]]  # int64 numbers, names


def named(labels: list[str], where: str) -> Classes:
    """Labels are names, in the order of the alphabet, or whole numbers, in the order of size."""
    values = whole(labels, where)
    names: list[Any] = sorted(set(values))
    several(len(names), len(labels), f"{where} is {names[0]!r} in every row", f"{where} is different in every row")
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[value] for value in values], np.int64), tuple(map(str, names))


def whole(labels: list[str], where: str) -> list[Any]:
    """Whole numbers, if all labels are such ("1.0" is 1); the labels themselves, if some are no numbers."""
    try:
        numbers = [exact(label) for label in labels]
    except ValueError:
        return labels
    if odd := next((label for label, value in zip(labels, numbers) if value % 1 != 0), None):
        raise DataError(f"{where} holds {odd}: classes are names or whole numbers; {NO_REGRESSION}")
    return [int(value) for value in numbers]


def exact(text: str) -> int | float:
    """The number that a text spells, all its digits if it is an integer: from 2^53 up, floats leave integers out."""
    spelled = number(text)
    try:
        return int(text)
    except ValueError:
        return spelled


def number(text: str) -> float:
    """The number that a text spells; Python's own spelling 1_000 is none."""
    if "_" in text:
        raise ValueError
    return float(text)


def numbered(labels: np.ndarray, where: str, names: tuple[str, ...] = ()) -> Classes:
    """Labels are numbers below `len(names)`; without names, the different numbers that occur are the classes."""
    if labels.ndim != 1:
        advice = "; rows with a one for the class become numbers by argmax(1)" if labels.ndim == 2 else ""
        raise DataError(f"{where} has shape {labels.shape}, needs one class number for each example{advice}")
    if labels.dtype.kind == "U":
        return named(labels.tolist(), where)
    if labels.dtype.kind not in "biuf":
        raise DataError(f"{where} holds {labels.dtype}, needs class numbers")
    if labels.dtype.kind == "f" and (place := first(~np.isfinite(labels) | (labels != np.trunc(labels)))):
        raise DataError(f"{where}[{place[0]}] is {labels[place]}: classes are whole numbers; {NO_REGRESSION}")
    if place := first(labels < 0):
        raise DataError(f"{where}[{place[0]}] is {labels[place]}: classes are numbered from 0; {NO_REGRESSION}")
    if names and (place := first(labels >= len(names))):
        raise DataError(
            f"{where}[{place[0]}] is {labels[place]}: there are {len(names)} names, for 0 .. {len(names) - 1}"
        )
    values, t = np.unique(labels, return_inverse=True)
    several(len(values), len(t), f"{where} is {values[0]} everywhere", f"{where} is different everywhere")
    return (labels.astype(np.int64), names) if names else (t.astype(np.int64), tuple(str(int(v)) for v in values))


def several(classes: int, examples: int, same: str, different: str) -> None:
    """Something must be told apart, and something must be alike."""
    if classes < 2:
        raise DataError(f"{same}: at least two classes are needed")
    if classes == examples:
        raise DataError(f"{different}: a class needs several examples; {NO_REGRESSION}")


def taken_for_classes(names: tuple[str, ...], where: str) -> str:
    """What to say of classes that are whole numbers, for somebody may mean a quantity by them. What looks like one is
    refused: many numbers that nobody has numbered, as an age, a price, a count."""
    try:
        values = [exact(name) for name in names]
    except ValueError:
        return ""
    low, high = min(values), max(values)
    found = f"{len(values)} different whole numbers, from {low} to {high}"
    numbered = low in (0, 1) and high - low < 2 * len(values)  # some may not occur here
    if len(values) > MANY and not numbered:
        advice = f"if these are classes, number them from 0, or give them names, such as c{low}"
        raise DataError(f"{where} holds {found}, which looks like a quantity; {NO_REGRESSION}; {advice}")
    return f" The {found}, are taken for classes; {NO_REGRESSION}." if len(values) > 2 else ""


def on_one_line(text: str) -> str:
    """What a terminal would take for a command, or for the end of a line, as Python spells it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
