"""Expressions of a derivation as they are read on a terminal: `sum(k, exp(x[k]))**2` is `(Σk exp(x[k]))²`.

The same walk writes them with numbers: whoever calls gives the text of a name, and that of a sum.
"""

import ast
from collections.abc import Callable

from pullback.handbook.derivation.typesetting import runs_over, without_sign

ADD, SUM, DIVIDE, MULTIPLY, POWER, ATOM = range(1, 7)  # how firmly the parts of an expression hold together
RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

SIGNS: dict[type, str] = {
    ast.Eq: "=", ast.NotEq: "≠", ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥",
}  # fmt: skip

Leaf = Callable[[ast.expr], str | None]  # the text of a part, or None: as it is written


def tree(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def written(node: ast.expr, leaf: Leaf = lambda node: None, times: str = " ") -> str:
    """An expression as text; `leaf` may put other words in the place of a part."""
    return held(node, leaf, times)[0]


def held(node: ast.expr, leaf: Leaf, times: str) -> tuple[str, int]:
    """The text, and how firmly it holds together."""
    said = leaf(node)
    if said is not None:
        return said, ADD if " + " in said or said.startswith("-") else ATOM
    go = lambda part, least: bracketed(held(part, leaf, times), least)
    match node:
        case ast.BinOp(a, ast.Add(), b):
            return f"{go(a, ADD)} + {go(b, SUM)}", ADD
        case ast.BinOp(a, ast.Sub(), b):
            return f"{go(a, ADD)} - {go(b, SUM)}", ADD
        case ast.BinOp(a, ast.Mult() | ast.Div() as by, b) if positive := without_sign(a):
            return f"-{go(ast.BinOp(positive, by, b), SUM)}", ADD
        case ast.BinOp(ast.Constant(0), ast.Mult(), _):  # as many zeros as there are axes
            return "0", ATOM
        case ast.BinOp(a, ast.Mult(), b):
            last = isinstance(b, ast.Call)  # a sum at the end of a product needs no brackets
            return f"{go(a, MULTIPLY)}{times}{go(b, SUM if last else MULTIPLY)}", SUM if is_sum(b) else MULTIPLY
        case ast.BinOp(a, ast.Div(), b):
            return f"{go(a, MULTIPLY)} / {go(b, POWER)}", DIVIDE
        case ast.BinOp(a, ast.FloorDiv(), b):
            return f"⌊{go(a, MULTIPLY)} / {go(b, POWER)}⌋", ATOM
        case ast.BinOp(a, ast.Mod(), b):
            return f"{go(a, MULTIPLY)} mod {go(b, POWER)}", MULTIPLY
        case ast.BinOp(a, ast.Pow(), ast.Constant(int() as n)):
            return go(a, ATOM) + str(n).translate(RAISED), POWER
        case ast.BinOp(a, ast.Pow(), b):
            return f"{go(a, ATOM)}^{go(b, ATOM)}", POWER
        case ast.UnaryOp(ast.USub(), ast.BinOp(a, ast.FloorDiv(), b)) if positive := without_sign(a):
            return f"⌈{go(positive, MULTIPLY)} / {go(b, POWER)}⌉", ATOM
        case ast.UnaryOp(ast.USub(), a):
            return f"-{go(a, SUM)}", ADD
        case ast.Call(ast.Name("sum"), [*indices, body]):
            return f"Σ{' '.join(map(ast.unparse, indices))} {go(body, SUM)}", SUM
        case ast.Call(ast.Name("max" | "min" | "argmax" as name), [*over, body]) if runs_over(over, body):
            return f"{name}_{' '.join(map(ast.unparse, over))} {go(body, SUM)}", SUM
        case ast.Call(ast.Name("d"), [a, b]):
            return f"∂{go(a, ATOM)}/∂{go(b, ATOM)}", POWER
        case ast.Call(f, arguments):
            return (
                f"{'σ' if ast.unparse(f) == 'sigmoid' else ast.unparse(f)}({', '.join(go(a, 0) for a in arguments)})",
                ATOM,
            )
        case ast.IfExp(test, a, b):
            return f"{go(a, ADD)} if {condition(test, go)} else {go(b, 0)}", 0
        case ast.Compare(_, [by, *_]) if not isinstance(by, ast.Eq):
            return f"({condition(node, go)})", ATOM
        case ast.Compare():
            return f"({ast.unparse(node).replace(' ', '')})", ATOM
    return ast.unparse(node).replace(", ", ",").replace(" * ", "*").replace(" + ", "+").replace(" - ", "-"), ATOM


def condition(test: ast.expr, go: Callable[[ast.expr, int], str]) -> str:
    """What must hold, as a sentence."""
    match test:
        case ast.Compare(first, signs, rest):
            parts = (f" {SIGNS[type(by)]} {go(b, ADD)}" for by, b in zip(signs, rest))
            return go(first, ADD) + "".join(parts)
        case ast.BoolOp(by, parts):
            return (" and " if isinstance(by, ast.And) else " or ").join(condition(part, go) for part in parts)
        case ast.UnaryOp(ast.Not(), a):
            return f"not {condition(a, go)}"
    return go(test, ADD)


def bracketed(said: tuple[str, int], least: int) -> str:
    text, firmness = said
    return text if firmness >= least else f"({text})"


def is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sum"
