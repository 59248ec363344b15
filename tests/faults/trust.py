"""Right code is never accused: every rule, at its cases, with many seeds."""

import sys
import time
import warnings

import pullback
from pullback.check.contract import Trial
from pullback.discovery import every


def accused(rule, case, seed):
    """What check has against a rule at the random inputs of one case, if anything."""
    trial = Trial(rule, case, seed)
    inputs = [x for x in trial.x if x is not None]
    names = [slot.name for slot, x in zip(trial.rule.inputs, trial.x) if x is not None]

    def forward(*arrays):
        return tuple(trial.shown(trial.rule(**dict(zip(names, arrays)))))

    def backward(*arrays):
        differ = [slot.differentiable for slot in trial.rule.outputs]
        gradients, arrays = iter(arrays[: sum(differ)]), arrays[sum(differ) :]
        shown = [next(gradients) if each else None for each in differ]
        found = trial.rule.linearize(**dict(zip(names, arrays)))[1].vjp(*shown)
        found = found if isinstance(found, tuple) else (found,)
        return tuple(g for g, x in zip(found, trial.x) if x is not None)

    return pullback.check(forward, backward, *inputs, seed=seed)


def main(seeds=1, only=""):
    start, count, wrong, cannot = time.perf_counter(), 0, 0, 0
    for name, rule in every().items():
        if only and only != name:
            continue
        for case in rule.cases:
            for seed in range(int(seeds)):
                t = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        report = accused(rule, case, seed)
                    except Exception as error:
                        print("EXC", name, case, type(error).__name__, str(error)[:150])
                        continue
                t = time.perf_counter() - t
                count += 1
                wrong += report.verdict == "wrong"
                cannot += report.verdict == "cannot judge"
                if report.verdict != "right" or t > 6:
                    print(
                        name,
                        case,
                        seed,
                        f"{t:.1f}s",
                        report if report.verdict == "wrong" else report.reason,
                        flush=True,
                    )
    print(f"{count} runs, {wrong} wrong, {cannot} cannot judge, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
