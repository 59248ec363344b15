"""Where there is no derivative a gradient may be any of those of its sides, but it is a number."""

import numpy as np
import pytest

import pullback


def spread(x):
    return x.std(1)


def spread_back(guard):
    def backward(g, x):
        centred, s = x - x.mean(1, keepdims=True), x.std(1, keepdims=True)
        return g[:, None] * centred / ((np.where(s > 0, s, 1) if guard else s) * x.shape[1])

    return backward


def distance(x, y):
    return np.sqrt(((x - y) ** 2).sum(1))


def distance_back(guard):
    def backward(g, x, y):
        d = distance(x, y)
        unit = (x - y) / (np.where(d > 0, d, 1) if guard else d)[:, None]
        return g[:, None] * unit, -g[:, None] * unit

    return backward


@pytest.mark.parametrize("forward, back, shapes", [
    (spread, spread_back, [(3, 4)]),
    (distance, distance_back, [(4, 3), (4, 3)]),
])  # fmt: skip
def test_one_example_without_a_spread(forward, back, shapes):
    wrong, right = (pullback.check(forward, back(guard), *shapes) for guard in (False, True))
    assert wrong.cause == "singular_point_nan" and right.verdict == "right"


def test_where_the_derivative_is_infinite_so_is_the_gradient():
    x = np.abs(np.random.default_rng(0).normal(size=(3, 4)))
    assert pullback.check(np.sqrt, lambda g, x: g / (2 * np.sqrt(x)), x).verdict == "right"
    cube = lambda g, x: g / (3 * np.cbrt(x) ** 2)
    assert pullback.check(np.cbrt, cube, (3, 4)).verdict == "right"


def test_a_norm_of_all_there_is():
    """That all of a layer's input is zero is no example of a use."""
    norm = lambda x: np.sqrt((x * x).sum())
    assert pullback.check(norm, lambda g, x: g * x / norm(x), (5,)).verdict == "right"


def test_two_inputs_that_are_zero_together():
    def back(guard):
        def backward(g, re, im):
            m = np.hypot(re, im)
            scale = g / (np.where(m > 0, m, 1) if guard else m)
            return scale * re, scale * im

        return backward

    assert pullback.check(np.hypot, back(True), (3, 4), (3, 4)).verdict == "right"
    report = pullback.check(np.hypot, back(False), (3, 4), (3, 4))
    assert report.cause == "singular_point_nan"
    assert report.leading.where == "x1[0] and x2[0] 0 everywhere"


def test_nan_everywhere_is_said_and_is_no_special_point():
    x = np.random.default_rng(0).normal(size=(4, 5))
    everywhere = pullback.check(np.tanh, lambda g, x: g * np.nan, x)
    assert everywhere.cause == "singular_point_nan"
    assert everywhere.causes[0].evidence.startswith("nan everywhere") and "special value" not in str(everywhere)
    at_zero = pullback.check(np.tanh, lambda g, x: g * x / x / np.cosh(x) ** 2, x)
    assert "special value, such as 0" in str(at_zero) and "nan everywhere" not in str(at_zero)
