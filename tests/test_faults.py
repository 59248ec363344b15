"""The contract is tested: every known fault, planted in every method of every rule, fails it."""

from dataclasses import replace
from functools import wraps

import numpy as np
import pytest

from pullback.check.contract import Trial, as_tuple, assert_rule
from pullback.check.faults import FAULTS
from pullback.discovery import every


def broken(rule, method, spoil):
    """A copy of the rule in which the first result of one method goes wrong."""
    right = getattr(rule, method)

    @wraps(right)
    def wrong(*args):
        first, *rest = as_tuple(right(*args))
        result = (spoil(first() if callable(first) else first, args[0]), *rest)
        return result if rest else result[0]

    copy = replace(rule)
    copy.__dict__.update({method: wrong, "name": rule.name})
    return copy


def small_trials(rule):
    """The rule at its cases, a batch added where the case has none."""
    for case in rule.cases:
        trial = Trial(rule, case)
        yield trial, {k: v for k, v in case.items() if k not in trial.rule.options}


def differs(trial, method, spoil):
    """Does the fault change the method's first result at this trial?"""
    fit = trial.at._fit
    gy, tx = (
        fit(trial.gy, trial.plan.gradients, trial.rule.outputs),
        fit(trial.tx, trial.plan.tangents, trial.rule.inputs),
    )
    args = {"vjp": gy, "jvp": tx, "hvp": (*gy, *tx)}[method]
    first = as_tuple(getattr(trial.rule, method)(*args, *trial.at.saved))[0]
    first = first() if callable(first) else first
    wrong = spoil(first, args[0])
    return wrong.shape != first.shape or not np.allclose(wrong, first)


@pytest.mark.parametrize("method", ["vjp", "jvp", "hvp"])
@pytest.mark.parametrize("name", every())
def test_every_fault_is_caught(name, method):
    planted = 0
    for fault, (_, spoil) in FAULTS.items():
        found = ((trial, sizes) for trial, sizes in small_trials(every()[name]) if differs(trial, method, spoil))
        trial, sizes = next(found, (None, None))
        if trial is None:
            continue  # the fault is none here: it changes nothing in any case of this rule
        planted += 1
        with pytest.raises(AssertionError):
            assert_rule(broken(trial.rule, method, spoil), **sizes)
            pytest.fail(f"{name}.{method} with the fault {fault!r} keeps every promise", pytrace=False)
    assert planted, "no fault could be planted"


# Faults of manners, not of values.


def writes_to_gradient(right, gy, *rest):
    found = right(gy, *rest)
    gy *= 1.0000001
    return found


def writes_to_saved(right, gy, *saved):
    found = right(gy, *saved)
    next(a for a in saved if isinstance(a, np.ndarray))[...] += 1
    return found


def widens(right, *args):
    return as_tuple(right(*args))[0].astype(np.float64)


def adds_an_axis(right, *args):
    return as_tuple(right(*args))[0][None]


def forgets_the_second(right, *args):
    return as_tuple(right(*args))[0]


def remembers(right, *args, seen=[]):
    seen.append(0)
    return right(*args) + len(seen) * 1e-3


MANNERS = [
    (writes_to_gradient, "softmax"), (writes_to_saved, "softmax"), (widens, "softmax"), (adds_an_axis, "softmax"),
    (remembers, "softmax"), (forgets_the_second, "bilinear"), (writes_to_gradient, "relu"),
]  # fmt: skip


@pytest.mark.parametrize("fault, name", MANNERS)
def test_bad_manners_are_caught(fault, name):
    rule = every()[name]
    trial, sizes = next(small_trials(rule))
    right = trial.rule.vjp
    copy = replace(trial.rule)
    copy.__dict__["vjp"] = wraps(right)(lambda *args: fault(right, *args))
    with pytest.raises(AssertionError):
        assert_rule(copy, **sizes)
