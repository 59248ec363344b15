"""An explanation on a terminal: blue and orange cells where there are colours, numbers everywhere."""

import os
from collections.abc import Callable, Iterator
from math import isfinite, log10

import numpy as np
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from pullback.handbook import written
from pullback.handbook.explanation.parts import Bars, Formulas, Heat, Listed, Part, Rows, Section, Table, Words
from pullback.handbook.explanation.plain import plain
from pullback.handbook.explanation.steps import MARKS, Derived, Line
from pullback.handbook.pictures.bars import decades, size

Writing = Callable[[str], str]  # as it is, or in ASCII

PLUS, MINUS = (242, 142, 43), (91, 158, 230)  # as in the pictures
BLANK = Text(" ")  # a line
BLUE = "rgb(91,158,230)"
WIDTH = 100  # columns
LONGEST = 32  # bar, in letters
PALE = 0.15  # how much colour the smallest number has


def tell(sections: list[Section], ascii: bool = False) -> None:
    """Print: on a terminal with its colours, elsewhere as text, 100 columns wide where nobody says how wide it is."""
    console = Console(highlight=False)
    if console.is_terminal:
        show(sections, console, ascii)
    else:
        print(text(sections, console.width if "COLUMNS" in os.environ else WIDTH, ascii), end="")


def show(sections: list[Section], console: Console, ascii: bool = False) -> None:
    for section in sections:
        console.print(drawn(section, plain if ascii else str, console.width - 4, "=" if ascii else "─"))


def text(sections: list[Section], width: int = WIDTH, ascii: bool = False) -> str:
    """The same without colours, as text."""
    console = Console(width=width, color_system=None, force_terminal=False, highlight=False, legacy_windows=False)
    with console.capture() as capture:
        show(sections, console, ascii)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def drawn(section: Section, written_: Writing, width: int, mark: str) -> RenderableType:
    """A section under its title."""
    title = Text(written_(section.title), "bold")
    parts = [each for part in section.parts for each in rendered(part, written_, width)]
    parts = parts[:-1] if parts and parts[-1] is BLANK else parts
    return Group(
        title,
        Text(mark * min(title.cell_len, width), "bold"),
        *(Padding(each, (0, 0, 0, 2), expand=False) for each in parts),
        "",
    )


def rendered(part: Part, written_: Writing, width: int) -> Iterator[RenderableType]:
    match part:
        case Words(words, quiet, apart):
            yield Text(written_(words), "dim" if quiet else "")
            yield from [BLANK] * apart
        case Formulas(lines):
            yield from (BLANK, *(hanging(written_(line), width) for line in lines), BLANK)
        case Rows(rows):
            yield table(rows, written_)
        case Table(head, rows):
            yield headed(head, rows, written_)
        case Listed(items):
            yield listed(items, written_, width)
        case Bars():
            yield from bars(part, written_, width)
        case Heat():
            yield from heat(part, written_, width)
        case Derived(head, lines, point):
            yield Text.assemble((written_(head.text), "bold"), ("   " + point, "dim"))
            yield from (drawn for line in lines for drawn in step(line, written_, width))
            yield BLANK


def table(rows: list[tuple[str, ...]], written_: Writing) -> Grid:
    """Of four cells, the last one is a note, and stands behind the third."""
    found = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        cells = [Text(written_(cell)) for cell in row[:3]]
        if row[3:] and row[3]:
            cells[-1] = Text.assemble(cells[-1], "   ", (written_(row[3]), "dim"))
        found.add_row(*cells)
    return found


def headed(head: tuple[str, ...], rows: list[tuple[str, ...]], written_: Writing) -> Grid:
    found = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in head:
        found.add_column(written_(name), overflow="fold")
    for row in rows:
        found.add_row(*(Text(written_(cell)) for cell in row))
    return found


def bars(part: Bars, written_: Writing, width: int) -> Iterator[RenderableType]:
    """`name  0.54  ██████  note`, and what belongs below it."""
    if part.title:
        yield Text(written_(part.title), "bold")
    sizes = [size(bar.size) for bar in part.bars]
    low, high = decades([bar.size for bar in part.bars])
    side = max((cell_len(bar.name) for bar in part.bars), default=0)
    middle = max(map(len, sizes), default=0)
    room = max(
        8, min(LONGEST, width - side - middle - 4 - max((cell_len(bar.note) for bar in part.bars), default=0) - 2)
    )
    for bar, said in zip(part.bars, sizes):
        finite = bar.size and bar.size > 0 and isfinite(bar.size)
        length = max(1, round(room * (log10(bar.size) - low) / (high - low))) if finite else 0
        name = bar.name + " " * (side - cell_len(bar.name))
        drawn_ = (written_("█" * length) + " " * (room - length), BLUE)
        yield Text.assemble(written_(name), f"  {said:>{middle}}  ", drawn_, f"  {written_(bar.note)}")
        if bar.below:
            yield Padding(Text(written_(bar.below), "dim"), (0, 0, 0, side + 2))
    yield BLANK


def hanging(words: str, width: int) -> Text:
    """Words that are broken into lines by blanks, all but the first of which are indented."""
    lines = [""]
    for word in words.split(" "):
        if lines[-1].strip() and cell_len(f"{lines[-1]} {word}") > width:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return Text("\n".join(lines))


def listed(items: list[tuple[str, str]], written_: Writing, width: int) -> RenderableType:
    """What is said, and what comes out: side by side, or below each other where there is no room."""
    said = [(written_(says), written_(value)) for says, value in items]
    longest = lambda column: max(cell_len(line) for item in said for line in item[column].splitlines())
    if not said or longest(0) + longest(1) + 2 <= width:
        return table(said, str)
    return Group(*(Group(says, Padding(Text(value), (0, 0, 0, 4))) for says, value in said))


def step(line: Line, written_: Writing, width: int) -> Iterator[RenderableType]:
    """`= formula`, its reason at the right where there is room, and its value below."""
    mark = "  " + (written_(MARKS[line.grade]) or " ")
    formula, reason = Text("  = " + written_(line.text)), Text(written_(line.reason) + mark, "italic dim")
    gap = width - formula.cell_len - reason.cell_len
    if gap >= 2:
        yield Text.assemble(formula, " " * gap, reason)
    else:
        yield Padding(Text(written_("= " + line.text)), (0, 0, 0, 2))
        if line.reason:
            yield Padding(reason, (0, 0, 0, max(width - reason.cell_len, 0)))
    for value in filter(None, line.values):
        yield Padding(Text(written_(value), "cyan"), (0, 0, 0, 6))


def heat(part: Heat, written_: Writing, width: int) -> Iterator[RenderableType]:
    """A matrix with a coloured cell for each number; without its numbers where it is too wide."""
    yield Text(written_(part.title), "bold")
    block, matrix = part.block, part.block.matrix
    assert matrix is not None
    side = max(map(len, block.rows)) + 1
    for digits, labelled in ((4, True), (3, True), (2, False), (0, False)):
        texts = [[written.number(v, digits) if digits else written_(sign(v)) for v in row] for row in matrix]
        labels = block.columns if labelled else [""] * len(block.columns)
        cell = max(3, *(len(t) + 2 for row in texts for t in row), *(len(c) + 2 for c in labels))
        if side + cell * matrix.shape[1] <= width:
            break
    largest = np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0)
    if labelled:
        yield Text(" " * side + "".join(f"{name:>{cell - 1}} " for name in labels), "dim")
    for name, row, said in zip(block.rows, matrix, texts):
        cells = [(f"{t:>{cell - 1}} ", colour(v, largest)) for t, v in zip(said, row)]
        yield Text.assemble((f"{name:<{side}}", "dim"), *cells)
    if part.note:
        yield Text(written_(part.note), "dim")
    yield BLANK


def sign(value: float) -> str:
    return "0" if value == 0 else "+" if value > 0 else "-" if value < 0 else "?"


def colour(value: float, largest: float) -> str:
    """Black on blue or orange, the stronger the larger the number."""
    if not value or not largest or not np.isfinite(value):
        return ""
    share = PALE + (1 - PALE) * abs(value) / largest
    red, green, blue = (round(255 + (c - 255) * share) for c in (PLUS if value > 0 else MINUS))
    return f"rgb(0,0,0) on rgb({red},{green},{blue})"
