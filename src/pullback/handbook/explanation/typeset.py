"""An explanation as LaTeX: a piece of a document that loads amsmath and amssymb."""

from collections.abc import Iterator

import numpy as np

from pullback.handbook import written
from pullback.handbook.derivation.typesetting import symbol
from pullback.handbook.explanation.content import Array, Block, Content
from pullback.handbook.explanation.meaning import summary
from pullback.handbook.explanation.notation import legend
from pullback.handbook.explanation.outline import jacobians, kinks
from pullback.handbook.explanation.steps import MARKS, Derived, Line
from pullback.handbook.words import say

SYMBOLS = {"≡": r"\equiv", "✓": r"\checkmark", "≈": r"\approx", "✗": r"\times", "○": r"\circ"}
SPECIAL = str.maketrans(
    {c: "\\" + c for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {mark: f"${symbol}$" for mark, symbol in SYMBOLS.items()}
)


def latex(e: Content) -> str:
    """Headings, the derivation in `align*`, numbers as matrices."""
    return "\n".join(lines(e)) + "\n"


def lines(e: Content) -> Iterator[str]:
    chains = e.chain_rule if isinstance(e.derivation, str) else e.derivation
    yield rf"\section*{{{words(e.name)}}}"
    yield words(summary(e.rule, e.lang))
    yield rf"\subsection*{{{say('explain.numbers', e.lang)}}}"
    yield from equations([*e.inputs, *e.outputs])
    yield rf"\subsection*{{{say('explain.derivation', e.lang)}}}"
    for derived in chains:
        yield from aligned(derived)
    if marks := legend(chains, e.lang):
        yield words(marks)
    yield rf"\subsection*{{{say('explain.jacobian', e.lang)}}}"
    for heat in jacobians(e):
        if hasattr(heat, "block"):
            yield jacobian(heat.block)
    yield rf"\subsection*{{{say('explain.vjp', e.lang)}}}"
    yield from equations([*e.above, *e.settled])
    yield rf"\subsection*{{{say('explain.kinks', e.lang)}}}"
    yield from (words(part.text) for part in kinks(e) if hasattr(part, "text"))


def words(text: str) -> str:
    return text.translate(SPECIAL)


def aligned(derived: Derived) -> Iterator[str]:
    yield rf"\begin{{align*}}{derived.head.latex}"
    yield " \\\\\n".join(f"  &= {line.latex}{because(line)}" for line in derived.lines)
    yield r"\end{align*}"


def because(line: Line) -> str:
    """The reason, and the mark that says how the line is known to follow."""
    mark = rf" \quad {SYMBOLS[MARKS[line.grade]]}" if line.grade else ""
    return rf" && \text{{{words(line.reason)}}}{mark}" if line.reason else ""


def equations(arrays: list[Array]) -> Iterator[str]:
    for a in arrays:
        yield rf"\[ {symbol(a.name)} = {matrix(a.values)} \]"


def jacobian(block: Block) -> str:
    of, by = symbol(block.of), symbol(block.by)
    return rf"\[ \frac{{\partial {of}}}{{\partial {by}}} = {matrix(block.matrix)} \]"


def matrix(values: object) -> str:
    """A number, or the rows of a matrix; more axes are blocks below each other."""
    values = np.asarray(values)
    if values.ndim == 0:
        return number(values)
    if values.ndim > 2:
        return r"\begin{pmatrix} " + r" \\ ".join(matrix(part) for part in values) + r" \end{pmatrix}"
    rows = [" & ".join(map(number, row)) for row in np.atleast_2d(values)]
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


def number(value: object) -> str:
    """1.2e-05 is 1.2 times a power of ten."""
    text = written.number(value).replace("inf", r"\infty").replace("nan", r"\text{nan}")
    mantissa, mark, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if mark and exponent.lstrip("+-").isdigit() else text
