"""What the documents show is true."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_rule_is_one_file(tmp_path):
    """The example of docs/add-a-rule.md, saved as it says and with nothing else touched, is found and keeps every promise."""
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
    shown = subprocess.run([sys.executable, "-m", "pullback", "show", "outer"], cwd=tmp_path, capture_output=True, text=True)
    assert "a[... i], b[... j] -> y[... i j]" in shown.stdout, shown.stderr


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"
