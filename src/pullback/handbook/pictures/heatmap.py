"""Heat maps: a matrix with a number in every cell, blue below zero and orange above."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.handbook.pictures.svg import drawn, element, outline, picture, short, width_of, write
from pullback.handbook.words import say
from pullback.handbook.written import number

ROW = 28  # the height of a cell that holds a number
DOT = 9  # the side of one that does not
NUMBERED = 16  # rows or columns: of more, cells are only coloured
MOST = 96  # rows or columns that are drawn at all
ROOM = 720  # as wide as a picture may be with all digits of its numbers; of a wider one, they get shorter
TIGHTER = (4, 14), (3, 12), (2, 8)  # digits, and the blank beside them


def heatmap(
    values: Any,
    title: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    description: str = "",
    lang: str = "en",
) -> str:
    """A matrix, or a vector as one row; `rows` and `columns` are what stands beside and above them.

    Numbers have four digits, or as few as two where the picture would be too wide for a page; its text has all four.
    Of more than 96 rows or columns, the first 96 are shown, and the picture says so.
    """
    values = np.atleast_2d(np.asarray(values, float))
    whole, values = values.shape, values[:MOST, :MOST]
    numbered = max(values.shape) <= NUMBERED
    texts, wide = fitting(values, columns)
    cell = (wide, ROW) if numbered else (DOT, DOT)
    left = max((width_of(r) for r in rows), default=0) + 12 if rows and numbered else 2
    top = 30 + (20 if columns and numbered else 4)
    width, height = left + cell[0] * values.shape[1] + 2, top + cell[1] * values.shape[0] + 2
    parts = [write(left, 18, title, font_weight="bold")]
    if numbered:
        parts += [write(left - 8, top + ROW * (i + 0.66), r, "soft", text_anchor="end") for i, r in enumerate(rows)]
        parts += [
            write(left + wide * (j + 0.5), top - 7, c, "soft", text_anchor="middle") for j, c in enumerate(columns)
        ]
    largest = np.abs(values[np.isfinite(values)]).max(initial=0)
    for i, j in np.ndindex(values.shape):
        x, y = left + cell[0] * j, top + cell[1] * i
        parts.append(coloured(x, y, *cell, values[i, j], largest))
        if numbered:
            parts.append(write(x + wide / 2, y + ROW * 0.66, texts[i][j], text_anchor="middle"))
    parts.append(outline(left, top, cell[0] * values.shape[1], cell[1] * values.shape[0]))
    if whole != values.shape:
        parts.append(write(left, height + 16, say("heatmap.cut", lang, rows=whole[0], columns=whole[1]), "soft"))
        height += 24
    width = max(width, left + width_of(title, 14) + 4)
    return picture(width, height, parts, title, description or described(values, whole, lang), lang)


def fitting(values: np.ndarray, columns: Sequence[str]) -> tuple[list[list[str]], float]:
    """The numbers as they stand in the cells, and the width of a cell."""
    for digits, blank in TIGHTER:
        texts = [[number(v, digits) for v in row] for row in values]
        wide = max([width_of(t) for t in (*columns, *(t for row in texts for t in row))], default=0) + blank
        if wide * values.shape[1] <= ROOM:
            break
    return texts, wide


def coloured(x: float, y: float, width: float, height: float, value: float, largest: float) -> str:
    """A cell, the more opaque the larger its value; what is not finite has no colour."""
    share = abs(value) / largest if largest and np.isfinite(value) else 0
    fill = drawn("plus" if value > 0 else "minus") | {"fill_opacity": f"{share:.2f}"} if share else {"fill": "none"}
    edge = {"stroke": "#8b949e", "stroke_opacity": "0.35"}
    return element("rect", x=short(x), y=short(y), width=short(width), height=short(height), **fill, **edge)


def described(values: np.ndarray, whole: tuple[int, ...], lang: str) -> str:
    """What the picture shows, in words and numbers."""
    size = {"rows": whole[0], "columns": whole[1]}
    if max(values.shape) > NUMBERED or not values.size:
        finite = values[np.isfinite(values)]
        low, high = (number(finite.min()), number(finite.max())) if finite.size else ("", "")
        return say("heatmap.range" if finite.size else "heatmap.empty", lang, **size, low=low, high=high)
    rows = "; ".join(" ".join(number(v) for v in row) for row in values)
    return say("heatmap.values", lang, **size, values=rows)
