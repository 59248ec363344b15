"""Where the code of kernels lives: in a cache, in none, or nowhere."""

import sys
from pathlib import Path

import pytest
from fast import TESTS, run

import pullback

SOURCES = Path(pullback.__file__).parent / "kernels"

HERE = f"import sys; sys.path.insert(0, {str(TESTS)!r}); "


def test_who_compiles_a_kernel_finds_the_same_bits_as_who_loads_it(tmp_path):
    """All kernels, whatever was loaded before: the second process goes the other way round."""
    found = []
    for order in ("CASES", "CASES[::-1]"):
        code = HERE + f"from fast import CASES, bits\nfor name, case in {order}: print(bits(name, case))"
        found.append(run(code, XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_DIR="", PULLBACK_THREADS="2"))
    assert found[0] == found[1][::-1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these tunables are glibc's")
def test_no_memory_is_read_before_it_is_written_or_after_it_was_given_back():
    """What malloc hands out, and what is freed, is overwritten at once: tables whose addresses are handed on must live
    as long as they are read, and what is read must have been written."""
    code = HERE + "from fast import CASES, bits\nfor name, case in CASES: print(bits(name, case))"
    poison = "glibc.malloc.tcache_count=0:glibc.malloc.perturb="
    clean, *spoiled = (run(code, GLIBC_TUNABLES=tunables) for tunables in ("", poison + "85", poison + "255"))
    assert all(found == clean for found in spoiled)


USE = "import numpy as np, pullback as pb; x = np.ones((300, 500), 'f4'); y, at = pb.softmax.linearize(x); at.vjp(y); "


def test_without_numba_the_rule_does_the_work():
    """All of them do."""
    code = "import sys; sys.modules['numba'] = None; " + HERE
    code += "from fast import *\nfor name, rule in every().items():\n  for case in rule.cases:\n"
    code += "    r, inputs = arrays(rule, case); y, at = r.linearize(*map(to_single, inputs)); "
    code += "at.vjp(*waves(at.plan.gradients)); assert at.plan.forward is at.plan.vjp is None\nprint('well')"
    assert run(code) == ["well"]


def test_where_nothing_can_be_kept(tmp_path):
    """A cache folder that cannot be written to: everything is compiled anew, and nothing is left beside the sources."""
    (tmp_path / "file").write_text("")
    beside = lambda: {file: file.stat().st_mtime_ns for file in SOURCES.glob("__pycache__/*.nb?")}
    before = beside()
    assert run(USE + "print(at.plan.forward.func.__module__)", NUMBA_CACHE_DIR=str(tmp_path / "file")) == [
        "pullback.kernels.softmax"
    ]
    assert beside() == before
