"""Folders of pictures by class, and texts."""

import sys

import numpy as np
import pytest
from readers import picture, refusal, write

from pullback.train.data import load, read_inputs


def test_folders_of_pictures(here):
    for i, name in enumerate(["b/1.png", "b/2.png", "a/deep/3.png", "a/4.bmp"]):
        picture(here / "set" / name, value=51 * i)
    write(here / "set" / "a" / "notes.md", "no picture")
    write(here / "set" / ".cache" / "x.png", "no picture")
    data = load("set")
    assert data.x.shape == (4, 1, 2, 3) and data.classes == ("a", "b") and data.t.tolist() == [0, 0, 1, 1]
    assert np.allclose(data.x[:, 0, 0, 0], [0.6, 0.4, 0, 0.2])
    assert data.source == "Read from set: 4 images in 2 folders."


def test_coloured_pictures(here):
    picture(here / "set/a/1.png", "RGB", value=(255, 0, 51))
    picture(here / "set/a/2.png", "RGBA", value=(255, 0, 51, 10))
    picture(here / "set/b/3.png", "L", value=51)
    data = load("set")
    assert np.allclose(data.x[:, :, 1, 2], [[1, 0, 0.2], [1, 0, 0.2], [0.2, 0.2, 0.2]])


def test_pictures_refused(here):
    (here / "set").mkdir()
    assert refusal(load, "set") == "set: needs one folder of images for each class, or MNIST's IDX files"
    picture(here / "set/a/1.png")
    picture(here / "set/a/2.png")
    assert refusal(load, "set") == "set: all images are in one folder: at least two classes are needed"
    (here / "set/b").mkdir()
    assert (
        refusal(load, "set") == "set/b: holds no images (.bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp)"
    )
    picture(here / "set/b/3.png", size=(4, 2))
    sizes = "set/a/1.png has 3 x 2 pixels, set/b/3.png has 4 x 2"
    assert refusal(load, "set") == f"all images must have one size, and pullback resizes none: {sizes}"
    picture(here / "set/b/3.png", "I;16")
    modes = "1, L, P, LA, RGB, RGBA"
    assert refusal(load, "set") == f"set/b/3.png: its pixels are of mode I;16; needs one of {modes}"
    write(here / "set/b/3.png", "no picture")
    assert refusal(load, "set") == (
        "set/b/3.png: not an image that can be read: cannot identify image file 'set/b/3.png'"
    )
    whole = (here / "set/a/1.png").read_bytes()
    write(here / "set/b/3.png", whole[:50])
    assert refusal(load, "set").startswith("set/b/3.png: not an image that can be read: ")


def test_without_pillow(here, monkeypatch):
    picture(here / "set/a/1.png")
    picture(here / "set/b/1.png")
    picture(here / "set/b/2.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    words = 'images are read by Pillow, which is not installed: pip install "pullback[images]"'
    assert refusal(load, "set") == words
    assert refusal(read_inputs, "set/a/1.png", (1, 2, 3)) == words


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_texts(here, name):
    write(here / name, "\ufeffé中\r\na🙂a\r")
    text = load(name)
    assert text.alphabet == "\naé中🙂" and text.codes.tolist() == [2, 3, 0, 1, 4, 1, 0]
    assert text.source == f"Read from {name}: 7 characters."


def test_texts_refused(here):
    write(here / "a.txt", "aaa")
    assert refusal(load, "a.txt") == "a.txt: a text needs at least two different characters"
    write(here / "a.txt", b"caf\xe9 ")
    assert refusal(load, "a.txt") == ("a.txt: is not UTF-8 (byte 0xe9 at position 3); save it with the encoding UTF-8")


def test_of_damaged_pictures_only_the_error_is_heard(here, recwarn):
    picture(here / "a.tif", size=(40, 40))
    whole = (here / "a.tif").read_bytes()
    for end in range(8, len(whole), 50):
        (here / "a.tif").write_bytes(whole[:end])
        assert "not an image that can be read" in refusal(read_inputs, "a.tif", (1, 40, 40))
    assert not recwarn.list
