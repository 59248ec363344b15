"""Every rule's own mistakes: they differ from the right gradient, and are caught and named."""

import warnings
from collections import Counter
from functools import cache

import numpy as np
import pytest

import pullback
from pullback.check import judge
from pullback.check.contract import Trial
from pullback.check.variants import families, variants, wrong
from pullback.check.variants.call import Call
from pullback.discovery import every

MANY = "conv", "max_pool", "avg_pool", "lp_pool", "adaptive", "rnn", "lstm", "gru", "norm", "softmax", "cross_entropy"
MORE = {  # what the cases of a rule leave at its default, or do not have
    "batch_norm": [dict(n=4, c=2, d=(3,), training=True, eps=0.5)],
    "group_norm": [dict(n=2, c=4, d=(3,), num_groups=2, eps=0.5)],
    "instance_norm": [dict(n=2, c=2, d=(4,), eps=0.5)],
    "cross_entropy": [dict(n=5, c=3, d=(), ignore_index=1), dict(n=4, c=3, d=(), label_smoothing=0.2)],
    "linear": [dict(i=3, o=3, batch=(2,))],
    "max_pool1d": [dict(n=(5,), kernel_size=3, stride=1)],
    "max_pool2d": [dict(n=(4, 3), kernel_size=2, stride=1)],
    "max_pool3d": [dict(n=(3, 3, 2), kernel_size=2, stride=1)],
    "hardtanh": [dict(batch=(6,))],
    "nll_loss": [dict(n=5, c=3, d=(), ignore_index=1)],
    "avg_pool1d": [dict(n=(7,), kernel_size=3, stride=1, padding=1), dict(n=(5,), divisor_override=3)],
}


def calls(name):
    """The rule at its cases, at others, at numbers that tie, and (elementwise) at large ones."""
    rule = every()[name]
    trials = [Trial(rule, case) for case in (*rule.cases, *MORE.get(name, ()))]
    for k in range(len(trials)):
        trial = trials[k]
        if trial.rule.kinks == "ties" or hasattr(trial.rule, "slope") and name not in ("log", "sqrt", "exp"):
            trials.append(Trial(rule, [*rule.cases, *MORE.get(name, ())][k]))
            scale = 1 if trial.rule.kinks == "ties" else 4
            trials[-1].x[0] = np.round(scale * trial.x[0], 0 if scale == 1 else 1) + (scale > 1) * 0.03
    for trial in trials:
        yield trial, Call(trial.rule, trial.x, trial.shown(trial.gy))
