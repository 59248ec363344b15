"""What is worth a note and is no fault; and None, where it is one."""

import numpy as np
import pytest

import pullback


def notes(*arguments):
    report = pullback.check(*arguments)
    assert report.verdict == "right"
    return [(note.name, note.evidence) for note in report.notes]


def linear(x, w):
    return x @ w


def test_one_axis_more_than_backward_takes():
    two_axes = lambda g, x, w: (g @ w.T, x.T @ g)
    any_axes = lambda g, x, w: (g @ w.T, x.reshape(-1, 5).T @ g.reshape(-1, 3))
    assert notes(linear, two_axes, (4, 5), (5, 3))[0][0] == "edge_shape"
    assert not notes(linear, any_axes, (4, 5), (5, 3))


def test_one_axis_more_with_other_gradients():
    scaled = lambda x, scale: x * scale
    assert "other gradients" in str(notes(scaled, lambda g, x, scale: (g * scale, (g * x).sum(0)), (4, 5), (5,)))
    whole = lambda g, x, scale: (g * scale, (g * x).reshape(-1, 5).sum(0))
    assert not notes(scaled, whole, (4, 5), (5,))


@pytest.mark.parametrize("dtype, count", [(np.float32, 1), (np.float64, 0)])
def test_a_gradient_of_more_precision_than_its_input(dtype, count):
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(dtype)
    found = notes(lambda x: x * 2, lambda g, x: g * np.float64(2), x)
    assert [name for name, _ in found] == ["contract_shape_dtype"] * count


def test_none_for_a_weight_is_wrong_and_for_a_target_it_is_not():
    report = pullback.check(linear, lambda g, x, w: (g @ w.T, None), (4, 5), (5, 3))
    assert report.verdict == "wrong" and report.cause == "contract_shape_dtype"
    squares = lambda x, target: ((x - target) ** 2).sum()
    assert pullback.check(squares, lambda g, x, target: (2 * g * (x - target), None), (4, 5), (4, 5)).verdict == "right"


def test_a_weight_beside_others_may_be_frozen():
    adapted = lambda x, w, b: x @ w + x @ b
    backward = lambda g, x, w, b: (g @ (w + b).T, None, x.T @ g)
    assert pullback.check(adapted, backward, (4, 5), (5, 3), (5, 3)).verdict == "right"
