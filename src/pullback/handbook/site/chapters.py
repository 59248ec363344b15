"""Chapters: a folder each, with code.py (executed once for each language), en.md and zh.md."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from pullback.handbook.site import twins
from pullback.handbook.site.cells import Cells
from pullback.handbook.site.prose import Prose, titled

FOLDER = Path(str(files("pullback.handbook.site") / "chapters"))
TEXTS = Environment(  # braces belong to formulas and anchors
    variable_start_string="<<", variable_end_string=">>", comment_start_string="<!--", comment_end_string="-->",
    undefined=StrictUndefined, autoescape=False,
)  # fmt: skip
SLOT = re.compile(r"<p>\x04(\d+)\x05</p>|\x04(\d+)\x05")


@cache
def slugs() -> list[str]:
    """In the order of the book: the introduction, the conventions, then the chapters by their numbers."""
    numbered = sorted(path.parent.name for path in FOLDER.glob("[0-9]*/en.md"))
    return [*(name for name in ("introduction", "conventions") if (FOLDER / name).exists()), *numbered]


def chapter(slug: str, lang: str, prose: Prose) -> tuple[str, str]:
    """Title and body, with the results of its code in their places."""
    cells, held = Cells(FOLDER / slug / "code.py", lang), []

    def hold(html: str) -> str:
        held.append(html)
        return f"\n\n\x04{len(held) - 1}\x05\n\n"

    names = {**cells.names, "cell": lambda n: hold(cells.cell(n)), "figure": lambda n: hold(cells.figure(n))}
    text = TEXTS.from_string(twins.text(FOLDER / slug / f"{lang}.md")).render(names)
    title, body = titled(prose(text))
    return title, SLOT.sub(lambda found: held[int(found[1] or found[2])], body)
