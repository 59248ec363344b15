"""Inputs for predictions: the same readers, without the classes."""

import numpy as np
from readers import LABELS, PIXELS, TABLE, idx, picture, refusal, write

from pullback.train.data import load, read_inputs


def test_inputs_from_tables_are_found_by_name(here):
    write(here / "f.csv", TABLE)
    write(here / "g.csv", "id,width,kind,length\nx1,2,rose,1\n")
    features = load("f.csv", target="kind").features
    assert read_inputs("f.csv", (2,), features).tolist() == [[1, 2.5], [3, -40], [5, 6]]
    assert read_inputs("g.csv", (2,), features).tolist() == [[1, 2]]
    write(here / "h.csv", "length,wide\n1,2\n")
    assert refusal(read_inputs, "h.csv", (2,), features) == (
        "h.csv: no column 'width' (did you mean 'wide'?); the columns are length, wide"
    )


def test_inputs_for_a_model_without_names_of_columns(here):
    write(here / "f.csv", "a,b\n1,2\n")
    assert read_inputs("f.csv", (2,)).tolist() == [[1, 2]]
    assert refusal(read_inputs, "f.csv", (3,)) == "f.csv: holds rows of 2 features; the model takes rows of 3 features"


def test_inputs_from_npz(here):
    images = (PIXELS / np.float32(255))[:, None]
    for arrays in (
        dict(x=PIXELS, t=LABELS),
        dict(anything=PIXELS),
        dict(x_train=PIXELS * 0, x_test=PIXELS, y_test=LABELS),
    ):
        np.savez(here / "a.npz", **arrays)
        assert np.array_equal(read_inputs("a.npz", (1, 3, 2)), images)
    words = "a.npz: holds images of 3 x 2 pixels (height x width) with 1 channel; the model takes "
    assert refusal(read_inputs, "a.npz", (6,)) == f"{words}rows of 6 features"
    assert refusal(read_inputs, "a.npz", (3, 3, 2)) == f"{words}images of 3 x 2 pixels (height x width) with 3 channels"
    np.savez(here / "a.npz", a=1, b=2)
    assert refusal(read_inputs, "a.npz", (6,)) == "a.npz: needs an array x; it has a, b"
    np.savez(here / "a.npz")
    assert refusal(read_inputs, "a.npz", (6,)) == "a.npz: needs an array x; it has none"


def test_inputs_from_npy(here):
    """One array is enough to predict from, and not to learn from."""
    np.save(here / "a.npy", PIXELS)
    assert np.array_equal(read_inputs("a.npy", (1, 3, 2)), (PIXELS / np.float32(255))[:, None])
    assert refusal(load, "a.npy").endswith("and their classes: np.savez('data.npz', x=np.load('a.npy'), t=...)")
    np.save(here / "a.npy", np.array([{}]), allow_pickle=True)
    for content in ((here / "a.npy").read_bytes(), b"rubbish", b""):
        write(here / "a.npy", content)
        assert refusal(read_inputs, "a.npy", (6,)).startswith("a.npy: no .npy file of numbers, or damaged: ")


def test_inputs_by_name():
    assert np.array_equal(read_inputs("digits", (1, 8, 8)), load("digits").x)


def test_a_text_is_no_input(here):
    write(here / "a.txt", "abc")
    for name in "text", "a.txt":
        assert refusal(read_inputs, name, (4,)) == f"{name}: holds a text; the model takes rows of 4 features"


def test_inputs_from_idx(here):
    images = (PIXELS / np.float32(255))[:, None]
    write(here / "mnist" / "t10k-images-idx3-ubyte", idx(PIXELS))  # no labels are needed
    assert np.array_equal(read_inputs("mnist/t10k-images-idx3-ubyte", (1, 3, 2)), images)
    assert np.array_equal(read_inputs("mnist", (1, 3, 2)), images)


def test_inputs_from_pictures(here):
    picture(here / "set/b.png", "RGB", value=(51, 51, 51))
    picture(here / "set/a.png", "L", value=255)
    one = read_inputs("set/b.png", (1, 2, 3))
    assert one.shape == (1, 1, 2, 3) and np.allclose(one, 0.2)
    assert np.allclose(read_inputs("set", (1, 2, 3))[:, 0, 0, 0], [1, 0.2])
    assert np.allclose(read_inputs("set", (3, 2, 3))[:, 2, 0, 0], [1, 0.2])
    assert refusal(read_inputs, "set/b.png", (1, 8, 8)) == (
        "set/b.png: holds images of 2 x 3 pixels (height x width) with 1 channel; "
        "the model takes images of 8 x 8 pixels (height x width) with 1 channel"
    )
    (here / "bare").mkdir()
    assert refusal(read_inputs, "bare", (1, 8, 8)) == "bare: holds no images"
