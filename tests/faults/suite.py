"""Runs sketches of real faults through a checker, as their users would call it, and counts.

A sketch defines x0, f(x), good(x, g) and bad(x, g), and sometimes the gradient g0 to try.
"""

import json
import sys
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import pullback

HERE = Path(__file__).parent


def cases(name="real"):
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()]


def sketch(case):
    """The names that the sketch defines, fresh: sketches have state."""
    scope = {}
    exec(case["numpy_sketch"], scope)
    return scope


def options(case):
    """What the author of such code says: that it is a jvp, or which convention of complex numbers it has."""
    return {
        "jvp": {"mode": "jvp"},
        "complex": {"convention": "conjugate"},
        "complex_conj": {"convention": "transpose"},
    }.get(case["harness_kind"], {})


def report(case, version):
    scope = sketch(case)
    derivative = scope[version]
    return pullback.check(scope["f"], lambda g, x: derivative(x, g), scope["x0"], **options(case))


def main(name="real", only=""):
    rows = defaultdict(Counter)
    start = time.perf_counter()
    for case in cases(name):
        if only and only not in case["id"]:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                t = time.perf_counter()
                bad, good = report(case, "bad"), report(case, "good")
                t = time.perf_counter() - t
            except Exception as error:
                import traceback

                traceback.print_exc()
                print("EXC", case["id"], type(error).__name__, error)
                continue
        row = rows[case["fault_class"]]
        kinds = [c.name for c in (bad.causes or bad.notes)]
        row["n"] += 1
        row["caught"] += bad.verdict == "wrong"
        row["noted"] += bad.verdict != "wrong" and bad.notes != ()
        row["first"] += kinds[:1] == [case["fault_class"]]
        row["three"] += case["fault_class"] in kinds[:3]
        row["false"] += good.verdict != "right"
        mark = "" if good.verdict == "right" else f"   GOOD {good.verdict}: {good.reason} {good.cause} {good.leading}"
        if kinds[:1] != [case["fault_class"]] or bad.verdict != "wrong" or mark or only or t > 3:
            print(f"{case['id']:28} {case['fault_class']:26} {bad.verdict:7} {t:.1f}s {kinds[:3]} {mark}")
        if only:
            print(bad), print(good)
    total = sum(rows.values(), Counter())
    for key, row in [*sorted(rows.items()), ("all", total)]:
        print(f"{key:28}", *(f"{k} {row[k]:3d}" for k in ("n", "caught", "noted", "first", "three", "false")))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
