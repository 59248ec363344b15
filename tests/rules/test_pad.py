"""Padding: PyTorch, small numbers by hand, errors."""

import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.errors import OptionError

N = 5, 4, 3
PADDED = pairs(
    mode=["constant", "reflect", "replicate", "circular"],
    pad=[(1, 2), (0, 0), (2, 0, 1, 3), (0, 1, 1, 2, 2, 1)], batch=[(2,), (2, 3)],
)  # fmt: skip


@pytest.mark.parametrize("choice", PADDED, ids=str)
def test_twin(choice):
    options = dict(pad=choice["pad"], mode=choice["mode"])
    x = normal(*choice["batch"], *N[3 - len(choice["pad"]) // 2 :])
    same("pad", lambda x: F.pad(x, **options), (x,), **options)


@pytest.mark.parametrize("pad", [(), (1, 2), (-1, 2, 3, -2), (0, 0, 0, 0, 1, 1), (-2, -2)])
def test_constant_twin(pad):
    same("pad", lambda x: F.pad(x, pad, value=-1.5), (normal(2, 4, 4),), pad=pad, value=-1.5)


@settings(deadline=None)
@given(
    mode=st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    n=st.lists(st.integers(1, 4), min_size=1, max_size=2), widths=st.lists(st.integers(0, 5), min_size=4, max_size=4),
)  # fmt: skip
def test_any(mode, n, widths):
    """Both libraries give the same, or both refuse; the transpose is the transpose."""
    options = dict(pad=tuple(widths[: 2 * len(n)]), mode=mode)
    x = normal(2, 1, *n)
    try:
        want = F.pad(torch.tensor(x), **options)
    except (RuntimeError, ValueError):
        with pytest.raises(OptionError):
            pb.pad(x, **options)
        return
    y, at = pb.pad.linearize(x, **options)
    np.testing.assert_array_equal(y, want)
    g, t = np.random.default_rng(0).normal(size=y.shape), np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_allclose((g * at.jvp(t)).sum(), (at.vjp(g) * t).sum(), atol=1e-12)


@pytest.mark.parametrize(
    "mode, row, counts",
    [
        ("constant", [7, 7, 0, 1, 2, 7], [1, 1, 1]),
        ("reflect", [2, 1, 0, 1, 2, 1], [1, 3, 2]),
        ("replicate", [0, 0, 0, 1, 2, 2], [3, 1, 2]),
        ("circular", [1, 2, 0, 1, 2, 0], [2, 2, 2]),
    ],
)
def test_by_hand(mode, row, counts):
    """An element gets the gradients of all its copies."""
    y, at = pb.pad.linearize([0.0, 1, 2], pad=(2, 1), mode=mode, value=7)
    np.testing.assert_array_equal(y, row)
    np.testing.assert_array_equal(at.vjp(np.ones(6)), counts)
    assert at.jacobian().sparse().nnz == sum(counts)
    np.testing.assert_array_equal(at.jacobian().dense() @ [0, 1, 2], [0 if v == 7 else v for v in row])


def test_the_last_axis_comes_first():
    assert pb.pad(np.ones((2, 3, 4)), pad=(1, 2, 30, 40)).shape == (2, 73, 7)


X = np.ones((2, 3))
REFUSED = [
    (dict(pad=(1,)), "pad: pad must be whole numbers, two for each axis, the last axis first; got (1,)"),
    (dict(pad=(1.0, 2)), "of whole numbers, got (1.0, 2)"),
    (dict(pad=(1, 1), mode="mirror"), "pad: needs mode in ('constant', 'reflect', 'replicate', 'circular')"),
    (dict(pad=(-2, -2)), "pad: needs kept >= 0, with kept=(-1,)"),
    (dict(pad=(-1, 0), mode="circular"), "needs mode == 'constant' or pad >= 0 and n > 0, with mode='circular'"),
    (dict(pad=(0, 3), mode="reflect"), "pad: needs mode != 'reflect' or before < n and behind < n"),
    (dict(pad=(4, 0), mode="circular"), "pad: needs mode != 'circular' or before <= n and behind <= n"),
]  # fmt: skip


@pytest.mark.parametrize("options, message", REFUSED)
def test_refused(options, message):
    with pytest.raises(OptionError) as found:
        pb.pad(X, **options)
    assert message in str(found.value)


def test_more_axes_than_there_are():
    with pytest.raises(ValueError, match="pad: x has shape \\(2, 3\\)"):
        pb.pad(X, pad=(1, 1, 1, 1, 1, 1))
