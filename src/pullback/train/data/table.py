"""Tables: .csv files with a header, numbers as features, one column of classes. Commas, semicolons or tabs between."""

import csv
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pullback.errors import DataError
from pullback.train.data import content
from pullback.train.data.dataset import Dataset
from pullback.train.data.examples import first, single
from pullback.train.data.labels import named, number, taken_for_classes
from pullback.train.data.nearest import nearest


class Table(NamedTuple):
    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]  # where each row ends in the file


def load(path: Path, target: str | None) -> Dataset:
    table = read(path)
    columns = ", ".join(table.header)
    if target is None:
        raise DataError(f"{path}: which column holds the classes? Say --target COLUMN; the columns are {columns}")
    if target not in table.header:
        raise DataError(f"{path}: no column {target!r}{nearest(target, table.header)}; the columns are {columns}")
    features = tuple(name for name in table.header if name != target)
    if not features:
        raise DataError(f"{path}: no column but {target!r}: there is nothing to learn from")
    column = f"{path}: column {target!r}"
    t, classes = named(labels(table, target), column)
    source = f"Read from {path}: {len(t):,} rows, {len(features)} features, classes from column {target!r}."
    source += taken_for_classes(classes, column)
    return Dataset(path.name, numbers(table, features), t, classes, source, features=features)


def inputs(path: Path, features: tuple[str, ...] = ()) -> np.ndarray:
    """The columns of these names, wherever they stand, and no other; all columns if the model knows no names."""
    table = read(path)
    if missing := [name for name in features if name not in table.header]:
        has = ", ".join(table.header)
        raise DataError(f"{path}: no column {missing[0]!r}{nearest(missing[0], table.header)}; the columns are {has}")
    return numbers(table, features or tuple(table.header))


def read(path: Path) -> Table:
    """Every row as long as the header; empty lines count for nothing."""
    text = content.text(path)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: holds a NUL byte: this is no text, or it is damaged")
    head = text.lstrip().partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
    if not found:
        raise DataError(f"{path}: the file is empty")
    (_, header), *rows = found
    check_header(path, header)
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: {len(row)} cells, but the header has {len(header)}")
    if not rows:
        raise DataError(f"{path}: a header, but no rows")
    return Table(path, header, [row for _, row in rows], [line for line, _ in rows])


def check_header(path: Path, header: list[str]) -> None:
    if all(map(is_number, header)):
        raise DataError(f"{path}: the first line is all numbers ({', '.join(header[:4])} …); it must name the columns")
    if "" in header:
        raise DataError(f"{path}: column {header.index('') + 1} has no name (pandas writes its index so: index=False)")
    if twice := [name for name in header if header.count(name) > 1]:
        raise DataError(f"{path}: two columns are called {twice[0]!r}")


def is_number(cell: str) -> bool:
    try:
        number(cell)
    except ValueError:
        return False
    return True


def labels(table: Table, target: str) -> list[str]:
    place = table.header.index(target)
    found = [row[place] for row in table.rows]
    if "" in found:
        raise DataError(f"{table.path}, line {table.lines[found.index('')]}: {target!r} is empty; leave the row out")
    return found


def numbers(table: Table, names: tuple[str, ...]) -> np.ndarray:
    """Columns as float32 [n f]."""
    places = [table.header.index(name) for name in names]
    x = single(np.array([[value_of(row[place]) for place in places] for row in table.rows]))
    wrong = ~np.isfinite(x)
    if place := first(wrong):
        i, k = place
        raise wrong_cell(table, table.lines[i], names[k], table.rows[i][places[k]], dict(zip(names, wrong.sum(0))))
    return x


def value_of(cell: str) -> float:
    """The number that a cell holds; nan if it is none."""
    try:
        return number(cell)
    except ValueError:
        return np.nan


def wrong_cell(table: Table, line: int, column: str, cell: str, wrong: dict[str, int]) -> DataError:
    """What the first wrong cell is, and how many each column has: who mends a table wants to know them all."""
    found = f"{cell!r} is not a finite number" if cell else "the cell is empty"
    all_of_them = ", ".join(f"{n} in {name!r}" for name, n in wrong.items() if n)
    advice = "features are numbers: fill it in, recode it, or leave the row or the column out"
    more = f" (such cells: {all_of_them})" if sum(wrong.values()) > 1 else ""
    return DataError(f"{table.path}, line {line}, column {column!r}: {found}; {advice}{more}")
