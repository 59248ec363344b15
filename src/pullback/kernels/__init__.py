"""Fast twins of rules, compiled by Numba for float32 arrays. Nothing here is needed: a rule works without its twin.

A twin is a file named like the rule's own. It knows no rule, but is handed one:

    forward(rule, *inputs)                  -> output(s), saved      as the rule's forward
    vjp(rule, *gradients, *saved)           -> gradient(s)           as the rule's vjp; or a function that gives them
                                                                     and is told, by booleans, which are wanted
    jvp(rule, *tangents, *saved)            -> tangent(s)            where it pays
    saved(rule, *kept)                      -> saved                 if forward keeps something else for its own vjp
    takes(rule, *inputs)                    -> does it know this rule at such shapes? (None: an input was left out)
    made_for(rule)                          -> a dict of these, where they are made from what the rule says

float64 always runs through the rule: it is for checking.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

METHODS = "forward", "jvp", "vjp", "saved"


def ours(rule: Any) -> bool:
    """Is it one of our rules, as we wrote it? A stranger's may have the same name, and a copy may have been altered."""
    return type(rule).__module__.rpartition(".")[0] == "pullback.rules" and not vars(rule).keys() & {*METHODS}


def twins(rule: Any, inputs: tuple[Any, ...]) -> dict[str, Callable[..., Any]]:
    """The methods of the rule that have a fast twin at inputs like these, by name."""
    if not ours(rule):
        return {}
    module = twin_of(type(rule).__module__.rpartition(".")[2])
    if module is None or not module.takes(rule, *inputs):
        return {}
    if hasattr(module, "made_for"):
        return dict(module.made_for(rule))
    return {name: partial(getattr(module, name), rule) for name in METHODS if hasattr(module, name)}


@cache
def twin_of(file: str) -> Any:
    """The module of that name, if there is one and Numba is here."""
    if find_spec(f"pullback.kernels.{file}") is None or find_spec("numba") is None:
        return None
    return import_module(f"pullback.kernels.{file}")
