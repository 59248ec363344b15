"""The stubs say what the rules are."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_stubs_are_fresh():
    stubs = runpy.run_path(str(ROOT / "tools" / "stubs.py"))
    assert stubs["text"]() == stubs["TARGET"].read_text("utf-8"), "run `make stubs`"
