"""Points that check makes of two inputs leave alone what has a domain, and right code is right at all of them."""

import numpy as np
import pytest

import pullback

drawn = np.random.default_rng(0).normal
S = drawn(size=(3, 3))
S = S @ S.T + np.eye(3)

RIGHT = {
    "a symmetric matrix beside rows of its size": (
        lambda x, s: ((x @ s) * x).sum(1),
        lambda g, x, s: (2 * g[:, None] * (x @ s), (x * g[:, None]).T @ x),
        drawn(size=(5, 3)), S,
    ),
    "shares beside other numbers of rows": (
        lambda x, t: x.sum(0) * np.clip(t, 0, 1) ** 2,
        lambda g, x, t: (np.broadcast_to((g * t**2).sum(0), x.shape), 2 * g * x.sum(0) * t),
        drawn(size=(4, 3)), np.random.default_rng(1).uniform(0.1, 0.9, (2, 3)),
    ),
    "shares beside as many numbers": (
        lambda x, t: x * np.minimum(t, 1) ** 2,
        lambda g, x, t: (g * t**2, 2 * g * x * t),
        np.array([0.3, -1.2, 0.7, 0.5]), np.array([0.2, 0.9, 0.6, 0.4]),
    ),
    "positive numbers": (
        lambda x, t: x.sum(0) * np.sqrt(t * t),
        lambda g, x, t: (np.broadcast_to((g * t).sum(0), x.shape), g * x.sum(0)),
        drawn(size=(4, 3)), np.random.default_rng(2).uniform(0.1, 0.9, (2, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_is_right(name):
    forward, backward, *inputs = RIGHT[name]
    assert pullback.check(forward, backward, *inputs).verdict == "right"


def largest(x):
    """Of each row, with its sign."""
    return np.take_along_axis(x, abs(x).argmax(-1)[:, None], -1)[:, 0]


def test_the_farthest_from_zero_of_either_sign():
    def backward(g, x):
        gx = np.zeros_like(x)
        np.put_along_axis(gx, abs(x).argmax(-1)[:, None], g[:, None], -1)
        return gx

    assert pullback.check(largest, backward, (3, 4)).verdict == "right"


def test_the_side_of_a_branch_cut_is_that_of_a_zero():
    """arccos jumps beyond 1, where the imaginary part changes its sign."""

    def backward(g, z):
        return g * np.conj(-1 / (z * z) * -1 / np.sqrt(1 - z**-2))

    report = pullback.check(lambda z: np.arccos(1 / z), backward, np.array([1.6 - 0.8j, -2 + 0.5j, 0.4 + 1.1j]))
    assert report.verdict == "right"


def shared_by(count):
    """Several largest numbers share the gradient; of so many, in halves."""

    def backward(g, x):
        largest = x == x.max(1, keepdims=True)
        several = largest.sum(1, keepdims=True)
        return g[:, None] * largest / np.where(several == count, 2, several)

    return backward


def test_three_largest_numbers_share_one_gradient():
    largest = lambda x: x.max(1)
    assert pullback.check(largest, shared_by(2), drawn(size=(3, 4))).verdict == "right"
    report = pullback.check(largest, shared_by(3), drawn(size=(3, 4)))
    assert (report.verdict, report.cause, report.leading.where) == ("wrong", "kink_convention", "three largest in x")


X = drawn(size=(3, 4))


def clamped(x):
    return np.clip(x, -0.3, 0.7)


def clamped_back(g, x, at_kink):
    return g * np.where((x == -0.3) | (x == 0.7), at_kink, (x > -0.3) & (x < 0.7))


def far_clamped_back(g, x, near_kink):
    return g * np.where(abs(x) < 7, 1, np.where(abs(x) < 8.2, near_kink, 0))


AT_KINKS = {  # of the rule that is meant: far from what is tried of any layer; what is right there, and wrong
    "clamp(min=-0.3, max=0.7)": (clamped, clamped_back, 0, 2),
    "hardtanh(min_val=-8.2, max_val=8.2)": (lambda x: np.clip(x, -8.2, 8.2), far_clamped_back, 1, 0),
}


@pytest.mark.parametrize("like", AT_KINKS)
def test_like_brings_the_kinks_of_its_rule(like):
    forward, backward, *slopes = AT_KINKS[like]
    right, wrong = (pullback.check(forward, lambda g, x, s=s: backward(g, x, s), X, like=like) for s in slopes)
    assert (right.verdict, wrong.verdict) == ("right", "wrong")
