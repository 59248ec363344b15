"""A step in the words of the user's code, as far as its source is to be had."""

import ast
import linecache
from collections.abc import Sequence
from functools import lru_cache
from textwrap import shorten
from types import CodeType
from typing import Any

from pullback.check.steps.places import Place, is_step

LONG = 72  # letters of code
Span = tuple[int, int, int, int]  # line, its end, column, its end
NUMBERS = {"math", "len", "float", "int"}  # what gives one
LIBRARIES = {"np", "numpy", "torch", "xp", "F", "jnp", "anp", "scipy", "special"}  # beside what the file imports


def says(place: Place) -> str:
    """The step, and its line."""
    what = code(place) or operation(place)
    return f"{what} in line {span(place[1], place[2])[0]}" if is_step(place) else what


def operation(place: Place) -> str:
    """What it is called where there is no source."""
    name = str(place[0]).removesuffix(".reduce").removesuffix(" (vectorized)")
    return "sum" if place[0] == "add.reduce" else name


def line(code: CodeType, instruction: int) -> str:
    """As a traceback has it."""
    named = "" if code.co_name.startswith("<") else f", in {code.co_name}"
    return f"line {span(code, instruction)[0]}{named}"


def code(place: Place, operand: int = -1, count: int = 0) -> str:
    """The expression, or that of one of so many operands; nothing where the source is not to be had."""
    if not is_step(place):
        return ""
    nodes, libraries = tree(place[1])
    node = nodes.get(span(place[1], place[2]))
    if operand >= 0:
        operands = operands_of(node, count, libraries)
        node = operands[operand] if len(operands) == count else None
    return f"`{shorten(ast.unparse(node), LONG, placeholder=' …')}`" if node is not None else ""


def which(place: Place) -> str:
    """Which of several that read alike on one line, from the left."""
    (nodes, _), at = tree(place[1]), span(place[1], place[2])
    alike = [
        each for each in nodes if len(each) == 4 and each[0] == at[0] and reads(nodes[each]) == reads(nodes.get(at))
    ]
    words = "first", "second", "third"
    if len(alike) < 2 or at not in alike:
        return ""
    k = sorted(alike, key=lambda each: each[2:]).index(at)
    return f" (the {words[k]} of {len(alike)} on that line)" if k < len(words) else ""


def reads(node: Any) -> str:
    return ast.unparse(node) if node is not None else ""


def variable(place: Place, operand: int) -> str:
    """What the user calls the result."""
    if not is_step(place) or operand >= 0:
        return ""
    at, (nodes, _) = span(place[1], place[2]), tree(place[1])
    name = nodes.get((*at, "called"))
    return f"`{name}`" if name else ""


def operands_of(node: Any, count: int, libraries: set[str]) -> list[Any]:
    """Those that are arrays, as far as it can be told: a number is none where they are fewer."""
    match node:
        case ast.BinOp(left=left, right=right) | ast.AugAssign(target=left, value=right):
            found = [left, right]
        case ast.Compare(left=left, comparators=[right]):
            found = [left, right]
        case ast.UnaryOp(operand=only):
            found = [only]
        case ast.Call(func=ast.Attribute(value=own), args=arguments) if root(own) not in libraries:
            found = [own, *flat(arguments)]
            return found if len(found) == count else found[:1]
        case ast.Call(args=arguments):
            found = flat(arguments)
        case _:
            found = []
    return found if len(found) == count else [each for each in found if not isinstance(each, ast.Constant)]


def flat(arguments: Sequence[Any]) -> list[Any]:
    """With those in lists, without constants."""
    return [
        each
        for one in arguments
        for each in (one.elts if isinstance(one, (ast.List, ast.Tuple)) else [one])
        if not isinstance(each, ast.Constant)
    ]


def root(node: Any) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def index_code(place: Place, k: int) -> str:
    """The k-th of an index, as it is written."""
    match expression(place[1], place[2]):
        case ast.Subscript(slice=key) | ast.Call(args=[_, key, *_]):
            several = key.elts if isinstance(key, ast.Tuple) else [key]
            return f"`{ast.unparse(several[k])}`" if k < len(several) else ""
    return ""


def number_first(frame: Any) -> bool:
    """Does a number stand on the left of what is run there?"""
    node = expression(frame.f_code, frame.f_lasti)
    return isinstance(node, ast.BinOp) and is_number(node.left, frame)


def is_number(node: Any, frame: Any) -> bool:
    """As far as that can be told without running it."""
    match node:
        case ast.UnaryOp(operand=only):
            return is_number(only, frame)
        case ast.BinOp(left=left, right=right):
            return is_number(left, frame) and is_number(right, frame)
        case ast.Call(func=function):
            return root(function) in NUMBERS
        case ast.Subscript(value=ast.Attribute(attr="shape")):
            return True
        case _:
            return type(value_of(node, frame)) in (int, float)


def value_of(node: Any, frame: Any) -> Any:
    """Of a constant, a name, or an attribute of one."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Attribute(value=own, attr=name):
            return getattr(value_of(own, frame), name, None)
    return None


@lru_cache(1024)
def expression(code: CodeType, instruction: int) -> Any:
    return tree(code)[0].get(span(code, instruction))


def span(code: CodeType, instruction: int) -> Span:
    positions = list(code.co_positions())[instruction // 2]
    first, last, begin, end = (0 if each is None else each for each in positions)
    return first, last, begin, end


@lru_cache(32)
def tree(code: CodeType) -> tuple[dict[Any, Any], set[str]]:
    """All expressions of the file by where they stand, what they are called, and what it imports; nothing if it is
    another file by now."""
    try:
        nodes = list(ast.walk(ast.parse("".join(linecache.getlines(code.co_filename)))))
    except SyntaxError:
        return {}, set()
    if not any(begins(node, code) for node in nodes):
        return {}, set()
    some = (node for node in nodes if isinstance(node, (ast.expr, ast.AugAssign)))
    imports = (node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
    names = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    found: dict[Any, Any] = {place_of(each): each for each in some}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[*place_of(value), "called"] = name
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=several)):
                for each, value in zip(targets, several):
                    if isinstance(each, ast.Name):
                        found[*place_of(value), "called"] = each.id
    return found, names | LIBRARIES


def place_of(node: Any) -> Span:
    return node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0


def begins(node: Any, code: CodeType) -> bool:
    """Is it that of this code?"""
    if isinstance(node, ast.FunctionDef):
        lines = (node.lineno, *(each.lineno for each in node.decorator_list))
        return node.name == code.co_name and min(lines) == code.co_firstlineno
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return code.co_name.endswith(("comp>", "genexpr>")) and node.lineno == code.co_firstlineno
    return isinstance(node, ast.Module) and code.co_name == "<module>"
