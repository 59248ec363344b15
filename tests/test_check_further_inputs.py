"""Inputs that are made from the example: 0 and 1 of shares, 0 of complex numbers, tiny ones, sizes of one; and results
that have to outlive the next call."""

import warnings

import numpy as np
import pytest

import pullback as pb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))


def behind(alpha):
    """What goes through several layers of glass, one behind the other."""
    return np.prod(1 - alpha, -1)


def through_the_others(g, alpha):
    others = [np.delete(alpha, k, -1) for k in range(alpha.shape[-1])]
    return -g[:, None] * np.stack([np.prod(1 - each, -1) for each in others], -1)


def divided(g, alpha):
    return -(g * behind(alpha))[:, None] / (1 - alpha)


def test_shares_may_be_nothing_or_all():
    alpha = RNG.uniform(0.1, 0.9, (3, 4))
    assert pb.check(behind, through_the_others, alpha).verdict == "right"
    report = pb.check(behind, divided, alpha)
    assert report.cause == "singular_point_nan" and report.findings[0].where == "alpha with 1 in it"


def test_where_forward_is_infinite_shares_are_not():
    assert (
        pb.check(lambda p: np.log(p / (1 - p)), lambda g, p: g / p / (1 - p), RNG.uniform(0.1, 0.9, 6)).verdict
        == "right"
    )


def test_a_complex_number_may_be_zero():
    z = X + 1j * RNG.normal(size=X.shape)
    unit = lambda z: np.where(z == 0, 0, z / np.where(z == 0, 1, abs(z)))
    assert pb.check(abs, lambda g, z: g * unit(z), z).verdict == "right"
    assert pb.check(abs, lambda g, z: g * z / abs(z), z).cause == "singular_point_nan"


def growth(x):
    """(eˣ - 1) / x"""
    return np.where(x == 0, 1, np.expm1(x) / np.where(x == 0, 1, x))


def exact(g, x):
    near = abs(x) < 1e-2
    far = np.where(near, 1, x)
    return g * np.where(near, 1 / 2 + x / 3 + x**2 / 8 + x**3 / 30 + x**4 / 144, (np.exp(far) - growth(far)) / far)


def lossy(g, x):
    far = np.where(x == 0, 1, x)
    return g * np.where(x == 0, 0.5, (far * np.exp(far) - np.exp(far) + 1) / far**2)


def test_a_case_for_zero_alone_loses_digits_next_to_it():
    assert pb.check(growth, exact, X).verdict == "right"
    assert pb.check(growth, lossy, X).cause == "cancellation"


def test_digits_that_forward_has_lost_next_to_zero_are_asked_of_nobody():
    forward = lambda x: np.where(x == 0, 1, (np.exp(x) - 1) / np.where(x == 0, 1, x))
    assert pb.check(forward, lossy, X).verdict == "right"


def test_the_next_call_leaves_a_result_alone():
    kept = np.zeros_like(X)

    def backward(g, x, copied):
        np.multiply(g, 2 * x, out=kept)
        return kept.copy() if copied else kept

    assert pb.check(np.square, lambda g, x: backward(g, x, True), X).verdict == "right"
    report = pb.check(np.square, lambda g, x: backward(g, x, False), X)
    assert report.cause == "aliasing_inplace" and "next call" in report.findings[0].causes[0].evidence


def weighted(x, w):
    return ((x @ w)[..., None] * x).sum(-2)


def weighted_backward(g, x, w, axis=-1):
    s = (x @ g[..., None]).squeeze(axis)
    return (x @ w)[..., None] * g[..., None, :] + s[..., None] * w, np.tensordot(s, x, s.ndim)


def test_an_axis_of_one_that_is_dropped_with_another_is_worth_a_note():
    x, w = RNG.normal(size=(2, 4, 3)), RNG.normal(size=3)
    assert not pb.check(weighted, weighted_backward, x, w).notes
    report = pb.check(weighted, lambda *arrays: weighted_backward(*arrays, axis=None), x, w)
    assert report.verdict == "right" and [note.name for note in report.notes] == ["edge_shape"]


def cube(x, shift):
    u = x + shift
    return u**3, u


@pytest.mark.parametrize("name", ["u", "pre", "cache"])
def test_a_bare_array_may_be_what_forward_keeps(name):
    scope = {}
    exec(f"def cube_backward(dout, {name}):\n    d = 3 * dout * {name}**2\n    return d, d.sum(0)", scope)
    assert pb.check(cube, scope["cube_backward"], X, X[0]).verdict == "right"


def test_a_single_number_is_turned_round_without_ado():
    """Of a convolution, whose kernel could be flipped."""
    forward = lambda x, w: np.convolve(x, [1.0, 2, 3], "same") * w
    back = lambda g, x, w: (np.convolve(g, [1.0, 2, 3], "same") * w, (g * np.convolve(x, [1.0, 2, 3], "same")).sum())
    assert pb.check(forward, back, X[0], np.array(1.3)).verdict == "wrong"


def test_inputs_of_the_checker_warn_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = pb.check(lambda x: np.log(x) / x, lambda g, x: g * (1 - np.log(x)) / x**2, abs(X) + 0.1)
    assert report.verdict == "right"
