"""Texts, a character at a time."""

import platform
from pathlib import Path

import numpy as np

from pullback.errors import DataError
from pullback.train.data import content
from pullback.train.data.dataset import Text

PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


def topics() -> Text:
    """Python's own documentation topics, as `help()` shows them, from the standard library."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DataError(
            "text: this Python comes without its documentation topics (pydoc_data; some systems leave them out); "
            "give a text of your own: pullback train FILE.txt"
        ) from None
    joined = "\n\n".join(topics[name] for name in sorted(topics)).translate(PLAIN)
    plain = "".join(character for character in joined if character.isascii())
    source = (
        f"The {len(topics)} documentation topics of Python {platform.python_version()}, in the order of their names; "
        "typographic quotes and dashes made plain, other characters beyond ASCII left out. Licence: PSF."
    )
    return encoded("text", plain, source)


def load(path: Path) -> Text:
    """A file in UTF-8; ends of lines are \\n."""
    text = content.text(path).replace("\r\n", "\n").replace("\r", "\n")
    return encoded(path.name, text, f"Read from {path}: {len(text):,} characters.")


def encoded(name: str, text: str, source: str) -> Text:
    letters, codes = np.unique(np.frombuffer(text.encode("utf-32-le"), "<u4"), return_inverse=True)
    if len(letters) < 2:
        raise DataError(f"{name}: a text needs at least two different characters")
    return Text(name, codes.astype(np.int64), "".join(map(chr, letters)), source)
