"""What the field calls our letters: `x` is torch's `input`, `w` its `weight`. Calls take either name.

A rule whose letters mean something else says so in its own `names`: `dict(v="running_var")`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pullback.rule import Rule

NAMES = {"x": "input", "w": "weight", "b": "bias", "t": "target"}
RECURRENT = {"w": "weight_ih", "u": "weight_hh", "p": "weight_hr", "bw": "bias_ih", "bu": "bias_hh"}


def long_names(rule: "Rule") -> dict[str, str]:
    """Letter -> long name, for every input: `w_l0_reverse` is `weight_ih_l0_reverse` where `u` stands beside it."""
    heads = {slot.name.partition("_")[0] for slot in rule.inputs}
    table: dict[str, str] = NAMES | (RECURRENT if "u" in heads else {}) | rule.names

    def long(name: str) -> str:
        head, mark, tail = name.partition("_")
        letter = head.rstrip("0123456789")  # in a chain, inputs are numbered
        return table.get(name) or table.get(letter, letter) + head[len(letter) :] + mark + tail

    return {slot.name: long(slot.name) for slot in rule.inputs}


def letters(rule: "Rule") -> dict[str, str]:
    """Every name by which a keyword may call an input -> its letter."""
    return {name: letter for letter, long in rule.long_names.items() for name in (letter, long)}
