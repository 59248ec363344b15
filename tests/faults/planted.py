"""Every rule's own mistakes, planted in its backward: are they caught, and what are they called?"""

import sys
import time
from collections import Counter
from typing import NamedTuple

import numpy as np

import pullback
from pullback.check import variants
from pullback.check.contract import Trial
from pullback.check.variants.call import Call
from pullback.discovery import every
from pullback.rules.class_cross_entropy import ClassCrossEntropy

CASES = {  # what the cases of a rule leave at its default, or do not have
    "linear": [dict(i=3, o=3, batch=(2,))],
    "rnn": [dict(t=3, n=2, m=2, without=("lengths", "mask"))],
    "lstm": [dict(t=3, n=1, m=1, without=("lengths", "mask"))],
    "gru": [dict(t=3, n=1, m=1, without=("lengths", "mask"))],
    "batch_norm": [dict(n=4, c=2, d=(3,), training=True, eps=0.5)],
    "group_norm": [dict(n=2, c=4, d=(3,), num_groups=2, eps=0.5)],
    "instance_norm": [dict(n=2, c=2, d=(4,), eps=0.5)],
    "cross_entropy": [dict(n=4, c=3, d=(), label_smoothing=0.2)],
    "nll_loss": [dict(n=6, c=3, d=(), ignore_index=1)],
    "avg_pool1d": [dict(n=(7,), kernel_size=3, stride=1, padding=1), dict(n=(4,), divisor_override=3)],
    "max_pool1d": [dict(n=(5,), kernel_size=3, stride=1)],
    "max_pool2d": [dict(n=(4, 3), kernel_size=2, stride=1)],
    "max_pool3d": [dict(n=(3, 3, 2), kernel_size=2, stride=1)],
    "adaptive_max_pool1d": [dict(n=(5,), output_size=3)],
    "adaptive_max_pool2d": [dict(n=(5, 3), output_size=3)],
    "adaptive_max_pool3d": [dict(n=(5, 3, 2), output_size=(3, 2, 2))],
} | {name: [dict(batch=(3, 2))] for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")}  # fmt: skip


class Planted(NamedTuple):
    rule: str
    says: str
    cause: str
    verdict: str
    causes: list[str]
    evidence: list[str]

    def counts(self):
        return Counter(
            n=1,
            caught=self.verdict == "wrong",
            first=self.causes[:1] == [self.cause],
            three=self.cause in self.causes[:3],
            named=any(self.says in text for text in self.evidence),
        )


def trials(name):
    """The rule at random inputs of its cases, and at inputs that reach all its branches, or that tie."""
    rule = every()[name]
    cases = [*rule.cases, *CASES.get(name, ())]
    yield from (Trial(rule, case) for case in cases)
    if name == "cross_entropy":
        yield Trial(ClassCrossEntropy(), dict(n=4, c=3, d=()))
        yield Trial(ClassCrossEntropy(ignore_index=1), dict(n=6, c=3, d=()), seed=1)
    if rule.kinks == "ties":
        for case in cases:
            trial = Trial(rule, case)
            trial.x[0] = np.round(trial.x[0])
            yield trial
    if hasattr(rule, "df") and ">0" not in rule.signature:
        trial = Trial(rule, dict(batch=(9,)))
        trial.x[0] = np.linspace(-7.3, 7.9, 9)
        yield trial


def call(trial, rule=None, inputs=None, gradients=None):
    gradients = trial.shown(trial.gy) if gradients is None else gradients
    return Call(trial.rule if rule is None else rule, trial.x if inputs is None else inputs, gradients)


def small_first(name):
    """Trials that have something to judge, complete ones first."""
    lacks = lambda trial: any(x is None and slot.differentiable for x, slot in zip(trial.x, trial.rule.inputs))
    size = lambda trial: max(6, sum(x.size for x in trial.x if x is not None))  # a single number tells nothing
    some = [trial for trial in trials(name) if all(x is None or x.size for x in trial.x)]
    return sorted(some, key=lambda trial: (lacks(trial), size(trial)))


def plantable(name):
    """Every variant of a rule, at the smallest trial where it differs from the right gradient."""
    found = {}
    for trial in small_first(name):
        for variant, _ in variants.wrong(call(trial)):
            found.setdefault(variant.says, (variant, trial))
    return found


def judged(trial, variant=None, like=None):
    """What check says of the rule's backward with this mistake in it."""
    given = [x is not None for x in trial.x]

    def placed(arrays):
        each = iter(arrays)
        return [next(each) if has else None for has in given]

    def forward(*inputs):
        return tuple(trial.shown(trial.rule(*placed(inputs))))

    def backward(*arrays):
        count = sum(slot.differentiable for slot in trial.rule.outputs)
        a = call(trial, None, placed(arrays[count:]), list(arrays[:count]))
        gradients = a.right | ({} if variant is None else variants.spoilt(a, variant))
        return tuple(gradients.get(slot.name) for slot, has in zip(trial.rule.inputs, given) if has)

    return pullback.check(forward, backward, *[x for x in trial.x if x is not None], like=like)


def planted(name, like=True):
    """All variants of a rule, judged."""
    for variant, trial in plantable(name).values():
        report = judged(trial, variant, trial.rule if like else None)
        causes = [cause for finding in report.findings for cause in finding.causes]
        yield Planted(
            name, variant.says, variant.cause, report.verdict,
            [cause.name for cause in report.causes], [cause.evidence for cause in causes],
        )  # fmt: skip


FAMILIES = {
    "convolution": ("conv1d", "conv2d", "conv3d"),
    "transposed convolution": ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    "pooling": tuple(name for name in every() if "_pool" in name),
    "recurrent": ("rnn_cell", "lstm_cell", "projected_lstm_cell", "gru_cell", "rnn", "lstm", "gru"),
    "normalisation": ("layer_norm", "batch_norm", "group_norm", "instance_norm", "rms_norm"),
    "softmax": ("softmax", "softmin", "log_softmax", "logsumexp", "cross_entropy", "nll_loss"),
    "attention": ("scaled_dot_product_attention",),
    "elementwise": tuple(name for name, rule in every().items() if hasattr(rule, "df")),
}
KNOWN = {name for names in FAMILIES.values() for name in names}
FAMILIES["losses"] = tuple(name for name in every() if name not in KNOWN and hasattr(every()[name], "reduction"))
KNOWN |= set(FAMILIES["losses"])
FAMILIES["others"] = tuple(name for name in every() if name not in KNOWN)


def figures(like=True):
    """Counts by family."""
    for family, names in FAMILIES.items():
        yield family, sum((each.counts() for name in names for each in planted(name, like)), Counter())


def main(only="", like="like"):
    start, total = time.perf_counter(), Counter()
    for family, names in FAMILIES.items():
        if only and only not in (family, *names):
            continue
        counts = Counter()
        for each in (each for name in names if only in ("", family, name) for each in planted(name, like == "like")):
            counts += each.counts()
            if each.verdict != "wrong" or each.cause not in each.causes[:3] or only:
                print(f"  {each.rule:22} {each.says:60} {each.cause:22} {each.verdict} {each.causes[:3]}", flush=True)
        total += counts
        print(line(family, counts), f"{time.perf_counter() - start:.0f} s", flush=True)
    print(line("all", total))


def line(name, counts):
    return f"{name:24}" + "  ".join(f"{k} {counts[k]:3d}" for k in ("n", "caught", "first", "three", "named"))


if __name__ == "__main__":
    main(*sys.argv[1:])
