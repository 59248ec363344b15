"""What is said around formulas and numbers, in English and Chinese: texts in words.toml, by name."""

import os
import tomllib
from functools import cache
from importlib.resources import files

LANGUAGES = "en", "zh"


@cache
def texts() -> dict[str, dict[str, str]]:
    """ "heatmap.values" -> {"en": ..., "zh": ...}"""
    tables = tomllib.loads(files("pullback.handbook").joinpath("words.toml").read_text("utf-8"))
    return {f"{table}.{name}": says for table, rows in tables.items() for name, says in rows.items()}


def say(name: str, lang: str, /, **values: object) -> str:
    """The text of that name, with the values filled in."""
    return texts()[name][lang].format(**values)


def language() -> str:
    """That of the reader's locale: Chinese if it says so, else English."""
    said = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if said.lower().startswith("zh") else "en"
