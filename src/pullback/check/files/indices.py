"""Which parameters the code uses as indices: those that stand within brackets."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from textwrap import dedent
from typing import Any


def used_as_indices(code: Sequence[Any]) -> set[str]:
    """`x[i]`, `x[:, i]`, `x[i[1:]]`, `np.add.at(x, i, ...)`; but no `i` of a loop."""
    nodes = [node for each in code for node in ast.walk(tree_of(each))]
    targets = (node.target for node in nodes if isinstance(node, (ast.For, ast.comprehension)))
    turned = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {name for node in nodes for name in names_within(node)} - turned


def tree_of(value: Any) -> ast.AST:
    """Its text, if it is at hand."""
    try:
        return ast.parse(dedent(inspect.getsource(value)))
    except (OSError, SyntaxError, TypeError, ValueError):
        return ast.Module([], [])


def names_within(node: ast.AST) -> Iterator[str]:
    for index in indices_of(node):
        while isinstance(index, ast.Subscript):
            index = index.value
        if isinstance(index, ast.Name):
            yield index.id


def indices_of(node: ast.AST) -> list[ast.expr]:
    """What it indexes with, axis by axis."""
    match node:
        case ast.Subscript(slice=ast.Tuple(elts=several)):
            return several
        case ast.Subscript(slice=index):
            return [index]
        case ast.Call(func=ast.Attribute(attr="at"), args=[_, index, *_]):
            return [index]
    return []
