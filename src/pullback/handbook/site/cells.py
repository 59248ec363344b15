"""The code of a chapter: cells that are executed while the site is built, in one namespace, for each language.

A cell begins with `# %% name`. What it prints, and the value of its last line, is what the chapter shows of it.
"""

import ast
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from pullback.handbook.explanation.html import wide
from pullback.handbook.pictures import bars, heatmap
from pullback.handbook.site.prose import breakable, code_block
from pullback.handbook.written import number

NUMBER = ' class="number"'
SHORT = 10  # letters: x[0] and 1e-10 are not broken


class Html(str):
    """Text that is a picture or a table, and stands on the page as it is."""


class Cells:
    """Executed cells: `cell(name)` is code with what comes of it, `figure(name)` what comes of it alone."""

    def __init__(self, path: Path, lang: str) -> None:
        self.names: dict[str, Any] = {
            "lang": lang, "say": lambda en, zh: zh if lang == "zh" else en, "table": table, "num": number,
            "heatmap": picture(heatmap, lang), "bars": picture(bars, lang),
        }  # fmt: skip
        self.code = split(path.read_text("utf-8"))
        self.results = {name: executed(code, self.names, f"{path}:{name}") for name, code in self.code.items()}

    def cell(self, name: str) -> str:
        return code_block(self.code[name]) + self.figure(name)

    def figure(self, name: str) -> str:
        printed, value = self.results[name]
        if isinstance(value, Html):
            return f"<figure>{value}</figure>"
        said = "\n".join(filter(None, [printed.rstrip(), "" if value is None else shown(value)]))
        return f'<pre class="result"><samp>{escape(said)}</samp></pre>' if said else ""


def split(text: str) -> dict[str, str]:
    _, *parts = re.split(r"^# %% ([\w-]+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], map(str.strip, parts[1::2])))


def executed(code: str, names: dict[str, Any], where: str) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line if that is an expression."""
    body = ast.parse(code, where).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    quiet = np.errstate(all="ignore")  # a chapter shows what overflows
    with redirect_stdout(StringIO()) as printed, np.printoptions(precision=6, suppress=True), quiet:
        exec(compile(ast.Module(body, []), where, "exec"), names)
        value = eval(compile(ast.Expression(last.value), where, "eval"), names) if last else None
    return printed.getvalue(), value


def shown(value: Any) -> str:
    """As a notebook shows it, but numbers with six digits and without their type."""
    with np.printoptions(precision=6, suppress=True):
        if isinstance(value, tuple):
            parts = [*map(shown, value)]
            return (",\n" if any("\n" in part for part in parts) else ", ").join(parts)
        return f"{value:.6g}" if isinstance(value, float) else str(value)


def picture(draw: Callable[..., str], lang: str) -> Callable[..., Html]:
    return lambda *args, **how: Html(wide(draw(*args, lang=lang, **how), lang))


def table(head: list[str], rows: list[list[Any]]) -> Html:
    """A table; numbers have four digits and stand to the right."""
    cells = lambda row: "".join(map(cell, row))
    numbers = [not isinstance(value, str) for value in rows[0]]
    top = "".join(f"<th{NUMBER if right else ''}>{escape(name)}</th>" for name, right in zip(head, numbers))
    body = "".join(f"<tr>{cells(row)}</tr>" for row in rows)
    return Html(f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>')


def cell(value: Any) -> str:
    if isinstance(value, str):
        whole = ' class="glued"' if value.isascii() and len(value) <= SHORT else ""
        return f"<td{whole}>{breakable(value)}</td>"
    return f"<td{NUMBER}>{escape(number(value))}</td>"
