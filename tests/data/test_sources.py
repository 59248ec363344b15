"""Where data come from: embedded, or by a path; what is not there is guessed."""

import hashlib
import sys

import numpy as np
import pytest
from readers import LABELS, PIXELS, TABLE, idx, refusal, write

from pullback.train.data import load, read_inputs


@pytest.mark.parametrize(
    ("name", "shape", "levels", "pixels", "labels"),
    [
        ("digits", (1797, 1, 8, 8), 16, "8f26b2bd9d135c25", "8ba4f891220f5e4c"),
        ("mnist5k", (5000, 1, 28, 28), 255, "2913c6b6527114b7", "41b7b0a9d94690a3"),
    ],
)
def test_embedded_images_are_the_ones_described(name, shape, levels, pixels, labels):
    data = load(name)
    assert (data.name, data.x.shape, data.x.dtype, data.t.dtype) == (name, shape, np.float32, np.int64)
    assert data.classes == tuple("0123456789")
    assert data.held_out is None and "Licence: CC BY" in data.source
    whole = data.x * np.float32(levels)
    assert np.array_equal(whole, whole.round()) and (data.x.min(), data.x.max()) == (0, 1)
    fingerprints = [hashlib.sha256(a.astype(np.uint8).tobytes()).hexdigest()[:16] for a in (whole, data.t)]
    assert fingerprints == [pixels, labels]


def test_embedded_classes_are_as_many_as_the_sources_say():
    assert np.bincount(load("digits").t).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as UCI lists
    assert np.bincount(load("mnist5k").t).tolist() == [500] * 10


def test_the_text_is_pythons_own_documentation():
    text = load("text")
    characters = "".join(text.alphabet[i] for i in text.codes[:400])
    assert characters.startswith('The "assert" statement\n**********************\n')
    assert text.codes.dtype == np.int64 and len(text.codes) > 300_000
    assert text.alphabet == "".join(sorted(set(text.alphabet))) and text.alphabet.isascii()
    assert "PSF" in text.source and load("text").codes.tolist() == text.codes.tolist()


def test_a_python_without_documentation_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data", None)
    monkeypatch.delitem(sys.modules, "pydoc_data.topics", raising=False)
    assert refusal(load, "text") == (
        "text: this Python comes without its documentation topics (pydoc_data; some systems leave them out); "
        "give a text of your own: pullback train FILE.txt"
    )


FORMATS = ".npz, .csv, .txt, IDX files (train-images-idx3-ubyte), a folder of IDX files, a folder of images by class"


def test_what_does_not_exist_is_guessed(here):
    write(here / "flowers.csv", TABLE)
    end = f"; there are digits, mnist5k, text, or give a path to {FORMATS}"
    assert refusal(load, "digit") == f"no such file or data: digit (did you mean 'digits'?){end}"
    assert refusal(load, "flower.csv") == f"no such file or data: flower.csv (did you mean 'flowers.csv'?){end}"
    assert refusal(load, "nowhere/q.z") == f"no such file or data: nowhere/q.z{end}"
    assert refusal(read_inputs, "flower.csv", (2,)).startswith("no such file or data: flower.csv (did")


def test_unknown_extensions(here):
    write(here / "a.xlsx", "x")
    write(here / "b", "x")
    assert refusal(load, "a.xlsx") == f"a.xlsx: files ending in '.xlsx' are not read; {FORMATS} are"
    assert refusal(load, "b") == f"b: files without an extension are not read; {FORMATS} are"
    assert refusal(read_inputs, "a.xlsx", (2,)) == f"a.xlsx: files ending in '.xlsx' are not read; {FORMATS} are"


@pytest.mark.parametrize("name", ["e.npz", "e.csv", "e.csv.gz", "e.txt", "e-images-idx3-ubyte"])
def test_empty_files(here, name):
    write(here / name, "")
    write(here / "e-labels-idx1-ubyte", idx([1]))
    assert refusal(load, name, target="t" if "csv" in name else None) == f"{name}: the file is empty"


def test_a_gz_file_of_no_bytes_is_empty_too(here):
    (here / "e.csv.gz").write_bytes(b"")
    assert refusal(load, "e.csv.gz", target="t") == "e.csv.gz: the file is empty"


def test_a_target_belongs_to_tables(here):
    np.savez(here / "a.npz", x=np.ones((3, 2)), t=[0, 1, 1])
    for name in "a.npz", "digits", ".":
        assert refusal(load, name, target="kind") == f"--target names a column of a .csv file; {name} is none"


def test_a_directory_called_like_embedded_data_is_reached_by_its_path(here):
    write(here / "digits" / "a-images-idx3-ubyte", idx(PIXELS))
    write(here / "digits" / "a-labels-idx1-ubyte", idx(LABELS))
    assert len(load("digits").t) == 1797 and len(load("./digits").t) == 4
