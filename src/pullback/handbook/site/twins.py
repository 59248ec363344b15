"""A Chinese text knows which English text it renders: its first line holds the hash of its twin.

When the English text changes, the hash no longer fits, and a test fails until the twin has been looked at again and
stamped: `python -m pullback.handbook.site --stamp`.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
MARK = re.compile(r"\A<!-- renders (\w+) -->\n")


def pairs() -> Iterator[tuple[Path, Path]]:
    """Every English text with its twin."""
    for english in sorted((HERE / "prose" / "en").glob("*.md")):
        yield english, HERE / "prose" / "zh" / english.name
    for english in sorted((HERE / "chapters").glob("*/en.md")):
        yield english, english.with_name("zh.md")


def text(path: Path) -> str:
    """What is written there, without the mark."""
    return MARK.sub("", path.read_text("utf-8"))


def mark(english: Path) -> str:
    return sha256(english.read_bytes()).hexdigest()[:12]


def is_fresh(english: Path, twin: Path) -> bool:
    found = MARK.match(twin.read_text("utf-8"))
    return bool(found) and found[1] == mark(english)


def stamp_all() -> None:
    for english, twin in pairs():
        twin.write_text(f"<!-- renders {mark(english)} -->\n{text(twin)}", "utf-8")
