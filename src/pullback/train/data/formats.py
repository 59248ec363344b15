"""Which reader takes what: the name of embedded data, or a path."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pullback.errors import DataError
from pullback.train.data import embedded, idx, images, npz, table, text
from pullback.train.data.content import kind
from pullback.train.data.dataset import Dataset, Text
from pullback.train.data.nearest import nearest

NAMES: dict[str, Callable[[], Dataset | Text]] = {
    "digits": embedded.digits,
    "mnist5k": embedded.mnist5k,
    "text": text.topics,
}
FORMATS = ".npz, .csv, .txt, IDX files (train-images-idx3-ubyte), a folder of IDX files, a folder of images by class"


def load(name_or_path: str | Path, target: str | None = None) -> Dataset | Text:
    """What a name stands for (digits, mnist5k, text), or what is found at a path (./digits is one).

    `target` is the column of a table that holds the classes.
    """
    name = str(name_or_path)
    path = existing(name) if name not in NAMES else None
    if target is not None and (path is None or path.is_dir() or kind(path) != ".csv"):
        raise DataError(f"--target names a column of a .csv file; {name} is none")
    if path is None:
        return NAMES[name]()
    return from_path(path, target)


def from_path(path: Path, target: str | None) -> Dataset | Text:
    if path.is_dir():
        return idx.load(path) if any(map(idx.is_idx, path.iterdir())) else images.load(path)
    if idx.is_idx(path):
        return idx.load(path)
    match kind(path):
        case ".npz":
            return npz.load(path)
        case ".npy":
            both = f"np.savez('data.npz', x=np.load({str(path)!r}), t=...)"
            raise DataError(f"{path}: a .npy holds one array, and to learn takes examples and their classes: {both}")
        case ".csv":
            return table.load(path, target)
        case ".txt":
            return text.load(path)
    raise unknown(path)


def read_inputs(name_or_path: str | Path, shape: tuple[int, ...], features: tuple[str, ...] = ()) -> np.ndarray:
    """Examples without classes, for a model that takes `shape` (one example) and, of a table, the columns `features`.

    Names and formats are those of `load`, and single images. Other columns of a table, such as the target, are passed
    over.
    """
    name = str(name_or_path)
    x = inputs(name, tuple(shape), tuple(features))
    if x is None or x.shape[1:] != tuple(shape):
        found = "a text" if x is None else described(x.shape[1:])
        raise DataError(f"{name}: holds {found}; the model takes {described(shape)}")
    return x


def inputs(name: str, shape: tuple[int, ...], features: tuple[str, ...]) -> np.ndarray | None:
    """None for a text."""
    if name in NAMES:
        data = NAMES[name]()
        return data.x if isinstance(data, Dataset) else None
    path = existing(name)
    if path.is_dir() and any(map(idx.is_idx, path.iterdir())):
        return np.concatenate([idx.inputs(file) for file in idx.image_files(path)])
    if path.is_dir() or kind(path) in images.SUFFIXES:
        return images.inputs(path, shape[0])
    if idx.is_idx(path):
        return idx.inputs(path)
    match kind(path):
        case ".npz":
            return npz.inputs(path)
        case ".npy":
            return npz.of_one_array(path)
        case ".csv":
            return table.inputs(path, features)
        case ".txt":
            return None
    raise unknown(path)


def names(name_or_path: str | Path) -> list[str]:
    """What examples are called, in the order of `read_inputs`, if each has a file of its own in a folder."""
    path = Path(name_or_path)
    pictured = str(name_or_path) not in NAMES and path.is_dir() and not any(map(idx.is_idx, path.iterdir()))
    return [str(each.relative_to(path)) for each in images.pictures(path)] if pictured else []


def existing(name: str) -> Path:
    path = Path(name)
    if path.exists():
        return path
    here = path.parent.iterdir() if path.parent.is_dir() else ()
    guess = nearest(name, NAMES) or nearest(path.name, (file.name for file in here))
    raise DataError(f"no such file or data: {name}{guess}; there are {', '.join(NAMES)}, or give a path to {FORMATS}")


def unknown(path: Path) -> DataError:
    which = f"ending in {kind(path)!r}" if kind(path) else "without an extension"
    return DataError(f"{path}: files {which} are not read; {FORMATS} are")


def described(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"rows of {shape[0]} features"
    c, h, w = shape
    return f"images of {h} x {w} pixels (height x width) with {c} channel{'s' * (c != 1)}"
