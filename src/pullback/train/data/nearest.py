"""What a misspelt name probably means."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence, or nothing."""
    found = get_close_matches(name, list(names), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""
