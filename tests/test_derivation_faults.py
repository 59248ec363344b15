"""Every line of every derivation is broken in turn: a sign, a factor, a square, an index. Each break is caught.

Some breaks break nothing: where (i==j) is not 0, y[j] is y[i]. Those SymPy has to prove equal to the line itself; and
the few that are no exchange of indices stand here by name.
"""

import ast
from dataclasses import fields
from functools import cache
from typing import NamedTuple

import pytest

from pullback.handbook.derivation import DerivationError, Step, parse, spelled_out, verify
from pullback.handbook.derivation.arithmetic import FLOATS, Letters
from pullback.handbook.derivation.book import networks, texts
from pullback.handbook.derivation.checking import instances, points_of, values_at
from pullback.handbook.derivation.grading import grade

BOOK = texts() | networks()

DEVIATIONS = "deviations from the mean sum to 0: (j==k) alone stays, whatever is added to it"
SLOPES = "(j==k) - 1/N sums to 0 over k: x[k] alone stays, whatever is added to it"
TRUE = {
    "sum(k, 2 * (x[e, k] - mean[e]) * ((j == k) + 1 / N)) / N": DEVIATIONS,
    "sum(k, 2 * (x[e, k] + mean[e]) * ((j == k) - 1 / N)) / N": SLOPES,
    "sum(a, s, 2 * (x[a, c, s] - mean[c]) * ((a == f) * (s == q) + 1 / N)) / N": DEVIATIONS,
    "sum(a, s, 2 * (x[a, c, s] + mean[c]) * ((a == f) * (s == q) - 1 / N)) / N": SLOPES,
}


class Break(NamedTuple):
    step: Step  # the line that was broken
    by: str  # what stands there now
    exchanged: bool  # one index for another
    text: str  # the derivation with it


@pytest.mark.parametrize("name", BOOK)
def test_every_broken_line_is_caught(name):
    tried = list(breaks(BOOK[name].derivation))
    uncaught = [broken for broken in tried if holds(BOOK[name], broken.text)]
    assert len(tried) > 2
    assert [broken.by for broken in uncaught if not broken.exchanged and broken.by not in TRUE] == []
    assert [broken.by for broken in uncaught if not is_identity(name, broken)] == []


def test_breaks_that_are_said_to_be_true_are_tried():
    tried = {broken.by for rule in BOOK.values() for broken in breaks(rule.derivation)}
    assert set(TRUE) <= tried and len(tried) > 2000


def holds(rule, text):
    """Is the rule right with this derivation? Points are added, so that a relu that is off at one hides nothing."""
    changed = type(type(rule).__name__, (type(rule),), {"derivation": text})
    options = {f.name: getattr(rule, f.name) for f in fields(rule)}
    try:
        return all(verify(changed(**options), seed=points, field=FLOATS, points=points) for points in (1, 4))
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
        for by, exchanged in broken_formulas(step.text, derivation.ranges):
            when = f" when {step.when.text}" if step.when else ""
            line = f"  = {by}{when}  # {step.reason}"
            yield Break(step, by, exchanged, "\n".join([*lines[: step.line - 1], line, *lines[step.line :]]))


def broken_formulas(formula, ranges):
    """Doubled, negated, and with one part of it changed; and whether that exchanges indices."""
    yield f"2*({formula})", False
    yield f"-({formula})", False
    for place, node in enumerate(ast.walk(ast.parse(formula, mode="eval"))):
        for change in changes(node, ranges):
            tree = ast.parse(formula, mode="eval")
            change(list(ast.walk(tree))[place])
            yield ast.unparse(tree), isinstance(node, ast.Subscript)


def changes(node, ranges):
    """What can be done to this part: the other sign, no square, another index that has the same range."""
    match node:
        case ast.BinOp(op=ast.Add()):
            yield lambda node: setattr(node, "op", ast.Sub())
        case ast.BinOp(op=ast.Sub()):
            yield lambda node: setattr(node, "op", ast.Add())
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
            yield lambda node: setattr(node, "right", ast.Constant(1))
        case ast.Subscript(slice=key):
            for at, index in enumerate(keys(key)):
                for other in others(index, ranges)[:1]:
                    yield lambda node, at=at, other=other: exchange(node, at, other)


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
