"""Write docs/rules.md: every rule, its signature and its backward, from the rules themselves. `make docs` runs this."""

from pathlib import Path

from pullback.discovery import every, index
from pullback.handbook.page import backward

TARGET = Path(__file__).parent.parent / "docs" / "rules.md"

HEAD = """\
# The rules

Written by `make docs` from the rules themselves; a test compares it. A name leads to its file.

| rule | what it is | shapes | backward |
| --- | --- | --- | --- |
"""


def text():
    return HEAD + "".join(row(name, rule) for name, rule in every().items())


def row(name, rule):
    says = rule.__doc__.strip().splitlines()[0]
    cells = f"[{name}](../src/pullback/rules/{index()[name]}.py)", says, f"`{rule.signature}`", f"`{backward(rule)}`"
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
