"""The suite of real faults as a floor: `make faults` prints the figures, beside those of torch and JAX."""

import pytest
from faults import peers, suite, trust

from pullback.discovery import every

FLOORS = [
    ("real", 0.96, 0.90, 0.94),
    ("own", 0.98, 0.90, 0.96),
    ("heldout", 0.94, 0.87, 0.89),
    ("heldout2", 1, 0.8, 0.85),
    ("heldout3", 0.89, 0.49, 0.65),
    ("heldout4", 0.96, 0.64, 0.88),
    ("heldout5", 0.96, 0.63, 0.83),
    ("heldout6", 0.96, 0.66, 0.86),
    ("heldout7", 0.92, 0.92, 0.92),
    ("heldout8", 0.9, 0.92, 0.92),
    ("heldout9", 0.92, 0.92, 0.95),
    ("heldout10", 0.9, 0.87, 0.9),
    ("heldout11", 0.87, 0.77, 0.85),
    ("heldout12", 0.95, 0.87, 0.92),
    ("collected", 0.98, 0.85, 0.92),
    ("collected2", 0.97, 0.8, 0.87),
    ("collected3", 0.91, 0.74, 0.85),
    ("collected4", 0.95, 0.65, 0.7),
    ("collected5", 0.97, 0.62, 0.77),
    ("collected6", 0.97, 0.68, 0.83),
    ("collected7", 0.93, 0.55, 0.65),
    ("collected8", 0.97, 0.67, 0.78),
    ("collected9", 0.97, 0.63, 0.8),
]


@pytest.mark.parametrize("name, caught, first, three", FLOORS)
def test_faults_are_caught_and_named(name, caught, first, three):
    rows, missed = suite.figures(name)
    found = suite.total(rows)
    assert found["false"] == 0, missed
    assert found["caught"] + found["noted"] >= caught * found["cases"], missed
    assert found["first"] >= first * found["cases"]
    assert found["three"] >= three * found["cases"]


@pytest.mark.parametrize("name", ["real", "own"])
def test_with_the_rule_everything_is_caught(name):
    rows, missed = suite.figures(name, like=True)
    assert suite.total(rows)["cases"] > 8 and not missed


def test_rules_are_not_accused():
    """One case of every tenth; all of them, with many seeds, in `make faults`."""
    some = list(every().items())[::10]
    wrong = [name for name, rule in some if trust.judged(rule, rule.cases[0], 0).verdict == "wrong"]
    assert not wrong


def test_the_peers_are_called_as_they_should_be():
    pytest.importorskip("torch")
    tanh = next(case for case in suite.cases("own") if case["id"] == "tanh-local")
    for checker in peers.CHECKERS.values():
        assert peers.accepts(checker, tanh, "good") and not peers.accepts(checker, tanh, "bad")
