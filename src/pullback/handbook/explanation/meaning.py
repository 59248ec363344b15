"""What a rule says of itself, in both languages: its first sentence and its formulas, from docstrings."""

import inspect
import re
import tomllib
from functools import cache
from importlib.resources import files

from pullback.discovery import find
from pullback.rule import Rule

GAP = re.compile(r"(,? {3,}|,  )(?![ =])")  # between the parts of a line of formulas


EVALUATION = "gx = w[c] r[c] gy,    r[c] = 1 / sqrt(v[c] + eps)"  # of a norm whose statistics are given


def summary(rule: Rule, lang: str) -> str:
    """The first sentence of the docstring. A rule without a Chinese one keeps its own."""
    kind = type(find(rule.name) or rule)
    own = (inspect.getdoc(kind) or rule.name).splitlines()[0]
    return chinese()["summaries"].get(kind.__name__, own) if lang == "zh" else own


def formulas(rule: Rule, lang: str) -> list[str]:
    """The lines of formulas; if they have no gradient, those of the family beside them."""
    if rule.options.get("training") is False:  # what is said of the family holds in training
        return [indented(type(rule).__doc__ or "")[0], EVALUATION]
    found: list[str] = []
    for kind in type(rule).__mro__:
        lines = indented(kind.__dict__.get("__doc__") or "")
        found += [line for line in lines if line not in found]
        if any(re.match(r"g\w*(\[.*?\])? ", line) for line in lines):
            break
    return [translated(line) for line in found] if lang == "zh" else found


def backward(rule: Rule, lang: str) -> str:
    """The first line of its formulas that gives a gradient."""
    found = next(line for line in formulas(rule, "en") if re.match(r"g\w+(\[.*?\])? +\+?= ", line))
    return " ".join((translated(found) if lang == "zh" else found).split()).replace("， ", "，")


def indented(text: str) -> list[str]:
    """The indented lines of a docstring."""
    lines = inspect.cleandoc(text).splitlines()
    return [line.strip() for line in lines if line.startswith("    ")]


def translated(line: str) -> str:
    """A line of formulas, its words in Chinese."""
    parts = GAP.split(line)
    known = chinese()["formulas"]
    if not any(part.strip() in known for part in parts):
        return re.sub(r",( {3,})", r"，\1", line)
    return "".join(known.get(part.strip(), part) if k % 2 == 0 else "，    " for k, part in enumerate(parts))


@cache
def chinese() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("pullback.handbook").joinpath("chinese.toml").read_text("utf-8"))
