"""What the documents show is true."""

import ast
import linecache
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from pullback import nn
from pullback.discovery import every
from pullback.handbook.derivation.book import texts
from pullback.handbook.derivation.grading import GRADES, known

ROOT = Path(__file__).parent.parent


def test_a_rule_is_one_file(tmp_path):
    """The example of docs/add-a-rule.md, saved as it says, is found and keeps every promise; no other is touched."""
    shutil.copytree(ROOT / "src" / "pullback", tmp_path / "pullback", ignore=shutil.ignore_patterns("__pycache__"))
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add-a-rule.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "pullback" / "rules" / "outer.py").write_text(text, "utf-8")
    code = (
        "import pullback as pb; from pullback.check.contract import assert_rule\n"
        "assert 'outer' in dir(pb) and pb.outer([1, 2], [3, 4]).tolist() == [[3, 4], [6, 8]]\n"
        "for case in pb.outer.cases: assert_rule(pb.outer, **case)\n"
        "print(pb.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    shown = subprocess.run(
        [sys.executable, "-m", "pullback", "show", "outer"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "x[... i], z[... j] -> y[... i j]" in shown.stdout, shown.stderr


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_table_of_rules_is_fresh():
    table = runpy.run_path(str(ROOT / "tools" / "rules_table.py"))
    assert table["text"]() == table["TARGET"].read_text("utf-8"), "run `make docs`"


def test_the_derivations_are_as_many_as_it_says():
    """By grades.toml, which tests/test_derivations.py holds against the texts themselves."""
    lines = Counter("".join(chain for chains in known().values() for chain in chains))
    count = sum(map(len, known().values()))
    counts = [len(every()), len(texts()), count, lines.total(), *(lines[grade[0]] for grade in GRADES)]
    (said,) = re.findall(r"ends with this count: (.*?)\.\n", (ROOT / "docs" / "derivations.md").read_text("utf-8"))
    assert [int(number) for number in re.findall(r"\d+", said)] == counts


def test_the_tour_of_check_prints_what_it_says():
    tour = runpy.run_path(str(ROOT / "tools" / "tour.py"))
    assert tour["text"]() == tour["TARGET"].read_text("utf-8"), "run `make docs`"


def test_what_the_readme_shows_is_what_comes_out(tmp_path, monkeypatch):
    """Every line of README's Python that ends in a comment prints it."""
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL):
        names, page = {}, f"<README {hash(block)}>"
        linecache.cache[page] = len(block), None, block.splitlines(keepends=True), page  # as a notebook does
        for statement in ast.parse(block).body:
            source = ast.get_source_segment(block, statement)
            if not isinstance(statement, ast.Expr):
                exec(compile(ast.Module([statement], []), page, "exec"), names)
                continue
            value = eval(compile(ast.Expression(statement.value), page, "eval"), names)
            said = block.splitlines()[statement.end_lineno - 1].partition("  # ")[2].strip()
            if said:
                assert " ".join(str(value).split()) == said, source


def test_the_model_file_of_the_readme_can_be_built():
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert nn.build_model(text, (1, 8, 8), 10)(np.zeros((2, 1, 8, 8), "f4")).shape == (2, 10)
