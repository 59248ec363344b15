"""All rules that have a derivation: the public ones, and those that hyperparameters or dtypes put in their place."""

from itertools import product
from typing import Any

import numpy as np

from pullback.discovery import every
from pullback.door import configured
from pullback.handbook.derivation.checking import retold
from pullback.rule import Rule

SAMPLE = (  # of the networks below, those with which tests are thorough
    "rnn, 2 layers, both directions, batch first", "rnn, 2 layers, both directions, with lengths",
    "gru, both directions", "gru, batch first, with lengths", "lstm, batch first", "lstm, 2 layers", "lstm, projected",
    "lstm, projected, both directions, with lengths",
)  # fmt: skip


def book() -> dict[str, Rule]:
    scores, classes = np.zeros((2, 3)), np.zeros(2, int)
    on_axis_2 = np.zeros((2, 2, 3)), np.zeros((2, 2), int), None
    return every() | {
        "batch_norm, training": variant("batch_norm", training=True),
        "gelu, tanh": variant("gelu", approximate="tanh"),
        "rnn_cell, relu": variant("rnn_cell", nonlinearity="relu"),
        "rnn, relu": variant("rnn", nonlinearity="relu"),
        "cross_entropy of classes": variant("cross_entropy", scores, classes, None),
        "cross_entropy of one class": variant("cross_entropy", scores[0], classes[0], None),
        "cross_entropy of classes, smoothed": variant("cross_entropy", scores, classes, None, label_smoothing=0.1),
        "cross_entropy of classes, not reduced": variant("cross_entropy", scores, classes, None, reduction="none"),
        "cross_entropy, not reduced": variant("cross_entropy", reduction="none"),
        "cross_entropy, classes last": variant("cross_entropy", axis=-1),
        "cross_entropy of classes, on axis 2": variant("cross_entropy", *on_axis_2, axis=2),
        "cross_entropy of classes, smoothed, not reduced": variant(
            "cross_entropy", scores, classes, None, label_smoothing=0.1, reduction="none"
        ),
        "nll_loss, not reduced": variant("nll_loss", reduction="none", axis=-2),
        "binary_cross_entropy at its clamp": further(variant("binary_cross_entropy")),
        "kl_div of logarithms": variant("kl_div", scores, scores, log_target=True),
    }


def networks() -> dict[str, Rule]:
    """Recurrent networks of every kind: one or two layers, one or both directions, the batch first or second."""
    cells: dict[str, tuple[str, dict[str, Any]]] = {
        "rnn": ("rnn", {}),
        "rnn, relu": ("rnn", {"nonlinearity": "relu"}),
        "gru": ("gru", {}),
        "lstm": ("lstm", {}),
        "lstm, projected": ("lstm", {"proj_size": 1}),
    }
    ways = {", 2 layers": {"num_layers": 2}, ", both directions": {"bidirectional": True}}
    ways |= {", batch first": {"batch_first": True}}
    found = {}
    for (cell, (name, options)), *chosen in product(cells.items(), *((("", {}), way) for way in ways.items())):
        own = options | {key: value for _, way in chosen for key, value in way.items()}
        title = cell + "".join(words for words, _ in chosen)
        found[title] = rule = variant(name, **own)
        found[f"{title}, with lengths"] = further(rule)
    return found


def variant(name: str, *inputs: Any, **options: Any) -> Rule:
    """The rule with these options, and the one that stands for it where the inputs are such."""
    rule = configured(every()[name], options)
    return rule.suited(*inputs) if inputs else rule


def further(rule: Rule, place: int = 0) -> Rule:
    """The rule with another of its derivations in the first one's place."""
    return retold(rule, rule.further_derivations[place])  # type: ignore[attr-defined]


def texts() -> dict[str, Rule]:
    """Every text once, under the first rule that has it."""
    found: dict[str, tuple[str, Rule]] = {}
    for name, rule in (book() | networks()).items():
        found.setdefault(rule.derivation, (name, rule))  # type: ignore[attr-defined]
    return dict(found.values())
