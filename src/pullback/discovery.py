"""Which names there are, and the one file that each needs: a scan of texts, so that nothing loads before its use."""

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pullback.rule import Rule

PARTS = "check", "errors", "nn", "rules", "testing", "train"
OTHERS = {  # classes to build rules with, and functions: where they are
    "Rule": "rule", "Chain": "rules.chain", "Residual": "rules.residual", "Scan": "rules.scan",
    "explain": "handbook.explanation",
    "get_threads": "kernels.threads", "set_threads": "kernels.threads",
}  # fmt: skip


@cache
def index() -> dict[str, str]:
    """Name -> file, for every lower-case name that stands left of a `=` at the start of a line under rules/."""
    left = re.compile(r"^(\w+(?:, \w+)*) =", re.MULTILINE)
    files = sorted((Path(__file__).parent / "rules").glob("[!_]*.py"))
    found = ((names, path.stem) for path in files for names in left.findall(path.read_text("utf-8")))
    return {name: file for names, file in found for name in names.split(", ") if name.islower()}


def find(name: str) -> "Rule | None":
    """The rule of that name, or None; it imports the one file that holds it."""
    if name not in index():
        return None
    from pullback.rule import Rule

    found = getattr(import_module(f"pullback.rules.{index()[name]}"), name)
    return found if isinstance(found, Rule) else None


@cache
def every() -> "dict[str, Rule]":
    """All rules by name, in file order."""
    return {name: rule for name in index() if (rule := find(name)) is not None}


def public(name: str) -> Any:
    """A rule, a part of the package, or another public object; None if there is no such thing."""
    if name in PARTS:
        return import_module(f"pullback.{name}")
    if name in OTHERS:
        return getattr(import_module(f"pullback.{OTHERS[name]}"), name)
    return find(name)
