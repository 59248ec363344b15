"""Exercises whose answers a machine knows: a derivation with a fault, and a gradient with one."""

import re
from collections.abc import Callable
from itertools import product
from typing import NamedTuple
from zlib import crc32

import numpy as np

from pullback.handbook.derivation import spelled_out
from pullback.handbook.explanation import Explanation
from pullback.handbook.explanation.mistakes import Mistake, differs

Slips = tuple[tuple[str, str], ...]  # what is found in a line, and what is written instead

CHOICES = 4
LONGEST = 24  # lines: of a longer derivation a part is shown
SLIPS = (  # what a tired hand gets wrong in a line with indices: a sign, a square, a factor
    (r" - ", " + "),
    (r" \+ ", " - "),
    (r"\*\*2", ""),
    (r"^-", ""),
    (r"\*exp\([^()]*\)", ""),
    (r"\*\w+\[[^\[\]]*\]", ""),
    (r"/\w+\[[^\[\]]*\]", ""),
)
SHORT_SLIPS = (  # in lines that are too short for those: pieces, conditions, signs, factors
    (r"^([^()]+|.*\)) if (.+?) else ([^()]+)$", r"\3 if \2 else \1"),
    (r"\(([^()]+) if (.+?) else ([^()]+)\)", r"(\3 if \2 else \1)"),
    (r"\*\(.*==.*\)\)$", ")"),
    (r"^\(e==f\)\*|^\(\w+==.*\)\*", ""),
    (r" - ", " + "),
    (r" \+ ", " - "),
    (r"\*\*2", ""),
    (r"^2\*", ""),
    (r"/\(2\*(\w+)\)$", r"/\1"),
    (r"/x$", "*x"),
    (r"exp\(x/\w+\)", "exp(x)"),
    (r"\*exp\([^()]*\)", ""),
    (r"\bcos\(", "sin("),
    (r"\bsin\(", "cos("),
    (r"^gy\*(?!d\()", ""),
    (r"^gy$", "-gy"),
)


class BrokenLine(NamedTuple):
    """A derivation with one wrong line."""

    text: str  # the whole derivation
    number: int  # of the wrong line, counted from 1 over all lines that begin with `=`
    wrong: str
    right: str


def broken_line(name: str, derivation: str) -> BrokenLine | None:
    """The derivation with a slip in one line, always the same one; None if no slip fits anywhere."""
    lines = spelled_out(derivation).splitlines()
    steps = [k for k, line in enumerate(lines) if line.strip().startswith("= ")]
    start = crc32(name.encode())
    for slipping, turn in product((slip, short_slip), range(len(steps))):
        number = (start + turn) % len(steps)
        at = steps[number]
        if wrong := slipping(lines[at]):
            return BrokenLine("\n".join([*lines[:at], wrong, *lines[at + 1 :]]), number + 1, wrong, lines[at])
    return None


def around(lines: list[str], number: int) -> list[str]:
    """Of a derivation with numbered lines, the chain that holds this number, and as many beside it as have room."""
    chains = chained(lines)
    low = high = next(k for k, (_, *steps) in enumerate(chains) if any(number_of(step) == number for step in steps))
    grown = True
    while grown:
        grown = False
        for wider in ((low, high + 1), (low - 1, high)):
            if wider[0] >= 0 and wider[1] < len(chains) and sum(map(len, chains[wider[0] : wider[1] + 1])) <= LONGEST:
                (low, high), grown = wider, True
    return [line for chain in chains[low : high + 1] for line in chain]


def chained(lines: list[str]) -> list[list[str]]:
    """What is derived, each with the numbered lines below it; definitions, which have none, are left out."""
    found: list[list[str]] = []
    for before, line in zip(["", *lines], lines):
        if number_of(line):
            found += [] if number_of(before) else [[before]]
            found[-1].append(line)
    return found


def without_cases(lines: list[str]) -> list[str]:
    """The sizes at which a derivation is checked are no part of the exercise."""
    return [line for line in lines if not line.lstrip().startswith("at ")]


def number_of(line: str) -> int:
    """The number in front of a line; 0 where there is none."""
    front = line[:3].strip()
    return int(front) if front.isdecimal() else 0


def slip(line: str) -> str:
    """A line with a slip, or "" where none fits. What leaves an index or a bracket unchanged is no slip."""
    fits = lambda before, after, pattern: "[" in after and not within_brackets(before, pattern)
    return slipped(line, SLIPS, fits)


def short_slip(line: str) -> str:
    return slipped(line, SHORT_SLIPS, lambda before, after, pattern: not within_brackets(before, pattern))


def slipped(line: str, slips: Slips, fits: Callable[[str, str, str], bool]) -> str:
    body, mark, reason = line.partition("#")
    indent, _, expression = body.partition("= ")
    for pattern, by in slips:
        changed = re.sub(pattern, by, before := expression.rstrip(), count=1)
        if changed != before and fits(before, changed, pattern):
            return f"{indent}= {changed}   {mark} {reason.strip()}".rstrip()
    return ""


def within_brackets(expression: str, pattern: str) -> bool:
    found = re.search(pattern, expression)
    return bool(found) and expression[: found.start()].count("[") != expression[: found.start()].count("]")


class WrongGradient(NamedTuple):
    """A gradient that a faulty backward returned at the numbers of the page, and what the fault may be."""

    gradient: str  # its name: gx
    values: np.ndarray
    choices: list[Mistake]
    answer: int  # which choice it is


def wrong_gradient(e: Explanation) -> WrongGradient | None:
    """The fault of one choice, and of no other, gives these numbers; None where fewer than two can be told apart."""
    told = e.mistakes
    if len(told) < 2:
        return None
    start = crc32(e.name.encode())
    chosen = [told[(start + k) % len(told)] for k in range(min(CHOICES, len(told)))]
    mistake = chosen[start % len(chosen)]
    gradient, values = next(iter(mistake.gradients.items()))
    rivals = [(m, m.gradients.get(gradient)) for m in chosen]
    choices = [m for m, other in rivals if m is mistake or other is None or differs(other, values)]
    return WrongGradient(gradient, values, choices, choices.index(mistake))
