"""NumPy's .npz archives: `x` with `t` (or `y`), or `x_train, y_train` with or without `x_test, y_test`.

`classes`, if it is there, names the classes.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pullback.errors import DataError
from pullback.train.data.dataset import Dataset
from pullback.train.data.examples import examples
from pullback.train.data.labels import numbered

PAIRS = ("x", "t"), ("x", "y"), ("X", "y"), ("x_train", "y_train"), ("x_train", "t_train")
INPUTS = "x", "X", "x_test", "x_train"


def load(path: Path) -> Dataset:
    arrays = read(path)
    found = next((pair for pair in PAIRS if arrays.keys() >= {*pair}), None)
    if found is None:
        raise DataError(f"{path}: needs arrays x and t, or x_train and y_train; it has {listed(arrays)}")
    test = tuple(name.replace("train", "test") for name in found)
    pairs = [found, test] if test != found and arrays.keys() >= {*test} else [found]
    parts = [pair_of(path, arrays, *pair) for pair in pairs]
    names = tuple(map(str, arrays["classes"].ravel())) if "classes" in arrays else ()
    x, t = (joined(path, pairs, side) for side in zip(*parts))
    t, classes = numbered(t, f"{path}: {found[1]}", names)
    source = f"Read from {path}: arrays {', '.join(name for pair in pairs for name in pair)}, {len(t):,} examples."
    held_out = np.arange(len(parts[0][1]), len(t)) if len(parts) == 2 else None
    return Dataset(path.name, x, t, classes, source, held_out)


def inputs(path: Path) -> np.ndarray:
    """The array to predict from: x, or the only one there is."""
    arrays = read(path)
    name = next((name for name in INPUTS if name in arrays), listed(arrays))
    if name not in arrays:
        raise DataError(f"{path}: needs an array x; it has {name}")
    return examples(arrays[name], f"{path}: {name}")


def pair_of(path: Path, arrays: dict[str, np.ndarray], a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
    x, t = examples(arrays[a], f"{path}: {a}"), arrays[b]
    if len(x) != len(t):
        raise DataError(f"{path}: {a} has {len(x)} examples, {b} has {len(t)}")
    return x, t


def joined(path: Path, pairs: list[tuple[str, str]], arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    if len({a.shape[1:] for a in arrays}) > 1:
        raise DataError(f"{path}: {pairs[0]} and {pairs[1]} differ: {arrays[0].shape} and {arrays[1].shape}")
    return np.concatenate(arrays)


def read(path: Path) -> dict[str, np.ndarray]:
    """All arrays by name. Arrays of Python objects are refused: to read them would be to run what they say."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: the file is {'no .npz archive, or damaged' if path.stat().st_size else 'empty'}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise DataError(f"{path}: holds Python objects, which are never read; save arrays of numbers") from None
        raise DataError(f"{path}: a damaged .npz archive: {error}") from None
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


def listed(names: dict[str, np.ndarray]) -> str:
    return ", ".join(names) or "none"
