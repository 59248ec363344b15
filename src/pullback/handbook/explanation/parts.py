"""What an explanation is made of: sections, and parts that every way to show it draws in its own manner."""

from dataclasses import dataclass, field
from typing import NamedTuple

from pullback.handbook.explanation.content import Block
from pullback.handbook.explanation.steps import Derived


class Words(NamedTuple):
    """A sentence; `quiet` for what is said on the side, `apart` with a blank line below it."""

    text: str
    quiet: bool = False
    apart: bool = False


class Formulas(NamedTuple):
    lines: list[str]


class Rows(NamedTuple):
    """A table without a head."""

    rows: list[tuple[str, ...]]


class Table(NamedTuple):
    """A table with a head."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Listed(NamedTuple):
    """What is said, and what comes out."""

    items: list[tuple[str, str]]


class Heat(NamedTuple):
    title: str
    block: Block
    note: str = ""


class Bar(NamedTuple):
    name: str
    size: float | None  # None: there is none, and the note says why
    note: str = ""
    below: str = ""  # a line of its own


class Bars(NamedTuple):
    """Sizes on a logarithmic scale."""

    title: str
    bars: list[Bar]


Part = Words | Formulas | Rows | Table | Listed | Bars | Heat | Derived


@dataclass
class Section:
    title: str
    parts: list[Part] = field(default_factory=list)
