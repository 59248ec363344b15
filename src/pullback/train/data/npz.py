"""NumPy's .npz archives: `x` with `t` (or `y`), or `x_train, t_train`, each with or without `x_test, t_test`.

`classes`, if it is there, names the classes.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pullback.errors import DataError
from pullback.train.data.dataset import Dataset
from pullback.train.data.examples import examples
from pullback.train.data.labels import numbered, taken_for_classes

PAIRS = ("x", "t"), ("x", "y"), ("X", "y"), ("x_train", "y_train"), ("x_train", "t_train")
TESTS = "x_test", "X_test", "t_test", "y_test"
INPUTS = "x", "X", "x_test", "x_train"
Arrays = dict[str, np.ndarray]


def load(path: Path) -> Dataset:
    arrays = read(path)
    found = next((pair for pair in PAIRS if arrays.keys() >= {*pair}), None)
    if found is None:
        raise DataError(f"{path}: needs arrays x and t, or x_train and t_train; it has {', '.join(arrays) or 'none'}")
    x, t = pair(path, arrays, *found)
    held_out = None
    if test := test_names(path, arrays):
        n, parts = len(x), zip((x, t), pair(path, arrays, *test))
        x, t = (joined(path, *part) for part in parts)
        held_out = np.arange(n, len(x))
    names = tuple(map(str, arrays["classes"].ravel())) if "classes" in arrays else ()
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: two classes are called {twice!r}")
    where = f"{path}: {found[1]}"
    t, classes = numbered(t, where, names)
    source = f"Read from {path}: {len(t):,} examples." + ("" if names else taken_for_classes(classes, where))
    return Dataset(path.name, x, t, classes, source, held_out)


def test_names(path: Path, arrays: Arrays) -> list[str]:
    """What the test examples and their classes are called; none of them is passed over."""
    found = [name for name in TESTS if name in arrays]
    if found and not (len(found) == 2 and found[0].lower() == "x_test" and found[1] in ("y_test", "t_test")):
        raise DataError(f"{path}: a test set is x_test and t_test, each once; it has {' and '.join(found)}")
    return found


def inputs(path: Path) -> np.ndarray:
    """The array to predict from: x, or the only one there is."""
    arrays = read(path)
    names = [name for name in INPUTS if name in arrays] or list(arrays)
    if not names or names[0] not in INPUTS and len(names) > 1:
        raise DataError(f"{path}: needs an array x; it has {', '.join(arrays) or 'none'}")
    return examples(arrays[names[0]], f"{path}: {names[0]}")


def of_one_array(path: Path) -> np.ndarray:
    """The examples of a .npy file."""
    try:
        with path.open("rb") as file:
            x = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path}: no .npy file of numbers, or damaged: {error}") from None
    return examples(x, str(path))


def pair(path: Path, arrays: Arrays, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
    x, t = examples(arrays[a], f"{path}: {a}"), arrays[b]
    if x.shape[:1] != t.shape[:1]:
        raise DataError(f"{path}: {a} has shape {arrays[a].shape}, {b} has {t.shape}; they need the same length")
    return x, t


def joined(path: Path, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    if train.shape[1:] != test.shape[1:]:
        raise DataError(f"{path}: training and test examples differ: {train.shape[1:]} and {test.shape[1:]}")
    return np.concatenate([train, test])


def read(path: Path) -> Arrays:
    """All arrays by name. Arrays of Python objects are refused: to read them would be to run what they say."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: the file is {'no .npz archive, or damaged' if path.stat().st_size else 'empty'}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise DataError(f"{path}: holds Python objects, which are never read; save arrays of numbers") from None
        raise DataError(f"{path}: a damaged .npz archive: {error}") from None
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
