"""`make faults`: what is caught and named, and who is accused wrongly; `--seeds 1000`: the long run over rules."""

import argparse
import sys
import time
from collections import Counter
from importlib.util import find_spec

from faults import as_files, peers, planted, suite, trust, whole
from faults.floors import below


def main():
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="for every rule, its cases in turn; else each case once")
    seeds = parser.parse_args().seeds
    short = []

    def counted(name):
        rows, missed = suite.figures(name)
        short.extend(f"{name}: {what}" for what in below(name, suite.total(rows)))
        return rows, missed

    for name in ("real", "own"):
        rows, missed = counted(name)
        table(f"{name} faults", rows)
        print(f"missed: {', '.join(missed) or 'none'}\n")
        rows, missed = suite.figures(name, like=True)
        line(f"{name}, with like=", suite.total(rows))
        for checker in peers.CHECKERS:
            if find_spec("jax" if checker == "check_grads" else "torch"):
                count, caught, false = peers.figures(name, checker)
                print(f"{checker:28}{count:7}{caught:8}{'':32}{false:8}")
        print()
    heldout = ("heldout", *(f"heldout{k}" for k in (2, 3, 5, 7, 8, 9, 10, 11, 12)))
    for name in (*heldout, "collected", *(f"collected{k}" for k in range(2, 12))):
        rows, missed = counted(name)
        table(f"{name} faults", rows)
        print(f"missed: {', '.join(missed) or 'none'}\n")
    for name in ("real", "own", "heldout", "heldout2"):
        rows, missed = as_files.figures(name)
        line(f"{name}, as files", suite.total(rows))
        print(f"missed: {', '.join(missed) or 'none'}\n")
    # Totals only: whoever improves the checker should not know which of these it misses.
    for name in ("heldout4", "heldout6"):
        line(f"{name}, kept aside", suite.total(counted(name)[0]))
    print()
    layers = Counter()
    for name in whole.FILES:
        rows, missed = whole.figures(name)
        layers += suite.total(rows)
        line(f"whole layers, {name}", suite.total(rows))
        print(f"missed: {', '.join(missed) or 'none'}")
    line("whole layers, all", layers)
    short.extend(f"whole layers: {what}" for what in below("whole layers", layers))
    print()
    print("mistakes planted in the rules, with like=")
    for family, counts in planted.figures():
        print(planted.line(family, counts))
    print(planted.line("planted, without like=", sum((counts for _, counts in planted.figures(False)), Counter())))
    start = time.perf_counter()
    for title, runs in (("rules", trust.rules(seeds)), ("torch.nn.functional", trust.torch_layers())):
        verdicts = [(where, report.verdict) for where, report in runs]
        wrong = [where for where, verdict in verdicts if verdict == "wrong"]
        print(f"right code, {title}: {len(verdicts)} runs, {len(wrong)} accused: {', '.join(wrong) or 'none'}")
    print(f"{time.perf_counter() - start:.0f} s")
    sys.exit(f"below what was reached before: {', '.join(short)}" if short else 0)


COLUMNS = "cases", "caught", "noted", "first", "three", "mended", "false"


def table(title, rows):
    print(f"{title:28}" + "".join(f"{name:>{7 if name == 'cases' else 8}}" for name in COLUMNS))
    for kind, row in sorted(rows.items()):
        line(kind, row)
    line("all", suite.total(rows))


def line(title, row):
    print(f"{title:28}" + "".join(f"{row[name]:{7 if name == 'cases' else 8}}" for name in COLUMNS))


if __name__ == "__main__":
    main()
