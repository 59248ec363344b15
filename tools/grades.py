"""Write how SymPy knows that each line of each derivation equals the line above it. `make docs` runs this."""

from pathlib import Path

import pullback.handbook.derivation
from pullback.handbook.derivation.book import texts
from pullback.handbook.derivation.grading import graded, mark

TARGET = Path(pullback.handbook.derivation.__file__).with_name("grades.toml")

HEAD = """\
# Written by `make docs` from the derivations; a test compares it. A word for each chain, with a letter for each line:
# s is the same expression as the line above, e an exact simplification, d agrees to thirty digits (see grading.py).
"""


def text():
    return HEAD + "".join(entry(name, rule) for name, rule in texts().items())


def entry(name, rule):
    lines = " ".join("".join(grade[0] for grade in chain) for chain in graded(rule))
    return f'"{name}" = {{ text = "{mark(rule.derivation)}", lines = "{lines}" }}\n'


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
