"""How well each line of a derivation is known to equal the line above it.

Both lines are written out in symbols for all values of the indices, at the first sizes at which that tells. The value
of a function is a symbol by itself, of which its slope alone is known; it is written out where that does not do. "same"
means that SymPy finds one expression, "exact" that the difference of both simplifies to 0: multiplied out (see
polynomial.py), or by SymPy if there is something to divide by; of logarithms, that e to the difference simplifies to 1.
"digits" means that this tells at no size: then the numbers remain, which agree to thirty digits. `make docs` writes the
grades down, since they take minutes for all texts; a test compares them. Of a text that is not among those, and so long
that this would take minutes as well, digits alone are asked, at its first size; of the longest, nothing.
"""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import islice, pairwise
from typing import Any

from pullback.errors import MissingError
from pullback.handbook.derivation.arithmetic import Digits, Field, Letters, Polynomials, Symbols, wanted
from pullback.handbook.derivation.checking import (
    POINTS,
    Instance,
    check_instance,
    instances,
    points_of,
    retold,
    values_at,
    values_of_lines,
    verify,
)
from pullback.handbook.derivation.errors import DerivationError
from pullback.handbook.derivation.evaluation import FAILURES, Values
from pullback.handbook.derivation.inclusion import parse, spelled_out
from pullback.handbook.derivation.language import Chain, Derivation
from pullback.handbook.derivation.polynomial import Polynomial
from pullback.rule import Rule

Grades = list[list[str]]  # of all lines, chain by chain
GRADES = "same", "exact", "digits"  # the best one first
BRANCHES = re.compile(r"\b(max|min|abs|sign)\(|[<>]")  # where numbers decide, more than one point is asked
PATIENCE = 10_000  # terms of sums that are written out for one example; a tenth of it where the first size did not do
MANY = 30  # definitions of networks of several layers or directions, for which SymPy takes minutes
MOST = 200  # definitions of those whose lines are seen to agree while a reader waits: seconds
LARGEST = 5_000  # parts of a difference that is simplified


def graded(rule: Rule) -> Grades:
    """The grades of all lines, chain by chain."""
    wanted("sympy")
    derivation = parse(rule.derivation)  # type: ignore[attr-defined]
    found = [["digits"] * len(chain.steps) for chain in derivation.chains]
    first, *others = derivation.cases or [{}]
    found = graded_at(first, Polynomials, rule, derivation, found, found)
    if len(derivation.lets) > MANY:
        return found
    found = graded_at(first, Letters, rule, derivation, found, [["digits"]] * len(found))
    for case, field, patience in [*((case, Letters, PATIENCE // 10) for case in others), (first, Symbols, PATIENCE)]:
        if any("digits" in grades for grades in found):
            found = graded_at(case, field, rule, derivation, found, found, patience)
    return found


def graded_at(
    case: dict[str, Any], field: type[Field], rule: Rule, derivation: Derivation, before: Grades, open_: Grades,
    patience: int = PATIENCE,
) -> Grades:  # fmt: skip
    """The same, where chains that have a line that is not settled yet are tried at these sizes."""
    found = [["same" if "digits" in still else "digits"] * len(grades) for grades, still in zip(before, open_)]
    points = POINTS if BRANCHES.search(spelled_out(rule.derivation)) else 1  # type: ignore[attr-defined]
    for instance in instances(rule, derivation, case, 0, points):
        values = values_at(derivation, instance, field(), patience)
        for chain, grades, known in zip(derivation.chains, found, before):
            if set(grades) != {"digits"}:
                grades[:] = map(worst, grades, grades_of(chain, values, instance, known))
    return [[min(pair, key=GRADES.index) for pair in zip(*pairs)] for pairs in zip(before, found)]


def grades_of(chain: Chain, values: Values, instance: Instance, before: list[str]) -> list[str]:
    """Of its lines: the worst ones that the values of its indices give; a line that is not said here has none."""
    said = [values.holds(chain.when) and values.holds(step.when) for step in chain.steps]
    lines = Chain(chain.head, chain.target, [step for step, here in zip(chain.steps, said) if here])
    known = [g for g, here in zip(before, said) if here]
    found = ["same"] * len(lines.steps)
    try:
        for env in points_of(chain, values):
            row = values_of_lines(values, lines, instance, env)
            for k, (a, b) in enumerate(pairwise(row)):
                if found[k] != "digits":
                    found[k] = worst(found[k], grade(a, b, known[k] == "exact"))
    except (DerivationError, *FAILURES):  # too much to write out, or nothing that these symbols can do
        return ["digits"] * len(chain.steps)
    grades = iter(found)
    return [next(grades) if here else "digits" for here in said]


def worst(*grades: str) -> str:
    return max(grades, key=GRADES.index)


def grade(above: Any, here: Any, exact: bool = False) -> str:
    """Of one line by the one above; `exact`: that they are equal is known, if not one expression."""
    import sympy

    if isinstance(above, Polynomial) or isinstance(here, Polynomial):
        return "exact" if above == here else "digits"
    a, b = sympy.sympify(above), sympy.sympify(here)
    if a == b:
        return "same"
    if exact:
        return "exact"
    difference = a - b
    parts = islice(sympy.preorder_traversal(difference), LARGEST + 1)
    if sum(1 for _ in parts) > LARGEST:
        return "digits"
    rid_of_logarithms = sympy.exp(difference) - 1  # 0 for the same real numbers
    return "exact" if is_zero(difference) or difference.has(sympy.log) and is_zero(rid_of_logarithms) else "digits"


def is_zero(difference: Any) -> bool:
    """The numerator of all terms together, multiplied out, has none left."""
    import sympy

    only = dict.fromkeys(("mul", "multinomial", "log", "basic", "power_base"), False)
    together = sympy.together(sympy.expand(difference, power_exp=True, **only))  # e^(a + b) as eᵃ eᵇ
    return bool(sympy.expand(sympy.fraction(together)[0]) == 0)


def grades(rule: Rule, text: str) -> Grades:
    """The grades of one of the rule's derivations: those that `make docs` wrote down, of any other text found now.

    "ungraded" are the lines of such a text where there is no SymPy, "long" those of one that takes too long.
    """
    try:
        return written_down(text) or found_now(rule, text)
    except MissingError:
        return uniform("ungraded", parse(text))


@cache
def found_now(rule: Rule, text: str) -> Grades:
    """That lines agree to thirty digits has to be seen; where they do not, nothing is known of the text."""
    rule, known = retold(rule, text), parse(text)
    try:
        if len(known.lets) > MANY:
            return seen_in_digits(rule, known)
        found = graded(rule)
        assert all("digits" not in chain for chain in found) or verify(rule)
    except DerivationError:
        return uniform("unknown", known)
    return found


def seen_in_digits(rule: Rule, known: Derivation) -> Grades:
    """Of a text so long that a reader would wait for minutes: that its lines agree at its first size."""
    if len(known.lets) > MOST:
        return uniform("long", known)
    for instance in instances(rule, known, known.cases[0], 0):
        check_instance(known, instance, Digits())
    return uniform("digits", known)


def uniform(grade: str, known: Derivation) -> Grades:
    return [[grade] * len(chain.steps) for chain in known.chains]


def written_down(text: str) -> Grades:
    """The grades of a derivation's lines, chain by chain, as `make docs` found them; of an unknown text, none."""
    return [[next(g for g in GRADES if g[0] == letter) for letter in chain] for chain in known().get(mark(text), ())]


@cache
def known() -> dict[str, Sequence[str]]:
    """From the mark of a text to a word for each chain, with a letter for each line."""
    entries = tomllib.loads((files("pullback.handbook.derivation") / "grades.toml").read_text("utf-8"))
    return {entry["text"]: entry["lines"].split() for entry in entries.values()}


def mark(text: str) -> str:
    """By which a derivation is known, whatever its rule is called."""
    return sha256(spelled_out(text).encode()).hexdigest()[:12]
