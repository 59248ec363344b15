"""All rules that have a derivation: the public ones, and those that hyperparameters or dtypes put in their place."""

from typing import Any

import numpy as np

from pullback.discovery import every
from pullback.door import configured
from pullback.rule import Rule


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
        "binary_cross_entropy at its clamp": retold(variant("binary_cross_entropy")),
        "kl_div of logarithms": variant("kl_div", scores, scores, log_target=True),
    }


def networks() -> dict[str, Rule]:
    """Recurrent networks of every kind: their lines are checked, but too many for SymPy."""
    return {
        "rnn, in all its runs": variant("rnn", num_layers=2, bidirectional=True, batch_first=True),
        "gru, in both directions": variant("gru", bidirectional=True),
        "lstm, batch first": variant("lstm", batch_first=True),
        "lstm, projected": variant("lstm", proj_size=1),
        "lstm, in two layers": variant("lstm", num_layers=2),
        "rnn, with lengths": retold(variant("rnn", num_layers=2, bidirectional=True)),
        "gru, with lengths": retold(variant("gru", batch_first=True)),
        "lstm, projected, with lengths": retold(variant("lstm", proj_size=1, bidirectional=True)),
    }


def variant(name: str, *inputs: Any, **options: Any) -> Rule:
    """The rule with these options, and the one that stands for it where the inputs are such."""
    rule = configured(every()[name], options)
    return rule.suited(*inputs) if inputs else rule


def retold(rule: Rule, place: int = 0) -> Rule:
    """The rule with another of its derivations in the first one's place."""
    text = rule.further_derivations[place]  # type: ignore[attr-defined]
    kind = type(type(rule).__name__, (type(rule),), {"derivation": text})
    return kind(**rule.options)


def texts() -> dict[str, Rule]:
    """Every text once, under the first rule that has it."""
    found: dict[str, tuple[str, Rule]] = {}
    for name, rule in book().items():
        found.setdefault(rule.derivation, (name, rule))  # type: ignore[attr-defined]
    return dict(found.values())
