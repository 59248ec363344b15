"""What stands around the texts of the site, in both languages: words.toml, by name."""

import tomllib
from functools import cache
from importlib.resources import files


@cache
def wordings() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("pullback.handbook.site").joinpath("words.toml").read_text("utf-8"))


def word(name: str, lang: str, /, **values: object) -> str:
    """The text of that name, with the values filled in."""
    return wordings()[name][lang].format(**values)
