"""The derivation, line by line, with the reader's numbers."""

from typing import Any, NamedTuple


class Line(NamedTuple):
    text: str  # as it is read: ∂y[i]/∂x[j]
    latex: str
    reason: str
    value: str  # with numbers in the place of letters


class Derived(NamedTuple):
    """A chain: what is derived, and the lines that equal it."""

    head: Line
    lines: list[Line]


def derived(rule: Any, inputs: Any, lang: str) -> "list[Derived] | str":
    return "unwritten"
