"""Which rule a layer is, guessed from its name. A guess is believed if the rule gives what the layer gives."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pullback.check.adapters import adapt
from pullback.check.adapters.arguments import names_of
from pullback.check.adapters.code import body
from pullback.check.called import CALLED
from pullback.check.files.calling import Guess
from pullback.check.files.guessing import quiet
from pullback.check.files.recipes import OPTIONS, Table
from pullback.check.problem import Problem
from pullback.check.reference import Reference
from pullback.discovery import find, index

# What hyperparameters are called.
FIELDS = {
    "stride": "stride", "strides": "stride", "pad": "padding", "padding": "padding", "dilation": "dilation",
    "groups": "groups", "pool_size": "kernel_size", "kernel_size": "kernel_size", "pool_height": "kernel_size",
    "eps": "eps", "epsilon": "eps", "G": "num_groups", "num_groups": "num_groups", "axis": "axis",
    "alpha": "alpha", "negative_slope": "negative_slope", "slope": "negative_slope", "delta": "delta",
    "causal": "is_causal", "p": "p", "rate": "p", "dropout": "p", "dropout_rate": "p", "drop_prob": "p",
}  # fmt: skip


def likeness(name: str, guess: Guess) -> str | None:
    """The rule whose output this is, as `like=` takes it, if it is one that the name speaks of."""
    with quiet():
        try:
            problem = Problem(adapt(*guess), None, 0, "vjp", None)
            if not problem.inputs or not problem.outputs or not all(problem.sizes):
                return None
            return next((like for like in candidates(name, guess) if Reference(problem, like).fits), None)
        except Exception:  # whatever their code does: it is for the check itself to say
            return None


def candidates(name: str, guess: Guess) -> Iterator[str]:
    """Rules with the hyperparameters that the layer is called with, and without."""
    lower = name.lower()
    bare = lower.replace("_", "")
    own = [rule for rule in index() if rule.replace("_", "") in bare and len(rule) > 2]
    called = [rule for pattern, rules in CALLED if re.search(pattern, lower) for rule in rules]
    given = hyperparameters(guess)
    for like in dict.fromkeys([*called, *sorted(own, key=len, reverse=True)]):
        fields = {} if "(" in like else known(like, given)
        yield from dict.fromkeys([configured(like, fields), like])


def hyperparameters(guess: Guess) -> dict[str, Any]:
    """What the layer was called with beside arrays, and what an object keeps, by the names that rules have for it."""
    named = dict(zip(names_of(body(guess.forward)), guess.arguments))
    tables = [value for value in named.values() if isinstance(value, dict)]
    for table in [*tables, getattr(guess.forward, "__dict__", {})]:
        named |= {name: value for name, value in table.items() if isinstance(name, str)}
        if isinstance(table, Table):  # it has an answer for every name
            named |= {name: table.get(name, OPTIONS[name]) for name in FIELDS if name in OPTIONS}
    plain = lambda value: isinstance(value, (bool, int, float)) and np.isfinite(value)
    return {FIELDS[name]: value for name, value in named.items() if name in FIELDS and plain(value)}


def known(like: str, given: dict[str, Any]) -> dict[str, Any]:
    rule = find(like)
    return {name: value for name, value in given.items() if rule is not None and name in rule.options}


def configured(like: str, fields: dict[str, Any]) -> str:
    return f"{like}({', '.join(f'{name}={value!r}' for name, value in fields.items())})" if fields else like
