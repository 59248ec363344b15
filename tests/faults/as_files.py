"""The same faults as files of layers, as `pullback check FILE.py` sees them: nothing is said of their inputs.

A sketch becomes a pair of functions with the name of its layer; the example that it was collected with is left out.
"""

import ast
import re
import warnings
from collections import Counter, defaultdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import suite
from pullback.check.files.command import outcome
from pullback.check.files.targets import targets

# What makes no sense in a file, without the example.
LEFT_OUT = {
    "logsumexp-jvp-no-sum": "a derivative forwards, which no name says",
    "dv-like-k-stride": "writes beyond its memory at any other shape",
    "take-axis-not-zeroed": "writes beyond its memory at any other shape",
    "maxpool-count-top": "its good version is right at its own example alone: it has the largest elements by number",
    "nanvar-where": "its good version is right at its own example alone: it has the mask of that",
    "abs-complex": "it is wrong for complex numbers alone, and no file says that x is complex",
}


def figures(name):
    """By class: how many there are, caught, named first, and among three, and accused wrongly."""
    rows, missed = defaultdict(Counter), []
    with TemporaryDirectory() as folder:
        for case in cases(name):
            bad, good = (judged(case, version, folder) for version in ("bad", "good"))
            names = [cause.name for cause in bad.causes] if bad else []
            kind = case["fault_class"]
            found = Counter(
                cases=1,
                caught=bad is not None,
                first=names[:1] == [kind],
                three=kind in names[:3],
                false=good is not None,
            )
            rows[kind] += found
            if not found["caught"] or found["false"]:
                missed.append(case["id"])
    return rows, missed


def cases(name):
    """Those that can be written to a file, and run here."""
    for case in suite.cases(name):
        if case["id"] not in LEFT_OUT and (case.get("style") not in ("torch", "jax") or find_spec(case["style"])):
            yield case


def judged(case, version, folder):
    """The report of what `pullback check FILE.py` calls wrong, if anything."""
    path = Path(folder) / (version + re.sub(r"\W", "_", case["id"]) + ".py")
    path.write_text(text(case, version))
    order = case.get("options", {}).get("order", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [outcome(exercise, order=order) for exercise in targets(str(path))]
    return next((each.report for each in found if each.verdict == "wrong"), None)


def text(case, version):
    return suite.source(case, version) if "code" in case else written(case, version)


def written(case, version):
    """A sketch as its user would have it in a file."""
    tree = ast.parse(case["numpy_sketch"])
    tree.body = [each for each in tree.body if not is_example(each)]
    name = re.sub(r"[\W_]+", "_", case["layer"].lower().replace("backward", "")).strip("_0123456789")
    x = argument(tree)
    return f"""{ast.unparse(tree)}


def {name}_forward({x}):
    return f({x})


def {name}_backward(dout, {x}):
    return {version}({x}, dout)
"""


def is_example(statement):
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) in ("x0", "g0")


def argument(tree):
    """What the sketch calls its input."""
    for each in tree.body:
        if isinstance(each, ast.FunctionDef) and each.name == "good":
            return each.args.args[0].arg
        if (
            isinstance(each, ast.Assign)
            and ast.unparse(each.targets[0]) == "good"
            and isinstance(each.value, ast.Lambda)
        ):
            return each.value.args.args[0].arg
    return "x"
