"""A line of numbers whose terms stay together: where it has to be broken, it is before one of its outermost signs.

Each term is a box. Where boxes have no room beside each other the next one begins a line; one that is wider than the
page breaks at the boxes in it.
"""

import re
from html import escape
from itertools import accumulate, pairwise

SIGN = re.compile(r" (?=[-+=] )")
WHOLE = 30  # letters that fit into a line anywhere


def boxes(line: str) -> str:
    """The line as HTML."""
    parts = terms(line)
    return " ".join(map(box, parts)) if len(parts) > 1 else escape(line)


def box(term: str) -> str:
    sign, inner = term[:2], term[2:]
    if term.startswith(("- ", "+ ", "= ")):
        return f'<span class="term">{sign}{boxes(inner)}</span>'
    return f'<span class="term">{boxes(term)}</span>'


def terms(line: str) -> list[str]:
    """What stands between the outermost signs, each term with its own in front."""
    depths = [0, *accumulate({"(": 1, ")": -1}.get(letter, 0) for letter in line)]
    signs = [found.start() for found in SIGN.finditer(line)]
    if len(line) <= WHOLE or not signs:
        return [line]
    outermost = min(depths[at] for at in signs)
    ends = [-1, *(at for at in signs if depths[at] == outermost), len(line)]
    return [line[a + 1 : b] for a, b in pairwise(ends)]
