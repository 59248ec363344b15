"""MNIST's IDX files: `train-images-idx3-ubyte` with `train-labels-idx1-ubyte` beside it, each perhaps with .gz.

A folder may also hold the official test set, `t10k-images-…` (or `test-images-…`): it is held out.
"""

import math
import re
from pathlib import Path

import numpy as np

from pullback.errors import DataError
from pullback.train.data import content
from pullback.train.data.dataset import Dataset
from pullback.train.data.examples import examples
from pullback.train.data.labels import numbered

MOST_AXES = 4  # n c h w
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(path: Path) -> bool:
    return re.search(r"idx\d?(-ubyte)?(\.gz)?$", path.name.lower()) is not None


def load(path: Path) -> Dataset:
    """An images file with its labels (either may be named), or a folder of them."""
    chosen = image_files(path) if path.is_dir() else [path.with_name(path.name.replace("labels", "images"))]
    chosen = [beside(images, "images", "1", "3") for images in chosen]
    parts = [pair(images, beside(images, "labels", "3", "1")) for images in chosen]
    if len({x.shape[1:] for x, _ in parts}) > 1:
        raise DataError(f"{path}: images of the two parts differ: {parts[0][0].shape[1:]} and {parts[1][0].shape[1:]}")
    x, t = (np.concatenate(side) for side in zip(*parts))
    t, classes = numbered(t, f"{path}: labels")
    source = f"Read from {' and '.join(map(str, chosen))}: {len(t):,} images."
    held_out = np.arange(len(parts[0][1]), len(t)) if len(parts) == 2 else None
    return Dataset(path.name, x, t, classes, source, held_out)


def inputs(path: Path) -> np.ndarray:
    return examples(read(path), str(path))


def image_files(folder: Path) -> list[Path]:
    """The images for training, then those for testing, if there are any."""
    found = {p.name.removesuffix(".gz"): p for p in sorted(folder.iterdir(), reverse=True) if is_idx(p)}
    images = [found[name] for name in sorted(found) if "images" in name]
    train, test = ([p for p in images if is_test(p) == wanted] for wanted in (False, True))
    if not images or len(images) > 1 and (len(train), len(test)) != (1, 1):
        names = ", ".join(p.name for p in images) or "none"
        raise DataError(f"{folder}: needs one IDX file of images, or one for training and one for testing; has {names}")
    return train + test


def is_test(path: Path) -> bool:
    return re.search(r"(?<![a-z])(t10k|test)(?![a-z])", path.name) is not None


def beside(path: Path, what: str, old: str, new: str) -> Path:
    """The file of images or of labels that belongs to this one, compressed or not."""
    other = "images" if what == "labels" else "labels"
    name = path.name.replace(other, what).replace(f"idx{old}", f"idx{new}").removesuffix(".gz")
    twins = [path.with_name(name), path.with_name(f"{name}.gz")]
    if what not in name:
        raise DataError(f"{path}: the name of an IDX file says images or labels: train-images-idx3-ubyte")
    if found := [twin for twin in twins if twin.exists()]:
        return found[0]
    raise DataError(f"{path}: needs {name} beside it, which is not there")


def pair(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    x, t = inputs(images), read(labels)
    if t.ndim != 1:
        raise DataError(f"{labels} has shape {t.shape}, needs one class number for each image")
    if len(x) != len(t):
        raise DataError(f"{images} has {len(x)} images, {labels} has {len(t)} labels")
    return x, t


def read(path: Path) -> np.ndarray:
    """Two zeros, a type, the number of axes; then their sizes, then the numbers, high byte first."""
    data = content.read(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise DataError(
            f"{path}: no IDX file: begins with {data[:4].hex()}, images begin with 00000803, labels with 00000801"
        )
    if data[3] > MOST_AXES:
        raise DataError(f"{path}: its header says {data[3]} axes; images have at most {MOST_AXES}")
    dtype, start = np.dtype(TYPES[data[2]]), 4 + 4 * data[3]
    sizes = tuple(int.from_bytes(data[i : i + 4]) for i in range(4, start, 4))
    needs = start + math.prod(sizes) * dtype.itemsize
    if len(data) != needs or len(data) < start:
        state = "truncated" if len(data) < needs else "too long"
        raise DataError(f"{path}: {state}: its header says {sizes}, that is {needs} bytes, but there are {len(data)}")
    try:
        return np.frombuffer(data, dtype, offset=start).reshape(sizes)
    except ValueError:  # no numbers at all, but axes longer than NumPy can count
        raise DataError(f"{path}: its header says {sizes}, which no array can have") from None
