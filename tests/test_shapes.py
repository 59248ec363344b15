"""Every rule at drawn shapes and hyperparameters: what is allowed is computed, and its derivatives fit together."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pullback.check import contract
from pullback.discovery import every
from pullback.errors import OptionError, ShapeError

QUICK = (
    contract.every_method_answers_for_every_array,
    contract.shapes_are_as_the_signature_says,
    contract.the_transpose_is_the_transpose,
    contract.the_hessian_is_symmetric,
    contract.memory_order_does_not_matter,
)

STRUCTURE = "axis", "normalized_shape", "shape"  # what decides which sizes a case has to name


def drawn(data, rule):
    """A case of the rule with other sizes, and with hyperparameters of any of its cases."""
    case = dict(data.draw(st.sampled_from(rule.cases), "case"))
    for name in rule.options:
        values = [getattr(rule, name), *(other[name] for other in rule.cases if name in other)]
        if len(values) > 1 and name not in STRUCTURE:
            case[name] = data.draw(st.sampled_from(values), name)
    for name, value in case.items():
        if name in rule.options:
            continue
        if isinstance(value, int):
            case[name] = data.draw(st.integers(0, value + 3), name)
        elif name == "batch":
            case[name] = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3), name))
        elif isinstance(value, tuple) and all(isinstance(v, int) for v in value):
            case[name] = tuple(data.draw(st.integers(0, v + 3), name) for v in value)
    return case


@pytest.mark.parametrize("name", every())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_any_shape(name, data):
    rule = every()[name]
    case = drawn(data, rule)
    try:
        with np.errstate(all="raise", under="ignore"):
            trial = contract.Trial(rule, case, data.draw(st.integers(0, 99)))
    except (OptionError, ShapeError):
        assume(False)
    for promise in QUICK:
        promise(trial)
