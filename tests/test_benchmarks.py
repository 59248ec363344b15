"""The scripts in benchmarks/ run to their end. What they measure is nobody's business here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def printed(script, *arguments, env=None):
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, check=False, cwd=BENCHMARKS, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_row_is_measured():
    found = json.loads(printed("worker.py", "pullback", "conv first 5x5", "2", '{"batch": 2}'))
    assert 0 < found["seconds"] < found["first"]


def test_without_peers(tmp_path):
    """It says how to get them, as the pages do, which are read in a clone."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules |= dict.fromkeys(['torch', 'jax'])\n")
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench.py", "--rows", "conv first 5x5", "--rounds", "1", "--set", "batch=2"],
        capture_output=True, text=True, check=False, cwd=BENCHMARKS,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert done.returncode == 1 and 'there is nobody to compare with; pip install ".[peers]"' in done.stderr
    root = BENCHMARKS.parent
    pages = [root / "README.md", *root.glob("docs/*.md"), *BENCHMARKS.glob("*.py"), *BENCHMARKS.rglob("*.md")]
    assert not [page.name for page in pages if "pullback[" in page.read_text("utf-8")]


def test_the_products_of_a_convolution_are_measured():
    lines = printed("parts.py", "conv first 5x5").splitlines()
    assert all(any(name in line for line in lines) for name in ("forward", "weight gradient"))


def test_the_phases_of_an_lstm_are_measured():
    assert "weights" in printed("phases.py", "3", "2", "5", "7")


def test_what_the_machine_can_do_is_measured():
    found = json.loads(printed("roofline.py", "1"))
    assert found["flops"] > 0 and found["bandwidth"] > 0


def test_a_machine_is_named_after_its_processor():
    call = "from processor import short; print(short('Intel(R) Xeon(R) CPU @ 2.20GHz', 'AVX-512'))"
    assert printed("-c", call) == "intel-xeon-avx-512\n"


def test_compiling_is_done_before_anybody_is_measured(tmp_path):
    """Where every row compiled for itself, memory would be a hundred megabytes."""
    row, threads, changes = "conv first 5x5", "2", '{"batch": 2}'
    cache = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    assert json.loads(printed("warm.py", threads, changes, row, env=cache)) == [row]
    assert json.loads(printed("worker.py", "pullback", row, threads, changes, env=cache))["memory"] < 50


def test_what_a_row_must_move_is_counted_once():
    """Of a first layer x, there and back, y and gy; of depthwise gx as well."""
    call = "import json, rows; print(json.dumps({row.name: row.bytes for row in rows.ROWS}))"
    counted = json.loads(printed("-c", call))
    image = 4 * 64 * 28 * 28  # bytes of a channel, of all images
    assert counted["conv first 3x3"] == image * (1 + 1 + 32 + 32)
    assert counted["conv first 5x5"] == image * (1 + 1 + 6 + 6)
    assert counted["conv depthwise"] == 4 * 32 * 64 * 32 * 32 * 5


def test_a_row_that_is_short_of_its_roofline_is_marked():
    told = "import bench; print(bench.wanted(0.749, 0.75), bench.wanted(0.744, 0.75), bench.wanted(1.2, 0.5), sep='; ')"
    assert printed("-c", told) == "75%; 75%, short; 50%\n"


def test_caches_are_found(tmp_path):
    for k, told in enumerate((("1", "Data", "32K"), ("1", "Instruction", "64K"), ("2", "Unified", "1M"))):
        (tmp_path / f"index{k}").mkdir()
        for name, text in zip(("level", "type", "size"), told):
            (tmp_path / f"index{k}" / name).write_text(text + "\n")
    call = f"import pathlib, processor; print(processor.caches(pathlib.Path({str(tmp_path)!r})))"
    assert printed("-c", call) == "['32K', '1M']\n"
