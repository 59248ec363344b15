"""All rules that have a derivation: the public ones, and those that hyperparameters or dtypes put in their place."""

from typing import Any

import numpy as np

from pullback.discovery import every
from pullback.door import configured
from pullback.rule import Rule


def book() -> dict[str, Rule]:
    scores, classes = np.zeros((2, 3)), np.zeros(2, int)
    return every() | {
        "batch_norm, training": variant("batch_norm", training=True),
        "gelu, tanh": variant("gelu", approximate="tanh"),
        "rnn_cell, relu": variant("rnn_cell", nonlinearity="relu"),
        "rnn, relu": variant("rnn", nonlinearity="relu"),
        "cross_entropy of classes": variant("cross_entropy", scores, classes, None),
        "cross_entropy of one class": variant("cross_entropy", scores[0], classes[0], None),
        "cross_entropy of classes, smoothed": variant("cross_entropy", scores, classes, None, label_smoothing=0.1),
        "kl_div of logarithms": variant("kl_div", scores, scores, log_target=True),
    }


def variant(name: str, *inputs: Any, **options: Any) -> Rule:
    """The rule with these options, and the one that stands for it where the inputs are such."""
    rule = configured(every()[name], options)
    return rule.suited(*inputs) if inputs else rule


def texts() -> dict[str, Rule]:
    """Every text once, under the first rule that has it."""
    found: dict[str, tuple[str, Rule]] = {}
    for name, rule in book().items():
        found.setdefault(rule.derivation, (name, rule))  # type: ignore[attr-defined]
    return dict(found.values())
