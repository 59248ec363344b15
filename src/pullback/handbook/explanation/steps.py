"""The derivation, line by line, with the reader's numbers in it."""

import ast
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

from pullback.handbook import derivation
from pullback.handbook.explanation.evaluation import Unreadable, Values
from pullback.handbook.explanation.formula import tree, written
from pullback.handbook.words import say, texts
from pullback.handbook.written import number

LONG = 100  # letters of a line of numbers: of a longer one the value alone is shown
TERMS = 3  # of a sum that is written out


class Line(NamedTuple):
    text: str  # as it is read: ∂y[i]/∂x[j]
    latex: str
    reason: str
    values: list[str]  # with numbers in the place of letters, for each point of the chain


class Derived(NamedTuple):
    """A chain: what is derived, the lines that equal it, and the indices that all its numbers stand for."""

    head: Line
    lines: list[Line]
    point: str  # "j=0"


def derived(rule: Any, sizes: Mapping[str, Any], arrays: Mapping[str, Any], lang: str) -> list[Derived] | str:
    """The chains of a rule on these numbers, of the first example of a batch; the name of a text if there are none."""
    if not hasattr(rule, "derivation"):
        return "unwritten"
    own, index, lets, chains = derivation.parse(rule.derivation)
    arrays = {name: first_example(a, axes_of(rule, name), sizes) for name, a in arrays.items()}
    values = Values(arrays, *resized(rule.derivation, own, index, sizes), lets)
    return [
        *(defined(name, *let, values, lang) for name, let in lets.items()),
        *(chained(c, values, lang) for c in chains),
    ]


def axes_of(rule: Any, name: str) -> tuple[str, ...]:
    """The axes of an input, or of the gradient of an output."""
    known = {slot.name: slot.axes for slot in rule.inputs} | {f"g{slot.name}": slot.axes for slot in rule.outputs}
    return known[name]


def first_example(a: Any, axes: tuple[str, ...], sizes: Mapping[str, Any]) -> Any:
    """What stands at 0 on all axes of the batch: derivations do not name them."""
    place: list[Any] = []
    for axis in axes:
        if axis == "...":
            place += [0] * len(sizes.get("...", ()))
        elif axis.startswith("*"):
            place += [slice(None)] * len(sizes.get(axis[1:], ()))
        else:
            place.append(0 if re.fullmatch(r"b\d+", axis) else slice(None))
    return a[tuple(place)]


def resized(text: str, own: Mapping[str, int], index: Mapping[str, int], sizes: Mapping[str, Any]) -> tuple:
    """Sizes of axes and indices as the reader's arrays have them."""
    axes = {name: sizes[name] if isinstance(sizes.get(name), int) else size for name, size in own.items()}
    axis_of = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("for "):
            names, _, axis = line[4:].partition(" in ")
            axis_of |= dict.fromkeys(names.split(), axis.split("=")[0].strip())
    return axes, {name: axes[axis_of[name]] for name in index}


def defined(name: str, indices: tuple[str, ...], text: str, values: Values, lang: str) -> Derived:
    """A letter that the chains use: its definition, with the numbers of its first element."""
    letter = f"{name}[{','.join(indices)}]" if indices else name
    point = dict.fromkeys(indices, 0)
    head = Line(written(tree(letter)), derivation.latex(letter), "", [])
    return Derived(head, [line(text, say("explain.definition", lang), [point], values)], named(point))


def chained(chain: Any, values: Values, lang: str) -> Derived:
    texts = [chain.head, *(text for text, _ in chain.steps)]
    free = [name for name in dict.fromkeys(names_in(chain.head)) if name in values.index]
    points = chosen(free, texts, values)
    lines = [line(text, because(reason, lang), points, values) for text, reason in chain.steps]
    head = Line(written(tree(chain.head)), derivation.latex(chain.head), "", [])
    return Derived(head, lines, named(points[0]) if len(points) == 1 else "")


def because(reason: str, lang: str) -> str:
    """The reason in the reader's language, as far as it is known there."""
    known = texts().get(f"reasons.{reason}")
    return known[lang] if known else reason


def chosen(free: list[str], texts: list[str], values: Values) -> list[dict[str, int]]:
    """The indices to show numbers for: all 0; and where a line tells equal indices from others, two that differ."""
    first = dict.fromkeys(free, 0)
    compared = (pair for text in texts for pair in re.findall(r"\((\w+) ?== ?(\w+)\)", text))
    other = next((j for i, j in compared if i in free and j in free and values.index[j] > 1), None)
    return [first, first | {other: 1}] if other else [first]


def line(text: str, reason: str, points: list[dict[str, int]], values: Values) -> Line:
    node = tree(text)
    said = [with_numbers(node, point, values) for point in points]
    if len(points) > 1:
        said = [f"{named(point)}:  {text}" if text else "" for point, text in zip(points, said)]
    return Line(written(node), derivation.latex(text), reason, said)


def named(point: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={k}" for name, k in point.items())


def with_numbers(node: ast.expr, point: dict[str, int], values: Values) -> str:
    """`0.2689·(1 - 0.2689) = 0.1966`; what cannot be evaluated is left out."""
    try:
        exact = values.at(node, point)
        if not isfinite(exact):  # exp overflows where the code does not
            return ""
        value = number(exact)
        said = written(node, Numbers(point, values).leaf, "·")
    except Unreadable:
        return ""
    return f"= {value}" if said == value or len(said) > LONG else f"{said} = {value}"


class Numbers:
    """Puts numbers in the place of letters, and writes short sums out."""

    def __init__(self, env: Mapping[str, int], values: Values) -> None:
        self.env, self.values = env, values

    def leaf(self, node: ast.expr) -> str | None:
        match node:
            case ast.Subscript() | ast.Name() | ast.Compare() | ast.Call(ast.Name("d")):
                return number(self.values.at(node, self.env))
            case ast.Call(ast.Name("sum"), [*indices, body]):
                points = self.values.points(indices, self.env)
                if len(points) > TERMS:
                    return number(self.values.at(node, self.env))
                terms = [written(body, Numbers(p, self.values).leaf, "·") for p in points]
                return " + ".join(map(bracketed, terms)) if len(terms) > 1 else (terms or ["0"])[0]
        return None


def bracketed(term: str) -> str:
    """A term of a sum that is written out, in brackets if it begins with a sign or is a sum itself."""
    inner = term
    while inner != (inner := re.sub(r"\([^()]*\)", "", inner)):
        pass
    return f"({term})" if term.startswith("-") or " + " in inner or " - " in inner else term


def names_in(text: str) -> list[str]:
    """In the order in which they are written."""
    return re.findall(r"[a-zA-Z_]\w*", text)
