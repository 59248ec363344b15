"""Every rule at drawn shapes: what the signature allows is computed, and its derivatives fit together."""

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


def drawn(data, case):
    """The case with other sizes: every axis at least 0, a batch where it had one."""
    sizes = {}
    for name, value in case.items():
        if isinstance(value, int) and not isinstance(value, bool) and len(name) == 1:
            value = data.draw(st.integers(0, value + 3), name)
        elif isinstance(value, tuple) and len(name) == 1 and name not in "lmv":
            value = tuple(data.draw(st.integers(0, v + 3), name) for v in value)
        elif name == "batch":
            value = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3), name))
        sizes[name] = value
    return sizes


@pytest.mark.parametrize("name", every())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_any_shape(name, data):
    rule = every()[name]
    case = drawn(data, data.draw(st.sampled_from(rule.cases)))
    try:
        with np.errstate(all="raise", under="ignore"):
            trial = contract.Trial(rule, case, data.draw(st.integers(0, 99)))
    except (OptionError, ShapeError):
        assume(False)
    for promise in QUICK:
        promise(trial)
