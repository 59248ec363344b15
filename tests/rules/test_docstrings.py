"""What a rule says of itself."""

import re

import pytest

from pullback.discovery import every


@pytest.mark.parametrize("name", every())
def test_a_rule_names_its_source(name):
    """An author and a year, or the library that defines it."""
    _, _, source = vars(type(every()[name]))["__doc__"].partition("Source: ")
    assert re.match(r"\D*\((1[6-9]|20)\d\d\), |\w+ in the nn package of |(NumPy|PyTorch)'s definition of ", source)
