"""All rules that have a derivation: the public ones, and those that hyperparameters or dtypes put in their place."""

from pullback.discovery import every
from pullback.door import configured
from pullback.rule import Rule
from pullback.rules.class_cross_entropy import ClassCrossEntropy
from pullback.rules.cross_entropy import SmoothedCrossEntropy
from pullback.rules.kl_div import LogKLDiv


def book() -> dict[str, Rule]:
    public = every()
    return public | {
        "batch_norm, training": configured(public["batch_norm"], {"training": True}),
        "gelu, tanh": configured(public["gelu"], {"approximate": "tanh"}),
        "rnn_cell, relu": configured(public["rnn_cell"], {"nonlinearity": "relu"}),
        "rnn, relu": configured(public["rnn"], {"nonlinearity": "relu"}),
        "cross_entropy of classes": ClassCrossEntropy(),
        "cross_entropy of one class": ClassCrossEntropy(axis=0),
        "cross_entropy of classes, smoothed": SmoothedCrossEntropy(),
        "kl_div of logarithms": LogKLDiv(log_target=True),
    }


def texts() -> dict[str, Rule]:
    """Every text once, under the first rule that has it."""
    found: dict[str, tuple[str, Rule]] = {}
    for name, rule in book().items():
        found.setdefault(rule.derivation, (name, rule))  # type: ignore[attr-defined]
    return dict(found.values())
