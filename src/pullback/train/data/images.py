"""Folders of pictures, one folder a class. Pillow reads them; all must be of one size, nothing is resized."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pullback.errors import DataError
from pullback.train.data.dataset import Dataset
from pullback.train.data.examples import examples
from pullback.train.data.labels import several

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MODES = {"1": "L", "L": "L", "P": "RGB", "LA": "RGB", "RGB": "RGB", "RGBA": "RGB"}  # opacity is left out
CHANNELS = {1: "L", 3: "RGB"}


def load(folder: Path) -> Dataset:
    """Classes are the names of the folders, in the order of the alphabet."""
    groups = {sub.name: pictures(sub) for sub in sorted(folder.iterdir()) if sub.is_dir() and sub.name[0] != "."}
    if not groups:
        raise DataError(f"{folder}: needs one folder of images for each class, or MNIST's IDX files")
    if empty := [name for name, paths in groups.items() if not paths]:
        raise DataError(f"{folder / empty[0]}: holds no images ({', '.join(sorted(SUFFIXES))})")
    paths = [path for group in groups.values() for path in group]
    several(len(groups), len(paths), f"{folder}: all images are in one folder", f"{folder}: each folder has one image")
    t = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])
    source = f"Read from {folder}: {len(t):,} images in {len(groups)} folders."
    return Dataset(folder.name, stacked(paths), t, tuple(groups), source)


def inputs(path: Path, channels: int) -> np.ndarray:
    """One picture, or all below a folder in the order of their names, made grey or coloured as the model needs."""
    paths = pictures(path) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path}: holds no images")
    return stacked(paths, CHANNELS.get(channels))


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("[!.]*") if path.suffix.lower() in SUFFIXES)


def stacked(paths: Sequence[Path], mode: str | None = None) -> np.ndarray:
    """[n c h w]; grey pictures among coloured ones get three equal channels."""
    found = [pixels(path, mode) for path in paths]
    for path, x in zip(paths, found):
        if x.shape[1:] != found[0].shape[1:]:
            sizes = f"{paths[0]} has {size(found[0])} pixels, {path} has {size(x)}"
            raise DataError(f"all images must have one size, and pullback resizes none: {sizes}")
    c = max(len(x) for x in found)
    return examples(np.stack([np.broadcast_to(x, (c, *x.shape[1:])) for x in found]), str(paths[0].parent))


def size(x: np.ndarray) -> str:
    return f"{x.shape[2]} x {x.shape[1]}"


def pixels(path: Path, mode: str | None) -> np.ndarray:
    """uint8 [c h w]."""
    Image = pillow()
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # what is wrong, the error says
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not an image that can be read: {error}") from None
    if image.mode not in MODES:
        raise DataError(f"{path}: its pixels are of mode {image.mode}; needs one of {', '.join(MODES)}")
    x = np.asarray(image.convert(mode or MODES[image.mode]))
    return x[None] if x.ndim == 2 else x.transpose(2, 0, 1)


def pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise DataError('images are read by Pillow, which is not installed: pip install "pullback[images]"') from None
    return Image
