"""What letters and signs mean, said before they are used. What is typed stands in backquotes."""

import re
from collections.abc import Iterable

from pullback.handbook.derivation import parse
from pullback.handbook.explanation.content import Content
from pullback.handbook.explanation.steps import MARKS, Derived
from pullback.handbook.words import say

NAMED = "padding_before", "before", "step", "factor", "rows", "place", "onto"  # words.toml says what they are
SIGNS = {  # of a signature
    "axes": r"\[", "batch": r"\.\.\.", "group": r"[\[ ]\*[a-z]", "default": r"\]=", "parameters": ";",
    "bounds": r"\]>", "integers": r"\bint ", "constants": r"\bconst ",
}  # fmt: skip


def of_shapes(e: Content) -> list[str]:
    """Of a signature and its gradients."""
    x, y = (next((a.name for a in arrays if a.differentiable), "") for arrays in (e.inputs, e.outputs))
    gradients = say("notation.gradients", e.lang, x=x, y=y) if x and y else ""
    met = (say(f"notation.{name}", e.lang) for name, sign in SIGNS.items() if re.search(sign, e.rule.signature))
    return [sentences([part], e.lang) for part in (gradients, listed(met, e.lang)) if part]


def of_derivation(e: Content) -> list[str]:
    """Of its indices, of equations in a product, of names that it does not define, and of the marks of its lines."""
    delta = say("notation.delta", e.lang) if compares(e) else ""
    letters = sentences([indices(e), delta, names(text_of(e), e.lang)], e.lang)
    return [told for told in (letters, marks(e)) if told]


def text_of(e: Content) -> str:
    return str(e.rule.derivation)  # type: ignore[attr-defined]


def formulas(e: Content) -> list[str]:
    chains = [chain for chain in e.derivation if isinstance(chain, Derived)]
    return [line.text for chain in chains for line in (chain.head, *chain.lines)]


def compares(e: Content) -> bool:
    """Is there a Kronecker delta, or what is more than one?"""
    return any("==" in formula for formula in formulas(e))


def indices(e: Content) -> str:
    """a runs over n, c and k over c: those that are seen."""
    seen = {letter for formula in formulas(e) for letter in re.findall(r"\b[a-z]\b|(?<=Σ)[a-z]", formula)}
    over: dict[str, list[str]] = {}
    for letter, axis in parse(text_of(e)).ranges.items():
        if letter in seen:
            over.setdefault(axis, []).append(letter)
    comma, arrays = say("kinks.comma", e.lang), {slot.name for slot in e.rule.inputs} - set(e.at.plan.sizes)
    kind = lambda axis: "over_batch" if axis == "..." else "over_all" if axis in arrays else "over"
    told = [say(f"notation.{kind(axis)}", e.lang, letters=comma.join(met), axis=axis) for axis, met in over.items()]
    return say("notation.indices", e.lang, ranges=listed(told, e.lang)) if told else ""


def marks(e: Content) -> str:
    """How lines are known to equal those above."""
    said = legend([chain for chain in e.derivation if isinstance(chain, Derived)], e.lang)
    return sentences([say("notation.marks", e.lang, marks=said)], e.lang) if said else ""


def names(text: str, lang: str) -> str:
    """What stands in the formulas and is defined by none: values that the rule computes, and functions."""
    return listed((say(f"names.{name}", lang) for name in undefined(text)), lang)


def undefined(derivation: str) -> list[str]:
    """Which of the NAMED stand in its formulas; the same words in its reasons name nothing."""
    said = "\n".join(line.partition("#")[0] for line in derivation.splitlines())
    return [name for name in NAMED if re.search(rf"\b{name}\b", said)]


def legend(chains: list[Derived], lang: str) -> str:
    """What the marks of the lines mean, of those that there are."""
    met = {line.grade for chain in chains for line in chain.lines}
    return listed((say(f"grades.{grade}", lang) for grade in MARKS if grade and grade in met), lang)


def listed(parts: Iterable[str], lang: str) -> str:
    return say("explain.then", lang).join(parts)


def sentences(parts: list[str], lang: str) -> str:
    return "".join(part + say("notation.stop", lang) for part in parts if part).rstrip()
