"""The contract is tested: every known fault, planted in every result of every method of every rule, fails it."""

from dataclasses import replace
from functools import wraps
from itertools import product

import numpy as np
import pytest

from pullback.check.contract import Trial, as_tuple, assert_rule
from pullback.check.faults import FAULTS
from pullback.discovery import every


def broken(rule, method, k, spoil):
    """A copy of the rule in which the k-th result of one method goes wrong."""
    right = getattr(rule, method)

    @wraps(right)
    def wrong(*args):
        found = list(as_tuple(right(*args)))
        found[k] = spoil(found[k]() if callable(found[k]) else found[k], args[0])
        return tuple(found) if len(found) > 1 else found[0]

    copy = replace(rule)
    copy.__dict__.update({method: wrong, "name": rule.name})
    return copy


def small_trials(rule):
    """The rule at its cases, a batch added where the case has none."""
    for case in rule.cases:
        trial = Trial(rule, case)
        yield trial, {k: v for k, v in case.items() if k not in trial.rule.options}


def results(trial, method):
    """What the method gives here, and what it was made from."""
    fit = trial.at._fitting
    gy = fit(trial.gy, trial.plan.gradients, trial.rule.outputs)
    tx = fit(trial.tx, trial.plan.tangents, trial.rule.inputs)
    args = {"vjp": gy, "jvp": tx, "hvp": (*gy, *tx)}[method]
    found = as_tuple(getattr(trial.rule, method)(*args, *trial.at.saved))
    return [a() if callable(a) else a for a in found], args[0]


def seen(trial, method):
    """Numbers of the results that anybody sees: a gradient of what was left out is None."""
    has = [has for has, slot in zip(trial.has, trial.rule.inputs) if slot.differentiable]
    return range(len(trial.shown(trial.ty))) if method == "jvp" else [k for k, h in enumerate(has) if h]


@pytest.mark.parametrize("method", ["vjp", "jvp", "hvp"])
@pytest.mark.parametrize("name", every())
def test_every_fault_is_caught(name, method):
    """In one case of the rule for every result, the first where the fault makes a difference."""
    planted = set()
    for trial, sizes in small_trials(every()[name]):
        found, above = results(trial, method)
        for k, (fault, (_, spoil, _)) in product(seen(trial, method), FAULTS.items()):
            wrong = spoil(found[k], above)
            if (k, fault) in planted or wrong.shape == found[k].shape and np.allclose(wrong, found[k]):
                continue
            planted.add((k, fault))
            with pytest.raises(AssertionError):
                assert_rule(broken(trial.rule, method, k, spoil), **sizes)
                pytest.fail(f"{name}.{method}, result {k}, keeps every promise with the fault {fault!r}", pytrace=False)
    assert planted, "no fault could be planted"


@pytest.mark.parametrize("name", every())
def test_a_fault_in_the_value_is_caught(name):
    """A forward function that is not the one that was differentiated."""
    trial, sizes = next(small_trials(every()[name]))
    right = trial.rule.forward
    copy = replace(trial.rule)

    def forward(*inputs):
        y, saved = right(*inputs)
        first, *rest = as_tuple(y)
        return ((2 * first, *rest) if rest else 2 * first), saved

    copy.__dict__.update({"forward": forward, "name": name})
    with pytest.raises(AssertionError):
        assert_rule(copy, **sizes)


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


def wrong_in_float32(right, *args):
    return right(*args) * (1.5 if args[0].dtype == np.float32 else 1)


def wrong_on_reversed_memory(right, gy, *rest):
    return right(gy, *rest) * (2 if gy.ndim and gy.strides[-1] < 0 else 1)


def remembers(right, *args, seen=[]):
    seen.append(0)
    return right(*args) + len(seen) * 1e-3


MANNERS = [
    (writes_to_gradient, "softmax", "vjp"), (writes_to_gradient, "relu", "vjp"), (writes_to_saved, "softmax", "vjp"),
    (adds_an_axis, "softmax", "vjp"), (remembers, "softmax", "vjp"), (forgets_the_second, "bilinear", "vjp"),
    *product([widens, wrong_in_float32, wrong_on_reversed_memory], ["softmax"], ["vjp", "jvp", "hvp"]),
]  # fmt: skip


@pytest.mark.parametrize("fault, name, method", MANNERS)
def test_bad_manners_are_caught(fault, name, method):
    trial, sizes = next(small_trials(every()[name]))
    right = getattr(trial.rule, method)
    copy = replace(trial.rule)
    copy.__dict__[method] = wraps(right)(lambda *args: fault(right, *args))
    with pytest.raises(AssertionError):
        assert_rule(copy, **sizes)
