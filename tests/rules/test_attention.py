"""Scaled dot-product attention: PyTorch with every kind of mask, second derivatives, hidden keys, small numbers."""

import mpmath
import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.errors import OptionError, ShapeError

L, S, E, D = 4, 6, 5, 3


def draw(*batch):
    return normal(*batch, L, E), normal(*batch, S, E, seed=1), normal(*batch, S, D, seed=2)


def attention(*inputs, **options):
    with sdpa_kernel(SDPBackend.MATH):  # the only one of PyTorch's that can be differentiated twice
        return F.scaled_dot_product_attention(*inputs, **options)


def seen(*shape):
    return np.random.default_rng(0).random(shape) > 0.4


def hidden(*shape):
    return np.where(seen(*shape), 0.0, -np.inf)


def row(*shape):
    """A mask in which the second query sees nothing."""
    mask = np.ones(shape, bool)
    mask[..., 1, :] = False
    return mask


MASKS = {
    "none": lambda batch: None,
    "numbers": lambda batch: normal(L, S),
    "numbers per example": lambda batch: normal(*batch, L, S),
    "booleans": lambda batch: seen(L, S),
    "booleans per example": lambda batch: seen(*batch, L, S),
    "one row for all queries": lambda batch: seen(*batch, 1, S),
    "-inf": lambda batch: hidden(*batch, L, S),
    "a query that sees nothing": lambda batch: row(*batch, L, S),
    "-inf for a whole query": lambda batch: np.where(row(L, S), 0.0, -np.inf),
    "a very negative number": lambda batch: np.where(seen(L, S), 0.0, -1e9),
}


@pytest.mark.parametrize("case", pairs(mask=MASKS, batch=[(), (2,), (2, 3)], scale=[None, 0.3, -2.0, 0.0]), ids=str)
def test_as_torch(case):
    scale, mask = case["scale"], MASKS[case["mask"]](case["batch"])
    theirs = lambda *inputs: attention(*inputs, scale=scale)
    same("scaled_dot_product_attention", theirs, [*draw(*case["batch"]), mask], scale=scale)


@pytest.mark.parametrize("case", pairs(l=[1, 4, 6], s=[1, 4, 6], scale=[None, 0.3], batch=[(), (2, 3)]), ids=str)
def test_causal_as_torch(case):
    l, s, batch, options = case["l"], case["s"], case["batch"], dict(is_causal=True, scale=case["scale"])
    inputs = normal(*batch, l, E), normal(*batch, s, E, seed=1), normal(*batch, s, D, seed=2)
    same("scaled_dot_product_attention", lambda *v: attention(*v, **options), inputs, **options)


@pytest.mark.parametrize("mask", MASKS)
def test_second_derivatives_as_torch(mask):
    inputs, mask = draw(2), MASKS[mask]((2,))
    g, tangents = normal(2, L, D), tuple(normal(*a.shape, seed=7) for a in inputs)
    fixed = None if mask is None else torch.tensor(mask)
    weighed = lambda *v: (attention(*v, fixed) * torch.tensor(g)).sum()
    _, want = torch.autograd.functional.vhp(
        weighed, tuple(map(torch.tensor, inputs)), tuple(map(torch.tensor, tangents))
    )
    found = pb.scaled_dot_product_attention.linearize(*inputs, mask)[1].hvp(g, (*tangents, None))
    for ours, theirs in zip(found, want):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_by_hand():
    """Two keys that fit as 1 to 3, values 0 and 4: y = 3."""
    q, k, v = np.array([[1.0]]), np.array([[0.0], [np.log(3)]]), np.array([[0.0], [4.0]])
    y, at = pb.scaled_dot_product_attention.linearize(q, k, v)
    np.testing.assert_allclose(y, [[3]])
    gq, gk, gv, _ = at.vjp(np.array([[1.0]]))  # gz = p (gp - y) = [-3/4 3/4]
    np.testing.assert_allclose(gq, [[0.75 * np.log(3)]])
    np.testing.assert_allclose(gk, [[-0.75], [0.75]])
    np.testing.assert_allclose(gv, [[0.25], [0.75]])


# What is hidden.


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["booleans", "-inf"])
def test_a_query_that_sees_nothing(kind, dtype):
    q, k, v = (a.astype(dtype) for a in draw(2))
    mask = row(L, S) if kind == "booleans" else np.where(row(L, S), 0.0, -np.inf)
    y, at = pb.scaled_dot_product_attention.linearize(q, k, v, mask)
    gq, gk, gv, _ = at.vjp(np.ones_like(y))
    alone = np.zeros_like(y)
    alone[:, 1] = 1
    assert not y[:, 1].any() and not gq[:, 1].any() and y[:, 0].any() and gq[:, 0].any()
    assert not any(g.any() for g in at.vjp(alone)[:3])
    assert {a.dtype for a in (y, gq, gk, gv)} == {np.dtype(dtype)}, "a mask of float64 makes nothing wider"


def test_a_hidden_key_gets_no_gradient():
    q, k, v = draw()
    mask = np.arange(S) != 2
    y, at = pb.scaled_dot_product_attention.linearize(q, k, v, mask)
    _, gk, gv, _ = at.vjp(normal(L, D))
    assert not gk[2].any() and not gv[2].any() and np.all(np.any(gk, 1) == mask)
    np.testing.assert_allclose(y, pb.scaled_dot_product_attention(q, k[mask], v[mask]))


def test_causal_is_a_triangle_and_goes_with_a_mask():
    q, k, v = draw(2)
    mask = normal(L, S)
    both = pb.scaled_dot_product_attention(q, k, v, mask, is_causal=True)
    np.testing.assert_array_equal(both, pb.scaled_dot_product_attention(q, k, v, np.where(np.tri(L, S), mask, -np.inf)))


def test_no_keys_at_all():
    y, at = pb.scaled_dot_product_attention.linearize(normal(L, E), normal(0, E), normal(0, D))
    np.testing.assert_array_equal(y, np.zeros((L, D)))
    assert not at.vjp(normal(L, D))[0].any()


def test_scores_too_large_for_exp():
    q, k, v = (1e3 * a for a in draw())
    y, at = pb.scaled_dot_product_attention.linearize(q, k, v)
    np.testing.assert_array_equal(y, v[np.argmax(q @ k.T, 1)])
    assert all(np.isfinite(g).all() for g in at.vjp(y)[:3])


def test_a_nan_in_the_value_of_a_hidden_key_shows():
    q, k, v = draw()
    v[2] = np.nan
    assert np.isnan(pb.scaled_dot_product_attention(q, k, v, np.arange(S) != 2)).all()


@settings(deadline=None)
@given(st.permutations(range(S)), st.integers(0, 99))
def test_keys_have_no_order(order, seed):
    q, k, v = normal(L, E, seed=seed), normal(S, E), normal(S, D)
    y, at = pb.scaled_dot_product_attention.linearize(q, k, v)
    z, there = pb.scaled_dot_product_attention.linearize(q, k[order], v[order])
    np.testing.assert_allclose(y, z, atol=1e-14)
    for a, b in zip(at.vjp(y)[1:3], there.vjp(y)[1:3]):
        np.testing.assert_allclose(a[order], b, atol=1e-12)


# Errors.


@pytest.mark.parametrize("mask, shape", [((3, S), "(3, 6)"), ((2, L, S), "(2, 4, 6)"), ((L,), "(4,)")])
def test_a_mask_must_broadcast_to_the_scores(mask, shape):
    with pytest.raises(OptionError) as error:
        pb.scaled_dot_product_attention(*draw(), np.ones(mask))
    message = "scaled_dot_product_attention: needs broadcast(mask_shape, scores_shape) == scores_shape, with "
    assert str(error.value) == f"{message}mask_shape={shape}, scores_shape=(4, 6)"


def test_a_mask_does_not_make_more_queries():
    q, k, v = draw()
    with pytest.raises(OptionError, match="needs broadcast"):
        pb.scaled_dot_product_attention(q[:1], k, v, np.ones((L, S)))


def test_shapes_that_do_not_fit():
    q, k, v = draw()
    with pytest.raises(ShapeError, match=r"k has shape \(6, 4\), needs k\[... s e\]"):
        pb.scaled_dot_product_attention(q, k[:, :4], v)
    with pytest.raises(ShapeError, match=r"v has shape \(5, 3\), needs v\[... s d\]"):
        pb.scaled_dot_product_attention(q, k, v[:5])


def test_names_of_torch():
    q, k, v = draw()
    named = pb.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=normal(L, S))
    np.testing.assert_array_equal(named, pb.scaled_dot_product_attention(q, k, v, normal(L, S)))


@pytest.mark.parametrize("dtype, ulps", [("f4", 8), ("f8", 45)])
def test_no_digit_is_lost_where_one_key_has_almost_all(dtype, ulps):
    """Rows of the gradient of the scores sum to 0, and so do the gradients of keys, under one query of 1."""
    one, up = np.ones((1, 1), dtype), np.array([[1], [0]], dtype)
    _, at = pb.scaled_dot_product_attention.linearize(one, np.array([[0], [-40]], dtype), up)
    with mpmath.workdps(60):
        e = 1 / (1 + mpmath.exp(40))
        bent = float(e * (1 - e))
    close = lambda found, wanted: np.testing.assert_allclose(found, wanted, rtol=ulps * np.finfo(dtype).eps)
    close(at.vjp(one)[1], [[bent], [-bent]])
    close(at.jvp(None, up, None), [[bent]])
    _, hk, hv, _ = at.hvp(one, (None, up, None))
    close(hk, [[-bent], [bent]])  # p'' = p (1 - p) (1 - 2p), and 1 - 2p is -1
    close(hv, [[bent], [-bent]])
