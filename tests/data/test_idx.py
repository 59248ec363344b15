"""MNIST's IDX files: numbers, folders with an official test set, and what is refused in which words."""

import struct

import numpy as np
import pytest
from readers import LABELS, PIXELS, idx, refusal, write

from pullback.train.data import load


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("my-images.idx", "my-labels.idx"),
    ],
)
def test_idx(here, images, labels):
    write(here / "mnist" / images, idx(PIXELS))
    write(here / "mnist" / labels, idx(LABELS))
    for name in f"mnist/{images}", f"mnist/{labels}", "mnist":
        data = load(name)
        assert np.array_equal(data.x, (PIXELS / np.float32(255))[:, None])
        assert data.t.tolist() == [1, 0, 0, 1] and data.classes == ("2", "7") and data.held_out is None
        assert data.source == f"Read from mnist/{images}: 4 images."


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(("train", "test"), [("train", "t10k"), ("latest", "letters-test")])
def test_idx_folder_with_an_official_test_set(here, train, test, end):
    for part, rows in (train, slice(4)), (test, slice(1, 3)):
        write(here / "mnist" / f"{part}-images-idx3-ubyte{end}", idx(PIXELS[rows]))
        write(here / "mnist" / f"{part}-labels-idx1-ubyte{end}", idx(LABELS[rows]))
    data = load("mnist")
    assert data.held_out.tolist() == [4, 5] and data.t.tolist() == [1, 0, 0, 1, 0, 0]
    assert np.array_equal(data.x[4:], data.x[1:3])
    assert load(f"mnist/{train}-images-idx3-ubyte{end}").held_out is None


@pytest.mark.parametrize("code", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
def test_idx_number_types(here, code):
    magic = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}[code]
    write(here / "a-images.idx", struct.pack(">BBBB2i", 0, 0, magic, 2, 3, 2) + np.arange(6).astype(code).tobytes())
    write(here / "a-labels.idx", idx([0, 1, 0]))
    assert load("a-images.idx").x.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (
            b"\x89PNG1234",
            idx(LABELS),
            "a-images.idx: no IDX file: begins with 89504e47, images begin with 00000803, labels with 00000801",
        ),
        (
            b"\0\0",
            idx(LABELS),
            "a-images.idx: no IDX file: begins with 0000, images begin with 00000803, labels with 00000801",
        ),
        (
            idx(PIXELS)[:-1],
            idx(LABELS),
            "a-images.idx: truncated: its header says (4, 3, 2), that is 40 bytes, but there are 39",
        ),
        (
            idx(PIXELS) + b"\0",
            idx(LABELS),
            "a-images.idx: too long: its header says (4, 3, 2), that is 40 bytes, but there are 41",
        ),
        (
            idx(PIXELS)[:9],
            idx(LABELS),
            "a-images.idx: truncated: its header says (4, 0, 0), that is 16 bytes, but there are 9",
        ),
        (idx(PIXELS), idx(LABELS[:3]), "a-images.idx has 4 images, a-labels.idx has 3 labels"),
        (idx(PIXELS), None, "a-images.idx: needs a-labels.idx beside it, which is not there"),
        (idx(PIXELS), idx([3, 3, 3, 3]), "a-images.idx: labels is 3 everywhere: at least two classes are needed"),
        (idx(LABELS), idx(LABELS), "a-images.idx has shape (4,), needs rows [n f] or images [n h w] or [n c h w]"),
    ],
)
def test_idx_refused(here, images, labels, words):
    write(here / "a-images.idx", images)
    if labels:
        write(here / "a-labels.idx", labels)
    assert refusal(load, "a-images.idx") == words


def test_idx_names_that_do_not_say_what_they_hold(here):
    write(here / "a.idx", idx(PIXELS))
    assert refusal(load, "a.idx") == "a.idx: the name of an IDX file says images or labels: train-images-idx3-ubyte"


def test_idx_axes_refused(here):
    header = lambda *sizes: struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
    write(here / "a-images.idx", idx(PIXELS))
    for labels, shape in [(header() + b"\0", "()"), (header(4, 1) + b"\0\1\0\1", "(4, 1)")]:
        write(here / "a-labels.idx", labels)
        words = f"a-labels.idx has shape {shape}, needs one class number for each image"
        assert refusal(load, "a-images.idx") == words
    write(here / "a-images.idx", header(*[1] * 100) + b"\0")
    assert refusal(load, "a-images.idx") == "a-images.idx: its header says 100 axes; images have at most 4"
    write(here / "a-images.idx", header(0, 2**32 - 1, 2**32 - 1, 2**32 - 1))
    assert "which no array can have" in refusal(load, "a-images.idx")


def test_idx_folders_refused(here):
    needs = "needs one IDX file of images, or one for training and one for testing; has"
    write(here / "a" / "x-labels.idx", idx(LABELS))
    assert refusal(load, "a") == f"a: {needs} none"
    for name in "x", "y":
        write(here / "a" / f"{name}-images.idx", idx(PIXELS))
    assert refusal(load, "a") == f"a: {needs} x-images.idx, y-images.idx"
    (here / "a" / "y-images.idx").unlink()
    write(here / "a" / "test-images.idx", idx(PIXELS[:, 1:]))
    write(here / "a" / "test-labels.idx", idx(LABELS))
    assert refusal(load, "a") == "a: images of the two parts differ: (1, 3, 2) and (1, 2, 2)"
