"""A fresh directory for every test."""

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Tests work in a fresh directory, so that messages hold short paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
