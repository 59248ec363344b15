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


def test_what_frameworks_do_at_the_zero_of_a_norm_is_told():
    """There it has no derivative, of which nan could be said to be wrong: it is no slope to any side."""
    norm = lambda x: np.linalg.norm(x, axis=1)
    back = lambda zero: lambda g, x: g[:, None] * x / np.where(norm(x) > 0, norm(x), zero)[:, None]
    found = pullback.check(norm, back(0), (4, 3)).causes[0].evidence
    assert found.startswith("nan where forward has no derivative, but a slope to each side") and "JAX" in found
    assert pullback.check(norm, back(1), (4, 3)).verdict == "right"
    smooth = pullback.check(np.tanh, lambda g, x: g * x / x / np.cosh(x) ** 2, (4, 3))
    assert smooth.causes[0].evidence.startswith("nan where the derivative is")


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


def test_numbers_that_are_all_positive_may_be_zero_or_large():
    """Beyond the example it is worth a note where a gradient is no number, and forward has a derivative."""
    x = np.random.default_rng(0).uniform(0.05, 4, (3, 5))
    noted = lambda *layer: [
        note.name for note in pullback.check(*layer).notes if "beyond your example" in note.evidence
    ]
    softplus_inverse = lambda y: y + np.log(-np.expm1(-y))
    assert not noted(softplus_inverse, lambda g, y: -g / np.expm1(-y), x)
    assert noted(softplus_inverse, lambda g, y: g * np.exp(y) / np.expm1(y), x) == ["overflow_large_input"]

    power = lambda x, a: x**a
    log = lambda x: np.log(np.where(x > 0, x, 1))
    back = lambda log: lambda g, x, a: (g * a * x ** (a - 1), (g * x**a * log(x)).sum())
    assert not noted(power, back(log), x, np.array(1.7))
    assert noted(power, back(np.log), x, np.array(1.7)) == ["singular_point_nan"]
    assert not noted(power, back(np.log), x + 1, np.array(1.7))  # it comes nowhere near 0
    assert pullback.check(power, back(np.log), x, np.array(1.7)).verdict == "right"


def test_an_infinite_slope_at_zero_is_nobodys_fault():
    x = np.random.default_rng(0).dirichlet(np.ones(5), 3)
    assert pullback.check(np.sqrt, lambda g, x: 0.5 * g / np.sqrt(x), x).verdict == "right"
    entropy = lambda x: -(x * np.log(np.where(x > 0, x, 1))).sum(1)
    assert pullback.check(entropy, lambda g, x: -g[:, None] * (np.log(x) + 1), x).verdict == "right"


def test_two_examples_that_are_equal():
    def distances(x):
        return np.linalg.norm(x[1:] - x[:-1], axis=1)

    def back(guard):
        def backward(g, x):
            d, n = x[1:] - x[:-1], distances(x)[:, None]
            pull = g[:, None] * d / (np.where(n > 0, n, 1) if guard else n)
            return np.pad(pull, ((1, 0), (0, 0))) - np.pad(pull, ((0, 1), (0, 0)))

        return backward

    assert pullback.check(distances, back(True), (4, 3)).verdict == "right"
    report = pullback.check(distances, back(False), (4, 3))
    assert report.cause == "singular_point_nan" and report.leading.where == "x[1] equal to x[0]"
