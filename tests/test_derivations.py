"""Every line of every derivation follows from the line above it, and the last line is the code."""

import pytest

from pullback.discovery import every
from pullback.handbook.derivation import verify

DERIVED = [name for name, rule in every().items() if hasattr(rule, "derivation")]


@pytest.mark.parametrize("name", DERIVED)
def test_derivation(name):
    assert verify(every()[name]) > 0
