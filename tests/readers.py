"""What the tests of readers share: files of odd content, and the words in which they are refused."""

import gzip
import struct

import numpy as np
import pytest

from pullback.errors import DataError

NO_REGRESSION = "to predict a quantity (regression) takes a loop of your own: README.md, Training, has one"


def refusal(call, *args, **options):
    """The words in which the call is refused."""
    with pytest.raises(DataError) as caught:
        call(*args, **options)
    return str(caught.value)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def idx(array):
    """An array of bytes as an IDX file."""
    array = np.asarray(array, np.uint8)
    return struct.pack(f">BBBB{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


PIXELS = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2) * 10
LABELS = np.array([7, 2, 2, 7])
TABLE = "length,width,kind\n1,2.5,rose\n3,-4e1,tulip\n\n5,6,rose\n"


def picture(path, mode="L", size=(3, 2), value=51):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
