"""The derivation, line by line, with the reader's numbers in it."""

import ast
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, Overflow, localcontext
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pullback.handbook import derivation
from pullback.handbook.derivation.checking import Instance, examples, values_at
from pullback.handbook.derivation.errors import NoValue, TooMuch
from pullback.handbook.derivation.evaluation import FAILURES, Values
from pullback.handbook.derivation.grading import grades
from pullback.handbook.derivation.language import Text
from pullback.handbook.derivation.wide import Doubles, Wide, context
from pullback.handbook.explanation.formula import tree, written
from pullback.handbook.words import say, texts
from pullback.handbook.written import number

LONG = 100  # letters of a line of numbers: of a longer one the value alone is shown
PATIENCE = 30_000  # terms of sums, for a whole derivation: seconds at the most
SEEN = 1e-3  # by so much numbers have to differ to look different: four digits are shown
BESIDE = "   (float64: "
FEW = 64  # elements of an output by which a derivation is known to speak of it
OVERFLOWS = 1e150  # as a square, in sums of some of them
TERMS = 4  # of a sum that is written out; of one with more, those that are not 0
MOST_POINTS, SHARE = 64, 0.1  # that are tried for one at which a line is not 0, and of the patience that is left
MARKS = {  # words.toml says what they mean
    "same": "≡", "exact": "✓", "digits": "≈", "unknown": "✗", "ungraded": "○", "long": "○", "": "",
}  # fmt: skip


class Line(NamedTuple):
    text: str  # as it is read: ∂y[i]/∂x[j]
    latex: str
    reason: str
    values: list[str]  # with numbers in the place of letters, for each point of the chain
    grade: str = ""  # how it is known to equal the line above: a key of MARKS; "" for a definition


class Derived(NamedTuple):
    """A chain: what is derived, the lines that equal it, and the indices that all its numbers stand for."""

    head: Line
    lines: list[Line]
    point: str  # "j=0"


class Told(NamedTuple):
    """A text at the reader's numbers: as mathematics has them, and as a program in float64 gets them."""

    values: Values
    doubles: Values


def derived(instance: Instance, lang: str) -> list[Derived] | str:
    """The chains of a rule on these numbers, of the first example of a batch; why there are none, in words."""
    with localcontext(context(instance.arrays.values())), np.errstate(all="ignore"):
        known = texts_of(instance.rule)
        found = ((text, told) for text in known if (told := spoken_of(text, instance)))
        text, told = next(found, ("", None))
        return chains(instance, text, told, lang) if told else unsaid(instance, known, lang)


def chains(instance: Instance, text: str, told: Told, lang: str) -> list[Derived]:
    said = told.values.derivation
    return [
        *(defined(let, told, lang) for let in said.lets.values()),
        *(
            chained(chain, of_lines, told, lang)
            for chain, of_lines in zip(said.chains, grades(instance.rule, text))
            if told.values.holds(chain.when)
        ),
    ]


def unsaid(instance: Instance, known: list[str], lang: str) -> str:
    """Why no text speaks of these numbers."""
    if not known:
        return say("explain.unwritten", lang)
    for first in islice(examples(instance, derivation.parse(known[0])), 1):
        for name, a in (first.arrays | first.outputs).items():
            if a is not None and not (finite := np.isfinite(a)).all():
                return say("explain.infinite", lang, name=name, value=number(np.asarray(a)[~finite][0]))
        for name, a in first.arrays.items():
            if a is not None and np.size(a) and (largest := np.abs(a).max()) >= OVERFLOWS:
                return say("explain.overflows", lang, name=name, value=number(largest))
    return say("explain.uncovered", lang)


def texts_of(rule: Any) -> list[str]:
    """The derivation of a rule, and those of inputs of which that does not speak."""
    return [rule.derivation, *getattr(rule, "further_derivations", ())] if hasattr(rule, "derivation") else []


def spoken_of(text: str, instance: Instance) -> Told | None:
    """What the text says of these numbers; None if it does not speak of them."""
    known = derivation.parse(text)
    first = next(examples(instance, known), None)
    if not first or any(np.isnan(a).any() for a in first.arrays.values() if a is not None):
        return None  # of nan no line is true
    try:
        values = values_at(known, first, Wide(), PATIENCE)
    except (NoValue, *FAILURES):  # axes of which it does not speak
        return None
    described = describes(values, first)
    values.patience = PATIENCE
    return Told(values, programmed(known, first)) if described else None


def programmed(known: derivation.Derivation, instance: Instance) -> Values:
    """Where outputs are those of the code, in whatever way it got them."""
    doubles = values_at(known, instance, Doubles(), PATIENCE)
    for name in instance.outputs.keys() & known.lets.keys():
        for key, y in islice(np.ndenumerate(instance.outputs[name]), PATIENCE):
            doubles.memo[name, key, None] = np.float64(y)
    return doubles


def describes(values: Values, instance: Instance) -> bool:
    """Does the derivation speak of these hyperparameters? Then its outputs are those of the rule."""
    try:
        return all(
            np.isclose(float(values.element(name, key, None)), y, rtol=1e-4, atol=1e-6, equal_nan=True)
            for name, outputs in instance.outputs.items()
            if name in values.derivation.lets
            for key, y in islice(np.ndenumerate(outputs), FEW)
        )
    except (Overflow, TooMuch):  # an exponential too large to be written down, or more terms than there is time for
        return True
    except (NoValue, *FAILURES):
        return False


def defined(let: derivation.Let, told: Told, lang: str) -> Derived:
    """A letter that the chains use: its definition, with the numbers of its first element."""
    point = first_of(let.indices, told.values)
    head = Line(written(tree(let.head)), derivation.latex(let.head), "", [])
    what = because(let.reason, lang) or say("explain.definition", lang)
    if size := size_of(let, told.values):
        return Derived(head, [Line(size, size, say("explain.size", lang, axis=let.body.text), [])], "")
    return Derived(head, [worded(line(let.body, what, [point], told), lang)], named(point))


def size_of(let: derivation.Let, values: Values) -> str:
    """The size of an axis, of which the definition is another name: `let T = t`; else ""."""
    axis = let.body.text
    known = (*values.derivation.lets, *values.arrays, *values.sizes.rule.options)
    bare = axis.isidentifier() and axis not in known
    return number(values.at(let.body.tree, {})) if bare else ""


def first_of(indices: Iterable[str], values: Values) -> dict[str, Any]:
    """The first value of each index, 0; of a group of axes in space the middle, which most windows see."""
    return {index: first_along(index, values) for index in indices}


def first_along(index: str, values: Values) -> Any:
    n = values.ranges.get(index)
    if not isinstance(n, tuple):
        return 0
    return tuple(0 if values.derivation.ranges[index] == "..." else (size - 1) // 2 for size in n)


def chained(chain: derivation.Chain, known: Iterable[str], told: Told, lang: str) -> Derived:
    values = told.values
    said = [(step, grade) for step, grade in zip(chain.steps, known) if values.holds(step.when)]
    texts = [chain.head, *(step for step, _ in said)]
    free = [name for name in dict.fromkeys(names_in(chain.head.text)) if name in values.ranges]
    points = chosen(free, [text.text for text in texts], values)
    steps = (line(step, because(step.reason, lang), points, told, grade) for step, grade in said)
    lines = [worded(step, lang) for step in steps]
    head = Line(written(chain.head.tree), derivation.latex(chain.head.text), "", [])
    return Derived(head, lines, named(points[0]) if len(points) == 1 else "")


def because(reason: str, lang: str) -> str:
    """The reason in the reader's language, as far as it is known there."""
    known = texts().get(f"reasons.{reason}")
    return known[lang] if known else reason


def chosen(free: list[str], texts: list[str], values: Values) -> list[dict[str, Any]]:
    """The indices to show numbers for: all 0; and where a line tells equal indices from others, two that differ."""
    first = telling(first_of(free, values), texts[-1], free, values)
    compared = (pair for text in texts for pair in re.findall(r"\((\w+) ?== ?(\w+)\)", text))
    several = lambda index: isinstance(values.ranges[index], int) and values.ranges[index] > 1
    other = next((j for i, j in compared if i in free and j in free and several(j)), None)
    return [first, first | {other: int(not first[other])}] if other else [first]


def telling(first: dict[str, Any], text: str, free: list[str], values: Values) -> dict[str, Any]:
    """The first indices at which the last line is not 0, if it is at these."""
    try:
        before = values.patience
        if values.at(tree(text), first):
            return first
        most = int(before * SHARE / max(before - values.patience, 1))
        points = islice(values.points(free, {}), min(most, MOST_POINTS))
        return next((point for point in points if values.at(tree(text), point)), first)
    except NoValue:
        return first


def line(text: Text, reason: str, points: list[dict[str, Any]], told: Told, grade: str = "") -> Line:
    node = text.tree
    said = [with_numbers(node, point, told) for point in points]
    if len(points) > 1:
        said = [f"{named(point)}:  {words}" if words else "" for point, words in zip(points, said)]
    return Line(written(node), derivation.latex(text.text), reason, said, grade)


def worded(line: Line, lang: str) -> Line:
    """The line, the words of its formula in the reader's language: `0 if x < 0 else 1`."""
    text, latex = line.text, line.latex
    for name, word in texts().items():
        if name.startswith("formulas."):
            text = text.replace(word["en"], word[lang])
        if name.startswith("latex."):
            latex = latex.replace(rf"\text{{{word['en']}}}", rf"\text{{{word[lang]}}}")
    return line._replace(text=text, latex=latex)


def named(point: Mapping[str, Any]) -> str:
    """i=0, p=1,2; an index over no axes is not told."""
    told = {name: ",".join(map(str, k)) if isinstance(k, tuple) else str(k) for name, k in point.items()}
    return ", ".join(f"{name}={k}" for name, k in told.items() if k)


def with_numbers(node: ast.expr, point: dict[str, Any], told: Told) -> str:
    """`0.2689·(1 - 0.2689) = 0.1966`; what cannot be evaluated is left out."""
    try:
        exact = told.values.at(node, point)
        if isinstance(exact, tuple):  # a place
            return f"= {','.join(map(str, exact))}"
        if not Decimal(exact).is_finite():
            return ""
        value = number(exact)
        said = written(node, Numbers(point, told.values).leaf, "·")
    except NoValue:
        return ""
    shown = f"= {value}" if said == value or len(said) > LONG else f"{said} = {value}"
    return shown + in_float64(node, point, told.doubles, float(exact))


def in_float64(node: ast.expr, point: dict[str, Any], doubles: Values, right: float) -> str:
    """What a program gets that computes the line as it stands, if that is not right; no program computes a ∂."""
    if any(isinstance(part, ast.Call) and ast.unparse(part.func) == "d" for part in ast.walk(node)):
        return ""
    try:
        found = float(doubles.at(node, point))
    except NoValue:
        return ""
    close = np.isfinite(found) and (not right or abs(found - right) <= SEEN * abs(right))
    return "" if close else f"{BESIDE}{number(found)})"


def goes_wrong(chains: Iterable[Derived]) -> bool:
    """Does float64 go wrong in any line?"""
    return any(BESIDE in value for chain in chains for line in chain.lines for value in line.values)


def lacks_numbers(chains: Iterable[Derived]) -> bool:
    return any(not value for chain in chains for line in chain.lines for value in line.values)


class Numbers:
    """Puts numbers in the place of letters, and writes short sums out."""

    def __init__(self, env: dict[str, Any], values: Values) -> None:
        self.env, self.values = env, values

    def leaf(self, node: ast.expr) -> str | None:
        match node:
            case ast.Subscript() | ast.Name() | ast.Compare() | ast.Call(ast.Name("d" | "max" | "min" | "argmax")):
                return self.told(node)
            case ast.IfExp(test, a, b):
                return written(a if self.values.at(test, self.env) else b, self.leaf, "·")
            case ast.Call(ast.Name("sum"), [*indices, body]):
                points = [*self.values.points([ast.unparse(i) for i in indices], self.env)]
                if len(points) > TERMS:
                    points = [point for point in points if self.values.at(body, point)]
                if len(points) > TERMS:
                    return self.told(node)
                terms = [written(body, Numbers(p, self.values).leaf, "·") for p in points]
                return " + ".join(map(bracketed, terms)) if len(terms) > 1 else (terms or ["0"])[0]
        return None

    def told(self, node: ast.expr) -> str:
        found = self.values.at(node, self.env)
        return ",".join(map(str, found)) if isinstance(found, tuple) else number(found)


def bracketed(term: str) -> str:
    """A term of a sum that is written out, in brackets if it begins with a sign or is a sum itself."""
    inner = term
    while inner != (inner := re.sub(r"\([^()]*\)", "", inner)):
        pass
    return f"({term})" if term.startswith("-") or " + " in inner or " - " in inner else term


def names_in(text: str) -> list[str]:
    """In the order in which they are written."""
    return re.findall(r"[a-zA-Z_]\w*", text)
