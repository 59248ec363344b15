"""A change in words: as far as the source is there, in those of the user's code."""

import ast
import linecache
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from textwrap import shorten
from types import CodeType
from typing import Any

from pullback.check.mending.edits import Edit
from pullback.check.mending.known import Known
from pullback.check.mending.scene import BEGIN, END, Source, is_step
from pullback.check.steps.tape import Place, Step

LONG = 50  # letters of code
LARGE = 1000  # for a denominator
Span = tuple[int, int, int, int]  # line, its end, column, its end


def sentence(edit: Edit, steps: Sequence[Step], known: Known) -> str:
    """line 7: in `g * y`, x in the place of `y`"""
    i = edit.operand
    operand = code(edit.place, i) or called(known.called([each.operands[i] for each in steps])) or f"operand {i + 1}"
    other = "" if edit.other is None else named(edit.other)
    text = edit.says.format(step=step(edit.place), operand=operand, other=other)
    return f"{where(edit.place)}: {text}" if is_step(edit.place) else text


def where(place: Place) -> str:
    name = place[1].co_name
    return f"line {span(place)[0]}" + ("" if name.startswith("<") else f" of {name}")


def fraction(number: float) -> str:
    """1/5 for 0.2"""
    near = Fraction(number).limit_denominator(LARGE)
    return str(near) if abs(number - near) < 1e-8 * abs(number) else f"{number:.6g}"


def step(place: Place) -> str:
    if place[0] == BEGIN:
        return f"the gradient of {place[1]}, before all else,"
    if place[0] == END:
        return f"the gradient of {place[1]}, at the end,"
    return code(place) or operation(place)


def operation(place: Place) -> str:
    if place[0] == "setitem":
        return "what is written"
    return "the sum" if place[0] in ("add.reduce", "sum") else str(place[0]).removesuffix(".reduce")


def called(source: Source | None) -> str:
    if source is None:
        return ""
    words = {"input": "{}", "above": "the gradient of {}", "output": "the output {}"}
    return words[source.whose].format(source.name)


def named(source: Source) -> str:
    if source.turned:
        return f"{named(source._replace(turned=False))}, transposed,"
    if source.whose not in ("forward", "backward"):
        return called(source)
    place = source.name
    text = (
        code(place, source.operand)
        or f"what {'comes out of' if source.operand < 0 else 'goes into'} {operation(place)}"
    )
    return f"{text} ({where(place)})" if is_step(place) else text


def code(place: Place, operand: int = -1) -> str:
    """The expression, or that of an operand; nothing where the source is not to be had."""
    if not is_step(place):
        return ""
    node = tree(place[1]).get(span(place))
    node = node if operand < 0 else operand_of(node, operand)
    text = ast.unparse(node) if node is not None else ""
    return f"`{shorten(text, LONG, placeholder=' …')}`" if text else ""


def operand_of(node: Any, k: int) -> Any:
    match node:
        case ast.BinOp(left=left, right=right) | ast.AugAssign(target=left, value=right):
            return (left, right)[k]
        case ast.UnaryOp(operand=only):
            return only
        case ast.Compare(left=left, comparators=[right]):
            return (left, right)[k]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy")), args=args) if k < len(args):
            return args[k]
        case ast.Call(func=ast.Attribute(value=own)) if k == 0:
            return own
    return None


def span(place: Place) -> Span:
    positions = list(place[1].co_positions())[place[2] // 2]
    first, last, begin, end = (0 if each is None else each for each in positions)
    return first, last, begin, end


@lru_cache(8)
def tree(code: CodeType) -> dict[Span, Any]:
    """All expressions of the file by where they stand."""
    try:
        parsed = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return {}
    nodes = (node for node in ast.walk(parsed) if isinstance(node, (ast.expr, ast.AugAssign)))
    return {(each.lineno, each.end_lineno or 0, each.col_offset, each.end_col_offset or 0): each for each in nodes}
