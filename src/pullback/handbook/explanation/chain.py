"""The chain rule with numbers: an element of a gradient as the sum over all outputs that it moves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pullback.handbook.explanation.steps import LONG, Derived, Line, bracketed
from pullback.handbook.written import number

Blocks = Mapping[str, np.ndarray]  # ∂y/∂x by the name of y, a row for each of its elements


def by_chain_rule(x: str, shape: Sequence[int], blocks: Blocks, above: Mapping[str, Any], reason: str) -> Derived:
    """That element of gx which most elements of the outputs move with: `gx[0] = Σ gy ∂y/∂x[0]`, and its terms."""
    column = int(np.argmax(sum((J != 0).sum(0) for J in blocks.values())))
    place = ",".join(map(str, np.unravel_index(column, shape))) if shape else ""
    element, latex = (f"{x}[{place}]", rf"{{{x}}}_{{{place}}}") if place else (x, x)
    pairs = [(g, d) for y, J in blocks.items() for g, d in zip(np.ravel(above[y]), J[:, column]) if g * d]
    moving = [y for y, J in blocks.items() if J[:, column].any()] or list(blocks)[:1]
    text = " + ".join(f"Σ g{y} ∂{y}/∂{element}" for y in moving)
    typeset = " + ".join(rf"\sum \bar{{{y}}}\,\frac{{\partial {y}}}{{\partial {latex}}}" for y in moving)
    said = " + ".join(f"{bracketed(number(g))}·{bracketed(number(d))}" for g, d in pairs)
    value = number(sum(g * d for g, d in pairs))
    shown = f"{said} = {value}" if said and len(said) <= LONG else f"= {value}"
    return Derived(Line(f"g{element}", rf"\bar{latex}", "", []), [Line(text, typeset, reason, [shown])], "")
