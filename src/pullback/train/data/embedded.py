"""The data that come with pullback; files/LICENSES.md says more of their sources."""

from pathlib import Path

import numpy as np

from pullback.train.data.dataset import Dataset

FILES = Path(__file__).parent / "files"


def digits() -> Dataset:
    source = (
        "1,797 scanned digits of 13 writers: the test set of Optical Recognition of Handwritten Digits "
        "by E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository. Licence: CC BY 4.0."
    )
    return embedded("digits", 16, source)


def mnist5k() -> Dataset:
    source = (
        "5,000 scanned digits, 500 of each class, of the MNIST database by Y. LeCun, C. Cortes and C. J. C. Burges, "
        "derived from NIST data. Licence: CC BY-SA 3.0."
    )
    return embedded("mnist5k", 255, source)


def embedded(name: str, white: int, source: str) -> Dataset:
    """Images whose pixels are 0..white in the file, with their ten classes."""
    with np.load(FILES / f"{name}.npz", allow_pickle=False) as file:
        x, t = file["x"], file["t"]
    return Dataset(name, (x / np.float32(white))[:, None], t.astype(np.int64), tuple("0123456789"), source)
