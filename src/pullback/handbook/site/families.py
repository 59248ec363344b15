"""Families of rules, as the book lists them, and the text that a rule shares with its likes."""

import re
import tomllib
from functools import cache
from importlib.resources import files

from pullback.discovery import every


@cache
def families() -> dict[str, dict]:
    """name -> {"en": title, "zh": title, "rules": [...]}; a rule that no family names stands among the others."""
    found = tomllib.loads(files("pullback.handbook.site").joinpath("families.toml").read_text("utf-8"))
    named = {rule for family in found.values() for rule in family["rules"]}
    found["others"]["rules"] += [rule for rule in every() if rule not in named]
    return found


def alike(name: str) -> list[str]:
    """The same rule in one, two and three dimensions; any other stands alone."""
    rules = [rule for family in families().values() for rule in family["rules"]]
    return [rule for rule in rules if text_of(rule) == text_of(name)]


def name_of(rule: str, lang: str) -> str:
    """What people call it: "batch normalisation"; nothing for a rule that nobody has named."""
    return names().get(text_of(rule), {}).get(lang, "")


@cache
def names() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("pullback.handbook.site").joinpath("names.toml").read_text("utf-8"))


def text_of(name: str) -> str:
    """conv1d, conv2d and conv3d have one text, conv."""
    return re.sub(r"\dd$", "", name)
