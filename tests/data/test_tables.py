"""Tables: cells, marks between them, the column of classes, and what is refused in which words."""

import numpy as np
import pytest
from readers import NO_REGRESSION, TABLE, refusal, write

from pullback.train.data import load

TAKEN = f"taken for classes; {NO_REGRESSION}."


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
        ("9007199254740993 9007199254740992 -1.0 -1", ("-1", "9007199254740992", "9007199254740993"), [2, 1, 0, 0]),
        (f"{10**400} 1 1 {10**400}", ("1", str(10**400)), [1, 0, 0, 1]),
        ("1.5 2 b b", ("1.5", "2", "b"), [0, 1, 2, 2]),
    ],
)
def test_classes_of_a_table(here, column, classes, t):
    write(here / "f.csv", "a,t\n" + "".join(f"0,{cell}\n" for cell in column.split()))
    data = load("f.csv", target="t")
    assert (data.classes, data.t.tolist()) == (classes, t)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("3 8 5 3 8 5", f"The 3 different whole numbers, from 3 to 8, are taken for classes; {NO_REGRESSION}."),
        ("-1 1 -1 1", ""),  # two are classes, whatever they mean
        ("c3 c8 c5 c3", ""),
        (" ".join(map(str, [*range(1, 31), 1])), f"The 30 different whole numbers, from 1 to 30, are {TAKEN}"),
        (" ".join(map(str, [*range(0, 60, 3), 0])), f"The 20 different whole numbers, from 0 to 57, are {TAKEN}"),
    ],
)
def test_numbers_that_are_taken_for_classes_are_told(here, column, says):
    write(here / "f.csv", "a,t\n" + "".join(f"0,{cell}\n" for cell in column.split()))
    about = "1 features, classes from column 't'."
    assert load("f.csv", target="t").source.partition(about)[2].strip() == says


@pytest.mark.parametrize(
    "values",
    [range(18, 90), [*range(15), *range(60, 76)], range(-30, 30), [10**k for k in range(30)]],
    ids=["ages", "a wide gap", "temperatures", "prices"],
)
def test_numbers_that_look_like_a_quantity_are_refused(here, values):
    """Many, which nobody has numbered from 0 or 1: whoever means classes says so by names."""
    rows = [*values, values[0]]
    write(here / "f.csv", "a,t\n" + "".join(f"0,{value}\n" for value in rows))
    found = f"{len(values)} different whole numbers, from {values[0]} to {values[-1]}, which looks like a quantity"
    advice = f"if these are classes, number them from 0, or give them names, such as c{values[0]}"
    assert refusal(load, "f.csv", target="t") == f"f.csv: column 't' holds {found}; {NO_REGRESSION}; {advice}"
    write(here / "f.csv", "a,t\n" + "".join(f"0,c{value}\n" for value in rows))
    assert len(load("f.csv", target="t").classes) == len(values)


def test_a_class_may_be_missing_of_many(here):
    """As a letter that does not occur: nobody means a quantity by that."""
    rows = [k for k in range(26) if k != 16] * 2
    write(here / "f.csv", "a,t\n" + "".join(f"0,{k}\n" for k in rows))
    data = load("f.csv", target="t")
    assert len(data.classes) == 25 and "25 different whole numbers, from 0 to 25, are taken for classes" in data.source


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


def test_all_cells_that_are_no_numbers_are_counted(here):
    """Text in one column, gaps in another, as tables come: who mends one wants to know them all."""
    write(here / "f.csv", "age,sex,fare,t\n,f,1,x\n30,m,2,y\n,f,3,x\n")
    where = "f.csv, line 2, column 'age': the cell is empty"
    assert refusal(load, "f.csv", target="t") == f"{where}; {FEATURE} (such cells: 2 in 'age', 3 in 'sex')"


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
