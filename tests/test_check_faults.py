"""The suite of real faults as a floor: `make faults` prints the figures, beside those of torch and JAX."""

import pytest
from faults import peers, suite, trust, whole
from faults.floors import below

from pullback.discovery import every

QUICK = "real", "own", "collected7", "collected8", "collected9"  # `make faults` holds all sets to their floors


@pytest.mark.parametrize("name", QUICK)
def test_faults_are_caught_and_named(name):
    rows, missed = suite.figures(name)
    assert not below(name, suite.total(rows)), (suite.total(rows), missed)


def test_who_falls_short_is_told():
    reached = dict(cases=100, caught=99, noted=0, first=95, three=97, false=0)
    assert below("real", reached) == []
    assert below("real", reached | dict(first=89)) == ["named first"]
    assert below("real", reached | dict(caught=90, false=1)) == ["caught", "false accusations"]


@pytest.mark.parametrize("name", whole.FILES)
def test_a_mistake_in_a_whole_layer_is_one_change(name):
    told, text = whole.mistakes(name), whole.source(name)
    known = {case["fault_class"] for case in suite.cases("real")} | {"contract_shape_dtype"}
    assert {layer for layer, *_ in told.MISTAKES} <= set(told.EXAMPLES)
    for layer, old, new, classes in told.MISTAKES:
        assert text.count(old) == 1 and old != new and set(classes) <= known, (layer, old)


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
