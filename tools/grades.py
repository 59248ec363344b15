"""Write how each line of each derivation is known to equal the line above it. `make docs` runs this.

At the end it prints how many rules, texts, chains and lines there are, and how many lines are known in which way.
"""

from collections import Counter
from pathlib import Path

import pullback.handbook.derivation
from pullback.check.progress import followed
from pullback.discovery import every
from pullback.handbook.derivation.book import texts
from pullback.handbook.derivation.grading import GRADES, Grades, graded, mark

TARGET = Path(pullback.handbook.derivation.__file__).with_name("grades.toml")

HEAD = """\
# Written by `make docs` from the derivations; a test compares it. A word for each chain, with a letter for each line:
# s is the same expression as the line above, e an exact simplification, d agrees to thirty digits (see grading.py).
"""
MARKS = dict(zip(GRADES, ("≡ one expression", "✓ exact simplification", "≈ thirty digits")))


def entry(name: str, text: str, grades: Grades) -> str:
    lines = " ".join("".join(grade[0] for grade in chain) for chain in grades)
    return f'"{name}" = {{ text = "{mark(text)}", lines = "{lines}" }}\n'


def summary(found: list[Grades]) -> str:
    """What docs/derivations.md tells."""
    chains = [chain for grades in found for chain in grades]
    lines = Counter(grade for chain in chains for grade in chain)
    known = ", ".join(f"{lines[grade]} {said}" for grade, said in MARKS.items())
    return f"{len(every())} rules, {len(found)} texts, {len(chains)} chains, {lines.total()} lines: {known}"


if __name__ == "__main__":
    book = texts()
    found = [graded(rule) for rule in followed("derivations", book.values(), len(book))]
    entries = (entry(name, rule.derivation, grades) for (name, rule), grades in zip(book.items(), found))
    TARGET.write_text(HEAD + "".join(entries), encoding="utf-8")
    print(summary(found))
