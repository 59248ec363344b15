"""Data: what the readers read, what they refuse and in which words, how data are split and scaled."""

import gzip
import hashlib
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.errors import DataError, OptionError
from pullback.train.data import Dataset, Scaling, load, read_inputs, split

NO_REGRESSION = "to predict a quantity (regression) is not offered"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Tests work in a fresh directory, so that messages hold short paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


# Embedded data.


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


# Names and paths.

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


# Tables.


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "F.CSV"])
@pytest.mark.parametrize("change", [str, lambda s: "\ufeff" + s, lambda s: s.replace("\n", "\r\n").replace(",", " , ")])
def test_tables(here, name, change):
    write(here / name, change(TABLE))
    data = load(name, target="kind")
    assert data.x.tolist() == [[1, 2.5], [3, -40], [5, 6]] and data.x.dtype == np.float32
    assert data.t.tolist() == [0, 1, 0] and data.t.dtype == np.int64
    assert data.classes == ("rose", "tulip") and data.features == ("length", "width")
    assert data.source == f"Read from {name}: 3 rows, 2 features, classes from column 'kind'."


@pytest.mark.parametrize("mark", [";", "\t"])
def test_tables_with_other_marks_between_cells(here, mark):
    write(here / "f.csv", TABLE.replace(",", mark))
    assert load("f.csv", target="kind").x.tolist() == [[1, 2.5], [3, -40], [5, 6]]


def test_cells_of_odd_characters(here):
    write(here / "f.csv", 'a,"kind, or sort"\n1,"x ""y"", z"\n2,"two\nlines"\n3,"two\nlines"\n4,u\u2028v\x0cw\n')
    assert load("f.csv", target="kind, or sort").classes == ("two\nlines", "u\u2028v\x0cw", 'x "y", z')


@pytest.mark.parametrize(
    ("column", "classes", "t"),
    [
        ("10 9 10 -1", ("-1", "9", "10"), [2, 1, 2, 0]),  # whole numbers stand in the order of size
        ("1.0 0 1 0.0", ("0", "1"), [1, 0, 1, 0]),
        ("10 9 10 b", ("10", "9", "b"), [0, 1, 0, 2]),  # names in the order of the alphabet
        ("1_0 10 1_0 10", ("10", "1_0"), [1, 0, 1, 0]),
        ("1.5 2 b b", ("1.5", "2", "b"), [0, 1, 2, 2]),
    ],
)
def test_classes_of_a_table(here, column, classes, t):
    write(here / "f.csv", "a,t\n" + "".join(f"0,{cell}\n" for cell in column.split()))
    data = load("f.csv", target="t")
    assert (data.classes, data.t.tolist()) == (classes, t)


FEATURE = "features are numbers: fill it in, recode it, or leave the row or the column out"


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("a,b,t\n1,2,x\n1,2\n", "t", "f.csv, line 3: 2 cells, but the header has 3"),
        ('a,b,t\n"1\n",2,x\n1,2,x,y\n', "t", "f.csv, line 4: 4 cells, but the header has 3"),
        (
            "a,b,t\n1,2,x\n\n1,red,y\n1,2,x\n",
            "t",
            f"f.csv, line 4, column 'b': 'red' is not a finite number; {FEATURE}",
        ),
        ("a,b,t\n1,2,x\n1,,y\n1,2,x\n", "t", f"f.csv, line 3, column 'b': the cell is empty; {FEATURE}"),
        ("a,b,t\n1,2,x\nnan,2,y\n1,2,x", "t", f"f.csv, line 3, column 'a': 'nan' is not a finite number; {FEATURE}"),
        ("t,b\nx,-inf\ny,2\nx,1", "t", f"f.csv, line 2, column 'b': '-inf' is not a finite number; {FEATURE}"),
        ("t,b\nx,1e39\ny,2\nx,1", "t", f"f.csv, line 2, column 'b': '1e39' is not a finite number; {FEATURE}"),
        ("t,b\nx,1_000\ny,2\nx,1", "t", f"f.csv, line 2, column 'b': '1_000' is not a finite number; {FEATURE}"),
        ("a,b,t\n1,2,x\n", None, "f.csv: which column holds the classes? Say --target COLUMN; the columns are a, b, t"),
        ("size,kind\n1,2\n", "kin", "f.csv: no column 'kin' (did you mean 'kind'?); the columns are size, kind"),
        ("size,kind\n1,2\n", "class", "f.csv: no column 'class'; the columns are size, kind"),
        ("kind\n1\n", "kind", "f.csv: no column but 'kind': there is nothing to learn from"),
        ("a,t\n1,x\n2,x\n", "t", "f.csv: column 't' is 'x' in every row: at least two classes are needed"),
        ("a,t\n1,3\n2,3.0\n", "t", "f.csv: column 't' is 3 in every row: at least two classes are needed"),
        ("a,t\n1,x\n2,\n", "t", "f.csv, line 3: 't' is empty; leave the row out"),
        (
            "a,t\n1,2\n2,2.5\n3,2\n",
            "t",
            f"f.csv: column 't' holds 2.5: classes are names or whole numbers; {NO_REGRESSION}",
        ),
        (
            "a,t\n1,2\n2,nan\n3,2\n",
            "t",
            f"f.csv: column 't' holds nan: classes are names or whole numbers; {NO_REGRESSION}",
        ),
        (
            "a,t\n1,x\n2,y\n3,z\n",
            "t",
            f"f.csv: column 't' is different in every row: a class needs several examples; {NO_REGRESSION}",
        ),
        ("1,2,3\n4,5,6\n", "3", "f.csv: the first line is all numbers (1, 2, 3 …); it must name the columns"),
        (",a,t\n0,1,x\n", "t", "f.csv: column 1 has no name (pandas writes its index so: index=False)"),
        ("a,t,a\n0,1,x\n", "t", "f.csv: two columns are called 'a'"),
        ("a,t\n", "t", "f.csv: a header, but no rows"),
        ("a,t\n1,x\n2,\0\n", "t", "f.csv, line 3: holds a NUL byte: this is no text, or it is damaged"),
        ("\n\n", "t", "f.csv: the file is empty"),
        ('a,t\n1,"x\n2,y\n', "t", "f.csv, line 3: unexpected end of data"),
        (b"a,t\n1,\xff\n", "t", "f.csv: is not UTF-8 (byte 0xff at position 6); save it with the encoding UTF-8"),
        ("a,t".encode("utf-16"), "t", "f.csv: is not UTF-8 (byte 0xff at position 0); save it with the encoding UTF-8"),
    ],
)
def test_tables_refused(here, text, target, words):
    write(here / "f.csv", text)
    assert refusal(load, "f.csv", target=target) == words


def test_a_large_table(here):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(20_000, 20)), rng.integers(0, 3, 20_000)
    np.savetxt(here / "f.csv", np.c_[x, t], delimiter=",", header=",".join("abcdefghijklmnopqrstu"), comments="")
    data = load("f.csv", target="u")
    assert np.array_equal(data.x, x.astype(np.float32)) and np.array_equal(data.t, t)


def test_damaged_gzip(here):
    write(here / "f.csv.gz", TABLE * 100)
    whole = (here / "f.csv.gz").read_bytes()
    words = {
        whole[: len(whole) // 2]: "Compressed file ended before the end-of-stream marker was reached",
        b"no gzip": "Not a gzipped file (b'no')",
        whole[:-8] + b"\0" * 8: None,  # the check sum; its words hold numbers
    }
    for content, reason in words.items():
        (here / "f.csv.gz").write_bytes(content)
        found = refusal(load, "f.csv.gz", target="kind")
        assert found.startswith(f"f.csv.gz: a damaged gzip file: {reason or 'CRC check failed'}")


# .npz archives.


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
    "scale others, such as sequences [n t f], as with (x - x.min()) / (x.max() - x.min())"
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
        (dict(t=[0, 1, -1, 0]), "a.npz: t[2] is -1: classes are numbered from 0"),
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


# MNIST's IDX files.


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


# Pictures.


def picture(path, mode="L", size=(3, 2), value=51):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


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


# Texts.


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


# Inputs for predictions.


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


# Splits.


def labelled(counts):
    """A dataset with so many examples of each class, in mixed order; x holds the numbers of the rows."""
    t = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.arange(len(t), dtype=np.float32)[:, None]
    return Dataset("made", x, t, tuple(f"class {i}" for i in range(len(counts))), "made for a test")


COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=6).filter(lambda counts: max(counts) > 1)


@given(COUNTS, st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_splits_are_disjoint_complete_and_stratified(counts, seed, share):
    data = labelled(counts)
    train, test = split(data, seed, share)
    rows = [part.x[:, 0].astype(int) for part in (train, test)]
    assert sorted(np.concatenate(rows)) == list(range(len(data.t)))
    for part, found in zip((train, test), rows):
        assert np.array_equal(part.t, data.t[found]) and (np.diff(found) > 0).all()
        assert (part.name, part.classes, part.source) == (data.name, data.classes, data.source)
    held = np.bincount(test.t, minlength=len(counts))
    assert (abs(held - np.array(counts) * share) < 1).all()
    assert all(0 < h < n or n == 1 and h == 0 for h, n in zip(held, counts))


def test_a_share_is_no_seed():
    with pytest.raises(OptionError, match="seed must be a whole number from 0 up, got 0.5; the share .* is test=0.5"):
        split(labelled([5, 5]), 0.5)
    with pytest.raises(OptionError, match="seed must be a whole number from 0 up, got -1$"):
        split(labelled([5, 5]), -1)


@given(COUNTS, st.integers(0, 2**32))
def test_the_same_seed_makes_the_same_split(counts, seed):
    one, two = (split(labelled(counts), seed) for _ in range(2))
    assert all(np.array_equal(a.x, b.x) and np.array_equal(a.t, b.t) for a, b in zip(one, two))


@given(st.integers(0, 2**32))
def test_another_seed_makes_another_split(seed):
    one, two = (split(labelled([50, 50]), s)[1].x for s in (seed, seed + 1))
    assert not np.array_equal(one, two)


def test_a_split_stays_the_same_over_time():
    assert split(labelled([5, 5, 1]), seed=0, test=0.4)[1].x[:, 0].tolist() == [2, 5, 9, 10]


def test_splits_refused():
    with pytest.raises(OptionError, match=r"^split: test is the share held out, between 0 and 1; got 1$"):
        split(labelled([3, 3]), 0, test=1)
    assert refusal(split, labelled([1, 1]), 0) == (
        "made: no class has two examples, so that nothing is left to test on"
    )


def test_a_class_without_examples_is_no_obstacle():
    train, test = split(labelled([5, 0, 5]), 0)
    assert np.bincount(train.t).tolist() == [4, 0, 4] and np.bincount(test.t).tolist() == [1, 0, 1]


# Scaling.


def test_scaling():
    x = np.random.default_rng(0).normal(3, 5, size=(100, 4)).astype(np.float32)
    scaling = Scaling.fit(x)
    y = scaling.apply(x)
    assert y.dtype == scaling.mean.dtype == scaling.deviation.dtype == np.float32
    assert np.allclose(y.mean(0), 0, atol=1e-6) and np.allclose(y.std(0), 1, atol=1e-6)
    assert np.allclose(scaling.apply(x[:3]), (x[:3] - x.mean(0)) / x.std(0), atol=1e-5)
    assert np.array_equal(Scaling(**scaling._asdict()).apply(x), y)


@pytest.mark.parametrize("value", [0, 0.1, -1e30, 1e-40])
def test_scaling_of_a_constant_column_gives_zeros(value):
    x = np.c_[np.full(1000, value), np.arange(1000)].astype(np.float32)
    y = Scaling.fit(x).apply(x)
    assert np.array_equal(y[:, 0], np.zeros(1000)) and np.isfinite(y).all()


def test_scaling_of_a_column_whose_deviation_is_too_small_for_float32():
    x = np.array([[0.0], [1e-45]], np.float32)
    assert np.isfinite(Scaling.fit(x).apply(x)).all()
