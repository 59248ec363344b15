"""Who may import whom. The arrows point down; this file is the only place that says so."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "pullback"
VOCABULARY = {
    "errors",
    "expressions",
    "signature",
    "sizes",
    "operators",
    "batch",
    "windows",
    "functions",
    "kinks",
    "names",
    "files",
    "room",
}
CORE = VOCABULARY | {"rule", "door", "linearization"}
MAY_IMPORT = {
    **dict.fromkeys(VOCABULARY, VOCABULARY),
    "discovery": {"rule"},
    "rule": CORE,
    "door": CORE - {"rule"} | {"kernels"},
    "kernels": {"kernels", "errors"},
    "linearization": VOCABULARY,
    "rules": CORE | {"rules"},
    "check": {"check", "errors", "discovery"},
    "handbook": CORE | {"handbook", "discovery", "check"},
    "nn": CORE | {"nn", "discovery", "kernels"},
    "train": CORE | {"train", "nn", "check", "discovery", "handbook", "kernels"},
    "testing": {"check"},
    "pytest_plugin": {"check", "errors", "testing"},
    "__init__": {"discovery"},
    "__main__": {"cli"},
    "cli": {"__version__", *(path.stem for path in ROOT.iterdir())},
}
FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_imports_point_down(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for node in statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "pullback":
            names = [f"pullback.{a.name}" for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("pullback."):
                assert name.split(".")[1] in MAY_IMPORT[part], f"{path.name} may not import {name}"


def statements(tree):
    """All nodes, but for what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from statements(node)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_is_light():
    """`import pullback` and one rule bring NumPy and the standard library, nothing else."""
    code = (
        "import sys, numpy.random; before = set(sys.modules); import pullback; pullback.softmax([2.0, 3.0])\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names) - {'numpy', 'pullback'}))"
    )
    assert run(code).split() == []


def test_one_rule_brings_one_file():
    code = "import sys, pullback; pullback.softmax; print(*(n for n in sys.modules if n.startswith('pullback.rules.')))"
    assert run(code).split() == ["pullback.rules.softmax"]
