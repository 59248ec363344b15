"""Archives of arrays: shapes, labels, an official test set, and what is refused in which words."""

import numpy as np
import pytest
from readers import LABELS, NO_REGRESSION, PIXELS, refusal, write

from pullback.errors import DataError
from pullback.train.data import load, split


@pytest.mark.parametrize(
    ("a", "b"), [("x", "t"), ("x", "y"), ("X", "y"), ("x_train", "y_train"), ("x_train", "t_train")]
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(here, save, a, b):
    save(here / "a.npz", **{a: PIXELS, b: LABELS})
    data = load("a.npz")
    assert np.array_equal(data.x, (PIXELS / np.float32(255))[:, None]) and data.x.dtype == np.float32
    assert data.t.tolist() == [1, 0, 0, 1] and data.classes == ("2", "7") and data.held_out is None


def test_npz_with_an_official_test_set(here):
    np.savez(here / "a.npz", x_train=PIXELS, y_train=LABELS, x_test=PIXELS[:2], y_test=[2, 7])
    data = load("a.npz")
    assert data.held_out.tolist() == [4, 5] and data.t.tolist() == [1, 0, 0, 1, 0, 1]
    train, test = split(data, seed=0)
    assert np.array_equal(train.x, data.x[:4]) and np.array_equal(test.x, data.x[4:])
    assert test.t.tolist() == [0, 1] and train.held_out is test.held_out is None


@pytest.mark.parametrize("train_pair", ["x t", "x y", "X y", "x_train t_train"])
@pytest.mark.parametrize("test_pair", ["x_test t_test", "x_test y_test", "X_test y_test"])
def test_npz_a_test_set_beside_any_pair_is_held_out(here, train_pair, test_pair):
    arrays = zip([*train_pair.split(), *test_pair.split()], [PIXELS, LABELS, PIXELS[:2], [2, 7]])
    np.savez(here / "a.npz", **dict(arrays))
    data = load("a.npz")
    assert data.held_out.tolist() == [4, 5] and data.t.tolist() == [1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("others", ["x_test", "t_test", "y_test t_test", "x_test X_test", "x_test t_test y_test"])
def test_npz_half_a_test_set_is_not_passed_over(here, others):
    np.savez(here / "a.npz", x=PIXELS, t=LABELS, **dict.fromkeys(others.split(), PIXELS))
    found = " and ".join(name for name in ("x_test", "X_test", "t_test", "y_test") if name in others.split())
    assert refusal(load, "a.npz") == f"a.npz: a test set is x_test and t_test, each once; it has {found}"


def test_npz_with_names_of_classes(here):
    np.savez(here / "a.npz", x=np.ones((4, 2)), t=[2, 0, 0, 2], classes=["ant", "bee", "cow"])
    assert load("a.npz").classes == ("ant", "bee", "cow") and load("a.npz").t.tolist() == [2, 0, 0, 2]
    np.savez(here / "a.npz", x=np.ones((4, 2)), t=["bee", "ant", "ant", "bee"])
    assert load("a.npz").classes == ("ant", "bee") and load("a.npz").t.tolist() == [1, 0, 0, 1]


def test_npz_of_a_quantity(here):
    """Numbers that are all whole may be one; not where `classes` gives them names."""
    t = np.repeat([18, 25, 31, 40, 66, *range(70, 90)], 2)
    np.savez(here / "a.npz", x=np.ones((50, 2)), t=t)
    assert refusal(load, "a.npz").startswith("a.npz: t holds 25 different whole numbers, from 18 to 89, which looks")
    np.savez(here / "a.npz", x=np.ones((50, 2)), t=t, classes=[f"age {k}" for k in range(90)])
    assert load("a.npz").source == "Read from a.npz: 50 examples."
    np.savez(here / "a.npz", x=np.ones((50, 2)), t=t % 3)
    assert load("a.npz").source.startswith("Read from a.npz: 50 examples. The 3 different whole numbers, from 0 to 2,")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float64, bool])
def test_npz_labels_of_any_whole_dtype(here, dtype):
    np.savez(here / "a.npz", x=np.ones((4, 2)), t=np.array([1, 0, 0, 1], dtype))
    assert load("a.npz").t.tolist() == [1, 0, 0, 1] and load("a.npz").classes == ("0", "1")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [("nf", "nf"), ("nhw", "nhw"), ("nchw", "nchw"), ("nhwc", "nchw"), ("nghw", "nghw"), ("nhwg", "nghw")],
)
def test_npz_shapes(here, shape, axes):
    sizes = dict(n=4, f=5, c=3, g=1, h=5, w=6)
    x = np.random.default_rng(0).uniform(size=[sizes[axis] for axis in shape]).astype(np.float32)
    np.savez(here / "a.npz", x=x, t=[0, 1, 0, 1])
    found = load("a.npz").x
    wanted = np.einsum(f"{shape}->{axes}", x)
    assert np.array_equal(found, wanted[:, None] if shape == "nhw" else wanted) and found.flags.c_contiguous


GOOD = dict(x=np.eye(4), t=[0, 1, 1, 0])
ONE_NAN = np.where(np.arange(20).reshape(4, 5) == 7, np.nan, 1)
PIXELS_ARE = (
    "pixels are uint8 (0 to 255), or numbers from 0 to 1; "
    "scale others, such as sequences [n t f], as with (x - low) / (high - low): two numbers for all data"
)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (dict(t=[0, 1, 0]), "a.npz: x has shape (4, 4), t has (3,); they need the same length"),
        (dict(t=3), "a.npz: x has shape (4, 4), t has (); they need the same length"),
        (dict(x=3.0), "a.npz: x has shape (), needs rows [n f] or images [n h w] or [n c h w]"),
        (dict(x=np.ones((0, 3)), t=[]), "a.npz: x has shape (0, 3), needs rows [n f] or images [n h w] or [n c h w]"),
        (dict(x=np.array([["a"]])), "a.npz: x holds <U1, needs numbers"),
        (dict(x=np.ones((4, 2), complex)), "a.npz: x holds complex128, needs numbers"),
        (dict(x=np.array([[{}]])), "a.npz: holds Python objects, which are never read; save arrays of numbers"),
        (dict(x=ONE_NAN), "a.npz: x[1, 2] is nan: needs finite float32 numbers"),
        (dict(x=np.full((4, 1), 1e39)), "a.npz: x[0, 0] is 1e+39: needs finite float32 numbers"),
        (
            dict(x=np.full((4, 2, 2), 16.0)),
            f"a.npz: x holds float64 from 16 to 16; {PIXELS_ARE}",
        ),
        (
            dict(x=np.full((4, 2, 2), -1)),
            f"a.npz: x holds int64 from -1 to -1; {PIXELS_ARE}",
        ),
        (dict(t=[0, 1, -1, 0]), f"a.npz: t[2] is -1: classes are numbered from 0; {NO_REGRESSION}"),
        (dict(t=[0, 1, 1.5, 0]), f"a.npz: t[2] is 1.5: classes are whole numbers; {NO_REGRESSION}"),
        (dict(t=[0, 1, np.inf, 0]), f"a.npz: t[2] is inf: classes are whole numbers; {NO_REGRESSION}"),
        (dict(t=[0, 1, np.nan, 0]), f"a.npz: t[2] is nan: classes are whole numbers; {NO_REGRESSION}"),
        (dict(t=np.ones(4, complex)), "a.npz: t holds complex128, needs class numbers"),
        (dict(classes=["a", "a"]), "a.npz: two classes are called 'a'"),
        (dict(classes=["only"]), "a.npz: t[1] is 1: there are 1 names, for 0 .. 0"),
        (dict(t=[0, 2, 1, 0], classes=["a", "b"]), "a.npz: t[1] is 2: there are 2 names, for 0 .. 1"),
        (
            dict(t=np.eye(4)),
            "a.npz: t has shape (4, 4), needs one class number for each example; "
            "rows with a one for the class become numbers by argmax(1)",
        ),
        (dict(t=np.ones((4, 1, 1))), "a.npz: t has shape (4, 1, 1), needs one class number for each example"),
        (dict(t=[3, 3, 3, 3]), "a.npz: t is 3 everywhere: at least two classes are needed"),
        (dict(t=[3, 1, 0, 2]), f"a.npz: t is different everywhere: a class needs several examples; {NO_REGRESSION}"),
    ],
)
def test_npz_refused(here, arrays, words):
    np.savez(here / "a.npz", **(GOOD | arrays))
    assert refusal(load, "a.npz") == words


@pytest.mark.parametrize(
    ("arrays", "has"), [(dict(a=1, t=[2]), "a, t"), ({}, "none"), (dict(x_train=1, t=2), "x_train, t")]
)
def test_npz_without_the_arrays(here, arrays, has):
    np.savez(here / "a.npz", **arrays)
    assert refusal(load, "a.npz") == f"a.npz: needs arrays x and t, or x_train and t_train; it has {has}"


def test_npz_whose_test_set_is_of_another_size(here):
    np.savez(here / "a.npz", x_train=PIXELS, y_train=LABELS, x_test=PIXELS[:, 1:], y_test=LABELS)
    assert refusal(load, "a.npz") == "a.npz: training and test examples differ: (1, 3, 2) and (1, 2, 2)"


def test_objects_are_never_unpickled(here):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    np.savez(here / "a.npz", x=np.eye(4), t=[0, 1, 1, 0], more=np.array([Trap()], dtype=object))
    assert refusal(load, "a.npz") == "a.npz: holds Python objects, which are never read; save arrays of numbers"


def test_a_single_number_is_no_test_set(here):
    np.savez(here / "a.npz", x_train=PIXELS, y_train=LABELS, x_test=3, y_test=LABELS)
    words = "needs rows [n f] or images [n h w] or [n c h w]"
    assert refusal(load, "a.npz") == f"a.npz: x_test has shape (), {words}"


def test_damaged_npz(here):
    np.savez_compressed(here / "a.npz", x=np.random.default_rng(0).uniform(size=(40, 9)), t=np.arange(40) % 3)
    whole = (here / "a.npz").read_bytes()
    for content in (whole[:500], b"no archive at all", np.arange(9).tobytes()):
        write(here / "b.npz", content)
        assert refusal(load, "b.npz") == "b.npz: the file is no .npz archive, or damaged"
    for start in range(0, len(whole) - 30, 97):  # whatever byte is hit: refused, or read as it was
        write(here / "b.npz", whole[:start] + bytes(b ^ 255 for b in whole[start : start + 8]) + whole[start + 8 :])
        try:
            assert np.array_equal(load("b.npz").x, load("a.npz").x)
        except DataError as error:
            assert str(error).startswith("b.npz: ")
