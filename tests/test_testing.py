"""For the tests of other projects: `assert_backward`, and what `pytest --pullback` collects."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from pullback.testing import assert_backward

ROOT = Path(__file__).parent.parent
LAYERS = """
import numpy as np

def scale_forward(x, w):
    return x * w, (x, w)

def scale_backward(dout, cache):
    x, w = cache
    return dout * w, (dout * x).{}(axis=0)

def unknown_forward(x):
    raise ValueError("never")

def unknown_backward(dout, x):
    return dout
"""


def forward(x, w):
    return x @ w


def test_what_is_right_passes_and_gives_its_report():
    report = assert_backward(forward, lambda g, x, w: (g @ w.T, x.T @ g), (4, 5), (5, 3))
    assert report.verdict == "right"


def test_what_is_wrong_fails_with_the_report_and_the_cause():
    with pytest.raises(AssertionError) as caught:
        assert_backward(forward, lambda g, x, w: (g @ w.T, x.T @ g / 2), (4, 5), (5, 3))
    assert "constant_factor" in str(caught.value) and "w" in str(caught.value)


def test_what_cannot_be_judged_fails_too():
    with pytest.raises(AssertionError, match="cannot judge"):
        assert_backward(lambda x: np.random.default_rng().random() * x, lambda g, x: g, (4,))


def pytest_run(folder, *args):
    """In a process of its own, with our plugin alone."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pullback.pytest_plugin", "-p", "no:cacheprovider", "-rs", *args],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip


@pytest.fixture
def project(tmp_path):
    (tmp_path / "layers.py").write_text(LAYERS.format("sum"))
    (tmp_path / "wrong_layers.py").write_text(LAYERS.format("mean"))
    (tmp_path / "other.py").write_text("raise SystemExit('this file has no layer, and is not run')")
    (tmp_path / "test_it.py").write_text(
        "def test_scale(assert_backward):\n"
        "    from layers import scale_forward, scale_backward\n"
        "    assert_backward(scale_forward, scale_backward, (4, 5), (5,))\n"
    )
    return tmp_path


def test_the_option_collects_layers_and_says_what_is_wrong(project):
    done = pytest_run(project, "--pullback", "-v")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "layers.py::scale_backward PASSED" in done.stdout and "wrong_layers.py::scale_backward FAILED" in done.stdout
    assert "2 failed" not in done.stdout and "2 passed, 2 skipped" in done.stdout
    assert "cannot judge" in done.stdout and "Traceback" not in done.stdout
    assert "w" in done.stdout and "constant_factor" in done.stdout


def test_without_the_option_layers_are_left_alone(project):
    done = pytest_run(project)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_files_can_be_chosen(project):
    (project / "pytest.ini").write_text("[pytest]\npullback_files = layers.py\n")
    done = pytest_run(project, "--pullback")
    assert done.returncode == 0 and "2 passed, 1 skipped" in done.stdout, done.stdout + done.stderr


def test_a_run_that_finds_nothing_to_check_says_so(project):
    (project / "tests").mkdir()
    (project / "tests" / "test_one.py").write_text("def test_one(): pass\n")
    (project / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    done, says = pytest_run(project, "--pullback"), "PytestWarning: --pullback found nothing to check below tests"
    assert done.returncode == 0 and says in done.stdout and "1 passed, 1 warning" in done.stdout, done.stdout
    strict = pytest_run(project, "--pullback", "-W", "error")
    assert strict.returncode == 4 and "found nothing to check" in strict.stderr + strict.stdout
    for args in (["--pullback", "layers.py", "tests"], ["--pullback", "layers.py", "-k", "nothing"], []):
        assert "found nothing to check" not in pytest_run(project, *args).stdout


def test_a_backward_without_a_forward_is_skipped_with_the_reason(project):
    (project / "layers.py").write_text(LAYERS.format("sum") + "\ndef pool_backward(g, c):\n    return g\n")
    done = pytest_run(project, "--pullback", "layers.py")
    assert done.returncode == 0 and "1 passed, 2 skipped" in done.stdout
    assert "no forward found: pool_forward, pool" in done.stdout


def test_a_file_that_does_not_import_is_an_error_of_one_line(project):
    (project / "broken.py").write_text("import nonsense_that_is_not_there\ndef f_backward(g): return g")
    done = pytest_run(project, "--pullback")
    assert done.returncode == 2
    assert "pullback: " in done.stdout and "broken.py does not import: ModuleNotFoundError" in done.stdout


def test_the_plugin_is_an_entry_point_and_light():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"pullback": "pullback.pytest_plugin"}
    code = "import sys, pytest; before = set(sys.modules); import pullback.pytest_plugin; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
