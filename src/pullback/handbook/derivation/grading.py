"""How well each line of a derivation is known to equal the line above it, by SymPy.

Both lines are written out in symbols for all values of the indices, at the first sizes at which SymPy can tell. The
value of a function is a symbol by itself, of which its slope alone is known; it is written out where that does not do.
"same" means that they are one expression, "exact" that their difference simplifies to 0, and "digits" that SymPy tells
us at no size: then the numbers remain, which agree to thirty digits. That takes SymPy a minute for all rules, so `make
docs` writes the grades down; a test compares them.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import islice, pairwise
from typing import Any

from pullback.handbook.derivation.arithmetic import Letters, Symbols
from pullback.handbook.derivation.checking import Instance, instances, points_of, values_at, values_of_lines
from pullback.handbook.derivation.errors import DerivationError, NoValue
from pullback.handbook.derivation.evaluation import Values
from pullback.handbook.derivation.inclusion import parse, spelled_out
from pullback.handbook.derivation.language import Chain, Derivation
from pullback.rule import Rule

GRADES = "same", "exact", "digits"  # the best one first
PATIENCE = 10_000  # terms of sums that are written out, for one example
LARGEST = 5_000  # parts of a difference that is simplified


def graded(rule: Rule) -> list[list[str]]:
    """The grades of all lines, chain by chain."""
    derivation = parse(rule.derivation)  # type: ignore[attr-defined]
    found = [["digits"] * len(chain.steps) for chain in derivation.chains]
    cases = derivation.cases or [{}]
    for case, symbols in [*((case, Letters) for case in cases), (cases[0], Symbols)]:
        if any("digits" in grades for grades in found):
            found = graded_at(case, symbols, rule, derivation, found)
    return found


def graded_at(
    case: dict[str, Any], symbols: type[Symbols], rule: Rule, derivation: Derivation, before: list[list[str]]
) -> list[list[str]]:
    """The same, where chains with a line that is not settled yet are tried at these sizes."""
    found = [["same" if "digits" in grades else "digits"] * len(grades) for grades in before]
    for instance in instances(rule, derivation, case, seed=0):
        values = values_at(derivation, instance, symbols(), PATIENCE)
        for chain, grades in zip(derivation.chains, found):
            if "same" in grades or "exact" in grades:
                grades[:] = map(worst, grades, grades_of(chain, values, instance))
    return [[min(pair, key=GRADES.index) for pair in zip(*pairs)] for pairs in zip(before, found)]


def grades_of(chain: Chain, values: Values, instance: Instance) -> list[str]:
    """Of its lines: the worst ones that the values of its indices give; a line that is not said here has none."""
    said = [values.holds(chain.when) and values.holds(step.when) for step in chain.steps]
    lines = Chain(chain.head, chain.target, [step for step, here in zip(chain.steps, said) if here])
    found = ["same"] * len(lines.steps)
    try:
        for env in points_of(chain, values):
            row = values_of_lines(values, lines, instance, env)
            found = [g if g == "digits" else worst(g, grade(a, b)) for g, (a, b) in zip(found, pairwise(row))]
    except (DerivationError, NoValue):  # too much to write out
        return ["digits"] * len(chain.steps)
    known = iter(found)
    return [next(known) if here else "digits" for here in said]


def worst(*grades: str) -> str:
    return max(grades, key=GRADES.index)


def grade(above: Any, here: Any) -> str:
    import sympy

    a, b = sympy.sympify(above), sympy.sympify(here)
    if a == b:
        return "same"
    difference = a - b
    parts = islice(sympy.preorder_traversal(difference), LARGEST + 1)
    return "exact" if sum(1 for _ in parts) <= LARGEST and is_zero(difference) else "digits"


def is_zero(difference: Any) -> bool:
    """The numerator of all terms together, multiplied out, has none left."""
    import sympy

    only = dict.fromkeys(("mul", "multinomial", "log", "basic", "power_base"), False)
    together = sympy.together(sympy.expand(difference, power_exp=True, **only))  # e^(a + b) as eᵃ eᵇ
    return bool(sympy.expand(sympy.fraction(together)[0]) == 0)


def written_down(text: str) -> list[list[str]]:
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
