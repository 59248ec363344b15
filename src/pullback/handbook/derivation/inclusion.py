"""`use lstm_cell[t] with h=P[t], w=w_l0`: a text takes over the lines of another rule's, once for every t.

All definitions come along, with t in front of their indices; what stands behind `with` gets another name. The gradient
of an input becomes a definition if it has a name there (`gh=gP`); otherwise it is a chain: one for every t, if the
input has an element for every t, and summed over t if all steps share it.
"""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from pullback.discovery import find
from pullback.door import configured
from pullback.handbook.derivation.language import Chain, Derivation, Text, keys, parsed

STATEMENT = re.compile(r"use (\w+)(?:\((.*?)\))?\[(\w+)\](?: as (\w+))? with (.*)")
SHARED, OWN, STATE = "every step adds its own share", "every step by itself", "one step back, as of the cell"


@lru_cache(64)
def parse(text: str) -> Derivation:
    """Read a derivation; DerivationError says line and column of what cannot be read."""
    return parsed(spelled_out(text))


@lru_cache(64)
def spelled_out(text: str) -> str:
    """The text with the lines of others that it uses: definitions where they are used, chains at the end."""
    lines: list[str] = []
    chains: list[str] = []
    for number, line in enumerate(text.strip("\n").splitlines(), 1):
        if line.split()[:1] == ["use"]:
            used = Used(Text(line.strip(), number, len(line) - len(line.lstrip())))
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + each for each in (*used.ranges(), *used.definitions())]
            chains += [indent + each for each in used.chains()]
        else:
            lines.append(line)
    return "\n".join([*lines, *chains])


class Used:
    """The text of another rule, in the words of the one that uses it."""

    def __init__(self, statement: Text) -> None:
        found = STATEMENT.fullmatch(statement.text)
        rule = find(found[1]) if found else None
        if not found or not hasattr(rule, "derivation"):
            raise statement.wrong("needs `use rule[t] with name=name, ...`, and a rule that has a derivation")
        options = {name: ast.literal_eval(value) for name, value in named(found[2] or "").items()}
        self.of = parsed(configured(rule, options).derivation)  # type: ignore[arg-type, attr-defined]
        self.index, self.suffix = found[3], f"_{found[4]}" if found[4] else ""
        self.names = named(found[5])

    def ranges(self) -> Iterator[str]:
        for letter, axis in self.of.ranges.items():
            if letter not in self.names:
                yield f"for {letter} in {axis}"

    def definitions(self) -> Iterator[str]:
        for let in self.of.lets.values():
            reason = f"  # {let.reason}" if let.reason else ""
            yield f"let {self.told(ast.parse(let.head, mode='eval').body)} = {self.told(let.body.tree)}{reason}"
        for chain in self.of.chains:
            if chain.target in self.names:
                indices = ",".join([self.index, *map(self.told, keys(chain.head.tree))])
                yield f"let {ast.unparse(self.names[chain.target])}[{indices}] = {self.last(chain)}  # {STATE}"

    def chains(self) -> Iterator[str]:
        for chain in self.of.chains:
            if chain.target and chain.target not in self.names:
                name, *indices = self.names[chain.target[1:]], *keys(chain.head.tree)
                timed = isinstance(name, ast.Subscript)
                key = ", ".join([self.index] * timed + [*map(self.told, indices)])
                yield f"vjp g{ast.unparse(name).partition('[')[0]}[{key}]"
                yield f"  = {self.last(chain)}  # {OWN}" if timed else f"  = {self.summed(chain)}  # {SHARED}"

    def last(self, chain: Chain) -> str:
        return self.told(chain.steps[-1].tree)

    def summed(self, chain: Chain) -> str:
        """The last line over all steps; a sum that is one already gets another index."""
        match chain.steps[-1].tree:
            case ast.Call(ast.Name("sum"), [*indices, body]):
                return f"sum({', '.join([self.index, *map(self.told, indices), self.told(body)])})"
        return f"sum({self.index}, {self.last(chain)})"

    def told(self, node: ast.expr) -> str:
        return ast.unparse(Renamed(self).visit(ast.parse(ast.unparse(node), mode="eval").body))


class Renamed(ast.NodeTransformer):
    """An expression of the other text in this one's words."""

    def __init__(self, used: Used) -> None:
        self.used = used

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        assert isinstance(node.value, ast.Name)
        own = [self.visit(key) for key in keys(node)]
        return self.element(node.value.id, own)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        letter = node.id in self.used.of.ranges
        return self.used.names.get(node.id, node) if letter else self.element(node.id, [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return ast.Call(node.func, [self.visit(part) for part in node.args], [])

    def element(self, name: str, own: list[ast.expr]) -> ast.expr:
        """An element of a definition, or of what an input became."""
        defined = name in self.used.of.lets
        found = self.used.names.get(name, ast.Name(name + self.used.suffix * defined))
        front = [ast.Name(self.used.index)] if defined else keys(found)
        bare = found.value if isinstance(found, ast.Subscript) else found
        places = [*front, *own]
        if not places:
            return bare
        return ast.Subscript(bare, ast.Tuple(places) if len(places) > 1 else places[0])


def named(arguments: str) -> dict[str, ast.expr]:
    """`h=P[t], w=w_l0` as names and what they stand for."""
    call = ast.parse(f"dict({arguments})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
