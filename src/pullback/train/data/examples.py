"""Examples out of an array of numbers: images, or rows of features."""

import numpy as np

from pullback.errors import DataError

CHANNELS = 1, 3, 4  # grey, colour, colour and opacity


def examples(x: np.ndarray, where: str) -> np.ndarray:
    """float32 images [n c h w] between 0 and 1, or rows [n f]; `where` names the array in messages.

    Images may also be [n h w], and [n h w c] where the last axis alone can be channels. They are uint8 (0..255),
    or lie between 0 and 1 already. Sequences [n t f] are read as images of one channel, t rows of f numbers.
    """
    if x.dtype.kind not in "biuf":
        raise DataError(f"{where} holds {x.dtype}, needs numbers")
    if x.ndim not in (2, 3, 4) or not x.size:
        raise DataError(f"{where} has shape {x.shape}, needs rows [n f] or images [n h w] or [n c h w]")
    return finite(x, where) if x.ndim == 2 else images(x, where)


def images(x: np.ndarray, where: str) -> np.ndarray:
    if x.ndim == 3:
        x = x[:, None]
    elif x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        x = x.transpose(0, 3, 1, 2)
    y = finite(x, where)
    if x.dtype == np.uint8:
        y /= 255
    elif y.min() < 0 or y.max() > 1:
        found = f"{x.dtype} from {y.min():g} to {y.max():g}"
        needed = "pixels are uint8 (0 to 255), or numbers from 0 to 1"
        advice = "scale others, such as sequences [n t f], as with (x - low) / (high - low): two numbers for all data"
        raise DataError(f"{where} holds {found}; {needed}; {advice}")
    return y


def finite(x: np.ndarray, where: str) -> np.ndarray:
    """A copy in float32; nan, and what is too large for float32, is refused."""
    y = single(x)
    if (place := first(~np.isfinite(y))) is not None:
        raise DataError(f"{where}[{', '.join(map(str, place))}] is {x[place]}: needs finite float32 numbers")
    return y


def single(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return x.astype(np.float32, order="C")


def first(wrong: np.ndarray) -> tuple[int, ...] | None:
    """Where the first True stands."""
    return tuple(map(int, np.unravel_index(wrong.argmax(), wrong.shape))) if wrong.any() else None
