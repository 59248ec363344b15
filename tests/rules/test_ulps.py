"""Values and derivatives of elementwise rules are right to 4 units in the last place: tests/ulps.py measures."""

import mpmath
import numpy as np
import pytest
import ulps
from mpmath import mpf

from pullback.discovery import every, find
from pullback.rules.activations import Sigmoid
from pullback.rules.elementwise import Elementwise


@pytest.mark.parametrize("dtype", ulps.BITS, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("row", ulps.ROWS, ids=str)
def test_right_to_four_ulps(row, dtype):
    f, df = ulps.measure(row, dtype, n=80)
    assert f.ulps <= ulps.ALLOWED, f"f is off by {f.ulps} ulps at {f.at!r}"
    assert df.ulps <= ulps.ALLOWED, f"f' is off by {df.ulps} ulps at {df.at!r}"


def test_all_elementwise_rules_are_measured():
    assert {name for name, rule in every().items() if isinstance(rule, Elementwise)} == {row.name for row in ulps.ROWS}


@pytest.mark.parametrize("row", ulps.ROWS, ids=str)
def test_the_truth_about_the_derivative_is_the_derivative_of_the_truth(row):
    for x in row.domain(np.array([-7.3, -2.1, -0.83, -0.27, 0.04, 0.61, 1.9, 5.2])):
        with mpmath.workprec(row.bits):
            _, slope = row.truth(float(x))
            assert abs(mpmath.diff(lambda v: row.truth(v)[0], float(x)) - slope) < 1e-20


@pytest.mark.parametrize("x", [-30.0, -12.3, -2.1, -0.3, 0.1, 1.1, 3.3, 7.7, 12.1, 25.3, 35.3])
def test_the_second_derivative_of_gelu_keeps_its_digits_in_the_tails(x):
    with mpmath.workprec(250):
        true = (2 - mpf(x) ** 2) * mpmath.npdf(x)
    assert ulps.distance(find("gelu").linearize(x)[1].hvp(1.0, 1.0), true, np.float64) <= 8


def test_a_derivative_from_the_rounded_value_is_caught(monkeypatch):
    monkeypatch.setattr(Sigmoid, "df", lambda self, x: self.f(x) * (1 - self.f(x)))
    row = next(row for row in ulps.ROWS if row.name == "sigmoid")
    assert ulps.measure(row, np.float64, n=80)[1].ulps > 1e10


@pytest.mark.parametrize("got, true, ulp", [(1 + 2**-52, 1, 1), (1 - 2**-53, 1, 0.5), (2.0, 1, 2**52), (0.0, 0, 0)])
def test_distance_counts_units_in_the_last_place(got, true, ulp):
    assert ulps.distance(got, mpf(true), np.float64) == ulp


@pytest.mark.parametrize("got", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_infinitely_far(got):
    assert ulps.distance(got, mpf(1), np.float64) == np.inf
    assert ulps.distance(-np.inf, mpf("1e400"), np.float64) == np.inf
    assert ulps.distance(np.inf, mpf("1e400"), np.float64) == 0
