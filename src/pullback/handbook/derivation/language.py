"""The language of derivations, read: text -> cases, ranges, definitions, chains. docs/derivations.md describes it.

Expressions are Python's, as far as `ALLOWED` goes, and are kept as its syntax trees.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pullback.handbook.derivation.errors import DerivationError

FUNCTIONS = "exp", "log", "tanh", "sigmoid", "sqrt", "sin", "cos", "erf", "abs", "sign", "place", "onto"
OVER_INDICES = "sum", "max", "min", "argmax"
CONSTANTS = "pi", "inf"
ALLOWED = (
    ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.USub, ast.Compare, ast.BoolOp, ast.And, ast.Or,
    ast.Not, ast.Subscript, ast.Tuple, ast.Call, ast.IfExp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod,
    ast.Pow, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    """An expression, and where it stands."""

    text: str
    line: int  # counted from 1, within the derivation
    column: int

    @cached_property
    def tree(self) -> ast.expr:
        try:
            tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            raise self.wrong(error.msg, (error.offset or 1) - 1) from None
        for node in ast.walk(tree):
            if not isinstance(node, ALLOWED):
                raise self.wrong(f"{type(node).__name__} is not part of the language", getattr(node, "col_offset", 0))
            if isinstance(node, ast.Call):
                self._function(node)
        return tree

    def _function(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in (*FUNCTIONS, *OVER_INDICES, "d"):
            known = ", ".join(("d", *OVER_INDICES, *FUNCTIONS))
            raise self.wrong(f"no function {name!r}; there are {known}", node.col_offset)

    def wrong(self, what: str, offset: int = 0) -> DerivationError:
        return DerivationError(f"line {self.line}, column {self.column + offset + 1}: {what}: {self.text}")


@dataclass(frozen=True)
class Step(Text):
    """A line of a chain that equals the line above it, and why; with a condition, at the sizes where that holds."""

    reason: str = ""
    when: Text | None = None


@dataclass(frozen=True)
class Let:
    """A definition: `let y[i] = ...`."""

    name: str
    indices: tuple[str, ...]
    body: Text
    reason: str = ""  # what it is

    @property
    def head(self) -> str:
        return f"{self.name}[{','.join(self.indices)}]" if self.indices else self.name


@dataclass
class Chain:
    """What is derived, and the lines that equal it."""

    head: Text
    target: str = ""  # "gx" when this chain is the vjp for input x
    steps: list[Step] = field(default_factory=list)
    when: Text | None = None  # it holds, the chain says something


@dataclass
class Derivation:
    """A text, taken apart."""

    cases: list[dict[str, Any]] = field(default_factory=list)  # sizes and hyperparameters at which it is checked
    ranges: dict[str, str] = field(default_factory=dict)  # index -> the axis over which it runs
    lets: dict[str, Let] = field(default_factory=dict)
    chains: list[Chain] = field(default_factory=list)

    @property
    def names_the_batch(self) -> bool:
        """Or does it speak of one example alone?"""
        return "..." in self.ranges.values()

    @cached_property
    def reach(self) -> dict[str, set[str]]:
        """What each definition depends on, through others as well."""
        direct = {name: names_in(let.body.tree) for name, let in self.lets.items()}
        return {name: reached(names, direct) for name, names in direct.items()}


def parsed(text: str) -> Derivation:
    """Read a derivation that uses no other."""
    found = Derivation()
    for number, line in enumerate(text.strip("\n").splitlines(), 1):
        body, _, reason = line.partition("#")
        if body.strip():
            read(body.rstrip(), reason.strip(), number, found)
    return found


def read(line: str, reason: str, number: int, found: Derivation) -> None:
    """One line, which begins with its kind of statement."""
    start = len(line) - len(line.lstrip())
    word = line.split()[0]
    at = Text(line.strip(), number, start)
    rest = lambda skip: (line[start + skip :].strip(), number, len(line) - len(line[start + skip :].lstrip()))
    match word:
        case "at":
            found.cases += [case(at, text) for text in line.strip()[2:].split(";")]
        case "for":
            letters, middle, axis = line.strip()[3:].partition(" in ")
            if not middle:
                raise at.wrong("needs `for letters in axis`")
            found.ranges.update(dict.fromkeys(letters.split(), axis.strip()))
        case "let":
            define(Text(*rest(3)), reason, found)
        case "=":
            if not found.chains:
                raise at.wrong("a line that equals the one above it, and there is none")
            text, when = conditional(Text(*rest(1)))
            found.chains[-1].steps.append(Step(text.text, text.line, text.column, reason, when))
        case "vjp":
            head = Text(*rest(3))
            found.chains.append(Chain(head, name_of(head)))
        case _:
            head, when = conditional(at)
            found.chains.append(Chain(head, when=when))


def conditional(text: Text) -> tuple[Text, Text | None]:
    """`expression`, or `expression when condition`."""
    body, middle, condition = text.text.partition(" when ")
    found = Text(body.rstrip(), text.line, text.column)
    when = Text(condition.strip(), text.line, text.column + len(body + middle)) if middle else None
    for part in filter(None, (found, when)):
        part.tree  # noqa: B018  (errors are found when the text is read)
    return found, when


def case(at: Text, text: str) -> dict[str, Any]:
    """`n=3, stride=2` as a dict."""
    try:
        call = ast.parse(f"dict({text})", mode="eval").body
        if isinstance(call, ast.Call) and not call.args:
            return {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
    except (SyntaxError, ValueError):
        pass
    raise at.wrong("needs sizes and hyperparameters, as in `at n=3, stride=2; n=1`")


def define(text: Text, reason: str, found: Derivation) -> None:
    left, equals, right = text.text.partition(" = ")
    if not equals:
        raise text.wrong("needs `let name[indices] = expression`")
    head = Text(left.strip(), text.line, text.column)
    body = Text(right.strip(), text.line, text.column + text.text.index(right.strip(), len(left) + 3))
    indices = [ast.unparse(part) for part in keys(head.tree)]
    if not all(index.isidentifier() for index in indices):
        raise head.wrong("the indices of a definition are letters")
    body.tree  # noqa: B018
    found.lets[name_of(head)] = Let(name_of(head), tuple(indices), body, reason)


def name_of(text: Text) -> str:
    """The name of `x`, or of `x[i,j]`."""
    node = text.tree.value if isinstance(text.tree, ast.Subscript) else text.tree
    if not isinstance(node, ast.Name):
        raise text.wrong("needs a name, or an element such as x[i]")
    return node.id


def reached(names: set[str], direct: Mapping[str, set[str]]) -> set[str]:
    """These names, and all to which they lead."""
    found: set[str] = set()
    ahead = {*names}
    while ahead:
        found |= ahead
        ahead = set().union(*(direct.get(name, ()) for name in ahead)) - found
    return found


def names_in(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def keys(node: ast.expr) -> list[ast.expr]:
    """The indices of an element; of a bare name, none."""
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
