"""Every rule keeps every promise of the contract, on every case that its file lists."""

import pytest

from pullback.check.contract import assert_rule
from pullback.discovery import every
from pullback.handbook.page import backward

CASES = [
    pytest.param(rule, case, id=f"{name}-{k}") for name, rule in every().items() for k, case in enumerate(rule.cases)
]


@pytest.mark.parametrize("rule, case", CASES)
def test_rule(rule, case):
    assert_rule(rule, **case)


@pytest.mark.parametrize("name", every())
def test_the_docstring_gives_the_backward(name):
    assert "=" in backward(every()[name])
