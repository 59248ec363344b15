"""Elementary functions of the kernels, each to the bound that its docstring states."""

import numpy as np
import pytest
from numba import njit

from pullback.kernels import elementary as el

LEFT, RIGHT = np.geomspace(-700, -1e-30, 3001), np.geomspace(1e-30, 700, 3001)
BOTH = np.concatenate([LEFT, RIGHT])
wide = np.longdouble
BOUNDS = [  # function, the truth in extended precision, where, relative error
    (el.exp, np.exp, BOTH, 4e-16),
    (el.expm1, np.expm1, BOTH, 1e-15),
    (el.log1p_of_part, np.log1p, np.geomspace(1e-300, 1, 3001), 3e-10),
    (el.log, np.log, np.geomspace(1e-45, 3e38, 3001), 2e-11),
    (el.log1p, np.log1p, np.concatenate([np.geomspace(1e-300, 1e9, 3001), np.linspace(0.4, 0.5, 999)]), 2e-11),
    (el.tanh, np.tanh, BOTH, 2e-15),
    (el.sigmoid, lambda x: 1 / (1 + np.exp(-x)), BOTH, 1e-15),
]


def called(f):
    """A part is called by compiled code only."""
    return njit(lambda x: f(x))


@pytest.mark.parametrize("f, truth, x, bound", BOUNDS, ids=[f.__name__ for f, *_ in BOUNDS])
def test_the_stated_bound_holds(f, truth, x, bound):
    f = called(f)
    found, due = np.array([f(float(v)) for v in x]), truth(x.astype(wide))
    assert np.max(abs(found - due) / abs(due)) <= bound


def test_the_exponential_of_float32():
    exp = called(el.exp_of_negative)
    x = np.concatenate([np.linspace(-87.3, 0, 20001), -np.geomspace(1e-30, 87, 999)]).astype(np.float32)
    found, due = np.array([exp(v) for v in x]), np.exp(x.astype(float))
    unit = np.spacing(due.astype(np.float32)).astype(float)
    assert np.max(abs(found - due) / unit) <= 1.3
    assert exp(np.float32(-np.inf)) == 0 and np.isnan(exp(np.float32(np.nan)))
