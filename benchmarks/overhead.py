"""What the door costs: `linearize` + `vjp` through it, over the same bodies called bare. `make bench` runs this.

Every row is measured in this run, alternately with its bodies; the median of the differences is printed, with the
quartiles. The goals: under 5 µs for one floating input, under 10 µs with integer labels; and an import, over that of
bare Python, of at most 0.15 s. `python benchmarks/overhead.py small` measures softmax alone, for the table of bench.py.
"""

import json
import statistics
import subprocess
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import pullback as pb

ROUNDS, CALLS = 41, 500


def calls(rule, inputs, options):
    """The same work twice: through the door, and by the bodies alone."""
    y, at = rule.linearize(*inputs, **options)
    seed = np.ones_like(y)
    filled = (*inputs, *at.plan.fill)
    body, filled = at.rule, at.plan.complete(filled) if at.plan.work else filled

    def through_the_door():
        rule.linearize(*inputs, **options)[1].vjp(seed)

    def bodies():
        _, saved = body.forward(*filled)
        found = body.vjp(seed, *saved)
        for g, wanted in zip(found if isinstance(found, tuple) else (found,), at.plan.has):
            if wanted and callable(g):
                g()

    return through_the_door, bodies


def microseconds(f):
    start = time.perf_counter()
    for _ in range(CALLS):
        f()
    return (time.perf_counter() - start) / CALLS * 1e6


def over(rule, inputs, options):
    """The quartiles of what the door takes, over the bodies."""
    door, bodies = calls(rule, inputs, options)
    return statistics.quantiles([microseconds(door) - microseconds(bodies) for _ in range(ROUNDS)])


def seconds_to_import(code):
    def once():
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return statistics.median(once() for _ in range(9))


def main():
    x, w, b = np.ones((4, 8)), np.ones((3, 8)), np.ones(3)
    labels = np.array([0, 3, 1, 3])
    rows = [
        ("softmax(x)", pb.softmax, (x,), {}, 5),
        ("softmax(x, axis=0)", pb.softmax, (x,), dict(axis=0), 5),
        ("relu(x)", pb.relu, (x,), {}, 5),
        ("linear(x, w, b)", pb.linear, (x, w, b), {}, None),
        ("linear(x, w)", pb.linear, (x, w), {}, None),
        ("layer_norm(x)", pb.layer_norm, (x,), {}, 5),
        ("cross_entropy(x, labels)", pb.cross_entropy, (x, labels), {}, 10),
        ("embedding(labels, w)", pb.embedding, (labels, x), {}, 10),
    ]
    table = Table("call", "over the bodies, µs", "quartiles", "goal", title="What the door costs")
    for name, rule, inputs, options, goal in rows:
        low, middle, high = over(rule, inputs, options)
        table.add_row(name, f"{middle:.1f}", f"{low:.1f} .. {high:.1f}", f"< {goal}" if goal else "")
    Console().print(table)
    bare = seconds_to_import("pass")
    print(f"import pullback: {seconds_to_import('import pullback') - bare:.3f} s over bare Python (goal <= 0.15)")
    print(f"pullback.softmax: {seconds_to_import('import pullback; pullback.softmax') - bare:.3f} s, NumPy included")


if __name__ == "__main__":
    if sys.argv[1:] == ["small"]:
        print(json.dumps(dict(over=over(pb.softmax, (np.ones((4, 8)),), {})[1])))
    else:
        main()
