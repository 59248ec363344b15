"""A change in words: as far as the source is there, in those of the user's code."""

import ast
import linecache
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from textwrap import shorten
from types import CodeType
from typing import Any

from pullback.check.mending.edits import WRITING, Edit
from pullback.check.mending.known import Known
from pullback.check.mending.scene import BEGIN, END, Source, is_step
from pullback.check.steps.tape import Place, Tape

LONG = 50  # letters of code
LARGE = 1000  # for a denominator
Span = tuple[int, int, int, int]  # line, its end, column, its end
LIBRARIES = {"np", "numpy", "torch", "xp", "F", "jnp", "anp", "scipy", "special"}  # beside what the file imports


def sentence(edit: Edit, known: Known) -> str:
    """line 7: in `g * y`, x in the place of `y`"""
    place, i, steps = edit.place, edit.operand, known.scene.steps[edit.place]
    operand = code(place, i, len(steps[0].operands)) or called(known, [each.operands[i] for each in steps])
    other = "" if edit.other is None else named(edit.other, known)
    says = edit.says if is_step(place) else edit.says.replace("in {step}, {operand}", "{step}")  # one and the same
    text = says.format(step=step(place, known), operand=operand or f"operand {i + 1}", other=other)
    return f"{where(place, known.scene.tape)}: {text}" if is_step(place) else text


def where(place: Place, tape: Tape) -> str:
    """The line; of a function that is called from several, those as well."""
    at, others = line(place[1], place[2]), (each for each in tape.steps if each[:3] == place[:3] != each)
    if len(place) > 4 and any(others):
        return f"{at}, as called in {line(place[3], place[4])}"
    return at


def line(code: CodeType, instruction: int) -> str:
    named = "" if code.co_name.startswith("<") else f" of {code.co_name}"
    return f"line {span(code, instruction)[0]}{named}"


def fraction(number: float) -> str:
    """1/5 for 0.2"""
    near = Fraction(number).limit_denominator(LARGE)
    return str(near) if abs(number - near) < 1e-8 * abs(number) else f"{number:.6g}"


def step(place: Place, known: Known) -> str:
    if place[0] == BEGIN:
        return f"{above(place[1], known)}, before all else,"
    if place[0] == END:
        return f"the gradient of {place[1]}, at the end,"
    return code(place) or operation(place)


def operation(place: Place) -> str:
    if place[0] == WRITING:
        return "what is written"
    return "the sum" if place[0] in ("add.reduce", "sum") else str(place[0]).removesuffix(".reduce")


def above(output: str, known: Known) -> str:
    problem = known.scene.problem
    if problem.mode == "jvp":
        return f"the tangent of {output}"
    return "the gradient from above" if len(problem.outputs) == 1 else f"the gradient of {output} from above"


def called(known: Known, arrays: Sequence[Any]) -> str:
    """An input, an output, or a gradient from above, if these are one."""
    source = known.called(arrays)
    return named(source, known) if source is not None else ""


def named(source: Source, known: Known) -> str:
    if source.turned:
        return f"{named(source._replace(turned=False), known)}, transposed,"
    if source.whose == "input":
        return str(source.name)
    if source.whose == "above":
        return above(source.name, known)
    if source.whose == "output":
        one = len(known.scene.problem.outputs) == 1
        return "the output of forward" if one else f"the output {source.name} of forward"
    tape = known.scene.forward if source.whose == "forward" else known.scene.tape
    place, count = source.name, len(tape.steps[source.name][0].operands)
    what = f"what {'comes out of' if source.operand < 0 else 'goes into'} {operation(place)}"
    text = variable(place, source.operand) or code(place, source.operand, count) or what
    return f"{text} ({where(place, tape)})" if is_step(place) else text


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


def span(code: CodeType, instruction: int) -> Span:
    positions = list(code.co_positions())[instruction // 2]
    first, last, begin, end = (0 if each is None else each for each in positions)
    return first, last, begin, end


@lru_cache(8)
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
