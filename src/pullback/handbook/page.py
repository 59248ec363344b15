"""What there is to say about a rule, in plain text."""

import inspect
import re
from difflib import get_close_matches
from textwrap import indent

from pullback.discovery import OTHERS, every, find, index, public
from pullback.errors import OptionError
from pullback.rule import Rule


def listing() -> str:
    """One rule a line: its name and signature."""
    return "\n".join(f"{name:<34} {rule.signature}" for name, rule in every().items())


def page(name: str) -> str:
    """What a rule means, its shapes, hyperparameters and cases, and where it is written; what a combinator means."""
    if name in OTHERS:
        return titled(name, [inspect.getdoc(public(name)) or "", "Written in\n    " + place(public(name))])
    rule = known(name)
    options = [f"{option} = {value!r}" for option, value in rule.options.items()]
    parts = {
        "Shapes": [rule.signature],
        "Needs": list(rule.requires),
        "Hyperparameters": options,
        "Tested with": [described(case) for case in rule.cases],
        "Written in": [place(type(rule))],
    }
    blocks = [f"{title}\n" + "\n".join(f"    {text}" for text in lines) for title, lines in parts.items() if lines]
    return titled(rule.name, [*meanings(type(rule)), *blocks])


def titled(title: str, blocks: list[str]) -> str:
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *blocks])


def meanings(kind: type) -> list[str]:
    """The docstring of a rule, and of the families that it belongs to."""
    families = [k for k in kind.__mro__ if k.__module__.startswith("pullback.rules.") and k.__dict__.get("__doc__")]
    own, *more = (inspect.cleandoc(k.__doc__ or "") for k in families)
    return [own, *(f"Of all in {k.__name__}\n\n{indent(text, '    ')}" for k, text in zip(families[1:], more))]


def place(kind: type) -> str:
    return f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"


def backward(rule: Rule) -> str:
    """The formula of a rule's backward: the first line of its docstring, or of its family's, that gives a gradient."""
    for family in type(rule).__mro__:
        if found := re.search(r"^ *(g\w+(\[.*?\])? +\+?= .*)$", family.__doc__ or "", re.MULTILINE):
            return " ".join(found[1].split())
    raise LookupError(f"the docstring of {rule.name} gives no gradient")


def described(case: dict[str, object]) -> str:
    return ", ".join(f"{size} = {value!r}" for size, value in case.items()) or "the defaults"


def known(name: str) -> Rule:
    """The rule of that name, or behind the layer of that name, as linear behind Linear."""
    if rule := find(name) or find(getattr(vars(public("nn")).get(name), "rule_name", "")):
        return rule
    if OTHERS.get(name, "").startswith("rules."):
        raise OptionError(f"{name} makes a rule out of others, as `pullback show {name}` tells; it is none by itself")
    asked = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    close = [each for each in index() if len(asked) > 3 and asked in each] or get_close_matches(asked, index(), 3, 0.5)
    advice = f"did you mean {' or '.join(close)}?" if close else "`pullback list` shows all"
    raise OptionError(f"no rule {name!r}; {advice}")
