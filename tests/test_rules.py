"""Every rule keeps every promise of the contract, on every case that its file lists."""

import pytest

from pullback.check.contract import assert_rule
from pullback.discovery import every
from pullback.handbook.page import backward
from pullback.rule import Rule

CASES = [
    pytest.param(rule, case, id=f"{name}-{k}") for name, rule in every().items() for k, case in enumerate(rule.cases)
]


@pytest.mark.parametrize("rule, case", CASES)
def test_rule(rule, case):
    assert_rule(rule, **case)


@pytest.mark.parametrize("name", every())
def test_there_are_cases(name):
    assert every()[name].cases, f"{name} has no `cases`: nothing about it is tested"


def test_a_missing_method_is_named():
    class Nothing(Rule):
        signature = "x[n] -> y[n]"

    with pytest.raises(AssertionError, match="Nothing has no forward, jvp, vjp, hvp"):
        assert_rule(Nothing(), n=2)


@pytest.mark.parametrize("name", every())
def test_the_docstring_gives_the_backward(name):
    assert "=" in backward(every()[name])
