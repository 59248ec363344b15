"""Check the backwards that other packages wrote by hand. `make packages` runs this, `make packages ONLY=thinc` a part.

A package that is not installed is left out. Every case is what a user of `pullback.check` would write.
"""

import sys
import time
import warnings
from collections import Counter
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from rich.console import Console
from rich.table import Table

from pullback.check import check
from pullback.errors import PullbackError

PACKAGES = {
    "autograd": "autograd_cases",
    "mygrad": "mygrad_cases",
    "thinc": "thinc_cases",
    "scikit-learn": "sklearn_cases",
    "numpy-ml": "numpy_ml_cases",
    "neuralnetlib": "neuralnetlib_cases",
    "mpneuralnetwork": "mpneuralnetwork_cases",
}


def main(only):
    table = Table("package", "layer", "verdict", "what", title="Everything that is not simply right")
    for package, file in PACKAGES.items():
        if only and package not in only:
            continue
        try:
            title = f"{package} {version(package)}"
        except PackageNotFoundError:
            print(f"{package} is not installed")
            continue
        start, verdicts = time.perf_counter(), Counter()
        for name, forward, backward, inputs in import_module(file).cases():
            verdict, what = judged(forward, backward, inputs)
            verdicts[verdict] += 1
            if verdict != "right" or what:
                table.add_row(title, name, verdict, what)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        print(f"{title}: {counts} ({time.perf_counter() - start:.0f} s)", flush=True)
    Console(width=160).print(table)


def judged(forward, backward, inputs):
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            report = check(forward, backward, *inputs)
    except PullbackError as error:
        return "cannot judge", str(error).partition("\n")[0]
    findings = [f for f in report.findings if f.verdict != "right"]
    return report.verdict, "; ".join(f"{f.name}: {f.cause}: {f.hint}" for f in findings)


if __name__ == "__main__":
    main(sys.argv[1:])
