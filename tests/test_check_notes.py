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


def test_none_is_no_fault_until_somebody_asks():
    """A target has no gradient, and a weight may be frozen: the report says that forward moves with it."""
    adapted = lambda x, w, b: x @ w + x @ b
    backward = lambda g, x, w, b: (g @ (w + b).T, None, x.T @ g)
    report = pullback.check(adapted, backward, (4, 5), (5, 3), (5, 3))
    assert report.verdict == "right" and any("wrt='w'" in text for text in report.power)
    report = pullback.check(adapted, backward, (4, 5), (5, 3), (5, 3), wrt="w")
    assert report.verdict == "wrong" and report.cause == "contract_shape_dtype"


def rows(x, at):
    return x[at]


def written(g, x, at):
    gx = np.zeros_like(x)
    gx[at] = g
    return gx, None


def added(g, x, at):
    gx = np.zeros_like(x)
    np.add.at(gx, at, g)
    return gx, None


@pytest.mark.parametrize(
    "backward, at, noted", [(written, [2, 0, 4], 1), (added, [2, 0, 4], 0), (written, [2, 0, 1], 0)]
)
def test_indices_that_might_repeat(backward, at, noted):
    """Of a permutation nobody asks that."""
    report = pullback.check(rows, backward, (5, 3), np.array(at))
    notes = [note for note in report.notes if "where a number stands twice in at" in note.evidence]
    assert report.verdict == "right" and len(notes) == noted
    assert all(note.name == "overwrite_vs_accumulate" for note in notes)
