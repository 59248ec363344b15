"""Every line of every derivation is broken in turn: its sign, a factor, an index. `make mutations` counts.

A break that `verify` does not see has to be none: where (i==j) is not 0, y[j] is y[i]. SymPy proves that then.
"""

import ast
import sys
from collections import Counter
from functools import cache
from typing import NamedTuple

from pullback.handbook.derivation import DerivationError, Step, parse, spelled_out, verify
from pullback.handbook.derivation.arithmetic import FLOATS, Letters
from pullback.handbook.derivation.book import SAMPLE, book, texts
from pullback.handbook.derivation.checking import instances, points_of, retold, values_at
from pullback.handbook.derivation.grading import grade

TOLD = {*book(), *SAMPLE}
BOOK = {name: rule for name, rule in texts().items() if name in TOLD}
KINDS = "sign", "factor", "index"


class Break(NamedTuple):
    step: Step  # the line that was broken
    by: str  # what stands there now
    kind: str  # of KINDS
    text: str  # the derivation with it


def outcome(name, broken):
    """ "caught", "identity" if SymPy proves that nothing was broken, else "missed"."""
    if not holds(BOOK[name], broken.text):
        return "caught"
    return "identity" if is_identity(name, broken) else "missed"


def holds(rule, text):
    """Is the rule right with this derivation? Points are added, so that a relu that is off at one hides nothing."""
    try:
        return all(verify(retold(rule, text), seed=points, field=FLOATS, points=points) for points in (1, 4))
    except DerivationError:
        return False


def is_identity(name, broken):
    """By SymPy: for all values of the indices both lines are one expression, or their difference simplifies to 0."""
    derivation, values = written_out(name)
    chain = next(chain for chain in derivation.chains if broken.step in chain.steps)
    by = ast.parse(broken.by, mode="eval").body
    return all(
        grade(v.at(broken.step.tree, env), v.at(by, env)) != "digits" for v in values for env in points_of(chain, v)
    )


@cache
def written_out(name):
    rule = BOOK[name]
    derivation = parse(rule.derivation)
    known = instances(rule, derivation, (derivation.cases or [{}])[0], seed=0)
    return derivation, [values_at(derivation, instance, Letters()) for instance in known]


# How a line is broken.


def breaks(text):
    """Every line of a derivation, each time with one break in it."""
    text = spelled_out(text)
    derivation, lines = parse(text), text.split("\n")
    for step in (step for chain in derivation.chains for step in chain.steps):
        for by, kind in broken_formulas(step.text, derivation.ranges):
            when = f" when {step.when.text}" if step.when else ""
            line = f"  = {by}{when}  # {step.reason}"
            yield Break(step, by, kind, "\n".join([*lines[: step.line - 1], line, *lines[step.line :]]))


def broken_formulas(formula, ranges):
    """Doubled, negated, and with one part of it changed; and the kind of the break."""
    yield f"2*({formula})", "factor"
    yield f"-({formula})", "sign"
    for place, node in enumerate(ast.walk(ast.parse(formula, mode="eval"))):
        for kind, change in changes(node, ranges):
            tree = ast.parse(formula, mode="eval")
            change(list(ast.walk(tree))[place])
            yield ast.unparse(tree), kind


def changes(node, ranges):
    """What can be done to this part: the other sign, a square without one factor, another index of the same range."""
    match node:
        case ast.BinOp(op=ast.Add()):
            yield "sign", lambda node: setattr(node, "op", ast.Sub())
        case ast.BinOp(op=ast.Sub()):
            yield "sign", lambda node: setattr(node, "op", ast.Add())
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
            yield "factor", lambda node: setattr(node, "right", ast.Constant(1))
        case ast.Subscript(slice=key):
            for at, index in enumerate(keys(key)):
                for other in others(index, ranges)[:1]:
                    yield "index", lambda node, at=at, other=other: exchange(node, at, other)


def keys(key):
    return key.elts if isinstance(key, ast.Tuple) else [key]


def others(index, ranges):
    own = ranges.get(getattr(index, "id", None))
    return [other for other in ranges if own and ranges[other] == own and other != index.id]


def exchange(subscript, at, other):
    if isinstance(subscript.slice, ast.Tuple):
        subscript.slice.elts[at] = ast.Name(other)
    else:
        subscript.slice = ast.Name(other)


def main():
    found = Counter()
    for name, rule in BOOK.items():
        for broken in breaks(rule.derivation):
            found[broken.kind, known := outcome(name, broken)] += 1
            if known == "missed":
                print(f"{name}: {broken.step.text} as {broken.by}")
        print(f"\r{name:<60}", end="", file=sys.stderr)
    print(f"\r{len(BOOK)} texts\nbreak    tried  caught  identities  missed")
    for kind in KINDS:
        caught, identity, missed = (found[kind, known] for known in ("caught", "identity", "missed"))
        print(f"{kind:<7}{caught + identity + missed:>7}{caught:>8}{identity:>12}{missed:>8}")


if __name__ == "__main__":
    main()
