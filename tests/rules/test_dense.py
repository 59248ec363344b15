"""Linear and bilinear layers, embedding, dropout: PyTorch, small numbers by hand, what they are made of, errors."""

import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.errors import OptionError, RangeError, ShapeError

BATCHES = (), (4,), (3, 2), (0,), (2, 0)

# Against PyTorch.


@pytest.mark.parametrize("case", pairs(batch=BATCHES, i=[1, 3], o=[1, 2, 5], bias=[True, False]), ids=str)
def test_linear_as_torch(case):
    batch, i, o = case["batch"], case["i"], case["o"]
    same("linear", F.linear, [normal(*batch, i), normal(o, i), normal(o) if case["bias"] else None])


@pytest.mark.parametrize("case", pairs(batch=BATCHES, i=[1, 3], j=[1, 2], o=[1, 2, 4], bias=[True, False]), ids=str)
def test_bilinear_as_torch(case):
    batch, i, j, o = case["batch"], case["i"], case["j"], case["o"]
    b = normal(o) if case["bias"] else None
    same("bilinear", F.bilinear, [normal(*batch, i), normal(*batch, j, seed=1), normal(o, i, j), b])


@pytest.mark.parametrize(
    "name, shapes", [("linear", [(3,), (2, 3), (2,)]), ("bilinear", [(3,), (2,), (4, 3, 2), (4,)])]
)
def test_the_jacobian_is_that_of_torch(name, shapes):
    inputs = [normal(*shape, seed=k) for k, shape in enumerate(shapes)]
    theirs = torch.autograd.functional.jacobian(getattr(F, name), tuple(map(torch.tensor, inputs)))
    ours = pb.discovery.find(name).linearize(*inputs)[1].jacobian()
    for J, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(J.dense(), want.reshape(J.shape), atol=1e-14)


def test_the_second_derivative_of_bilinear_has_only_mixed_blocks():
    inputs = [normal(4, 3), normal(4, 2), normal(5, 3, 2), normal(5)]
    g, tangents = normal(4, 5), tuple(normal(*a.shape, seed=9) for a in inputs)
    at = pb.bilinear.linearize(*inputs)[1]
    weighed = lambda *x: (F.bilinear(*x) * torch.tensor(g)).sum()
    tensors = tuple(map(torch.tensor, inputs))
    _, want = torch.autograd.functional.vhp(weighed, tensors, tuple(map(torch.tensor, tangents)))
    for found, theirs in zip(at.hvp(g, tangents), want, strict=True):
        np.testing.assert_allclose(found, theirs, atol=1e-13)
    for k in range(4):
        alone = tuple(t if j == k else None for j, t in enumerate(tangents))
        assert not at.hvp(g, alone)[k].any(), "linear in each input by itself"


# By hand.


def test_a_dense_layer_by_hand():
    x, w, b = np.array([1.0, 2.0]), np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.0]]), np.array([0.5, 0.0, 1.0])
    y, at = pb.linear.linearize(x, w, b)
    np.testing.assert_array_equal(y, [5.5, 11, 0])
    gx, gw, gb = at.vjp(np.array([1.0, 2.0, -1.0]))
    np.testing.assert_array_equal(gx, [8, 10])
    np.testing.assert_array_equal(gw, [[1, 2], [2, 4], [-1, -2]])
    np.testing.assert_array_equal(gb, [1, 2, -1])
    np.testing.assert_array_equal(at.jvp(np.array([1.0, -1.0])), [-1, -1, -1])
    np.testing.assert_array_equal(
        at.jacobian()[1].dense(), [[1, 2, 0, 0, 0, 0], [0, 0, 1, 2, 0, 0], [0, 0, 0, 0, 1, 2]]
    )


def test_a_bilinear_layer_by_hand():
    x, z, w = np.array([1.0, 2.0]), np.array([3.0, 1.0]), np.array([[[1.0, 0.0], [2.0, 1.0]]])
    y, at = pb.bilinear.linearize(x, z, w, np.array([1.0]))
    np.testing.assert_array_equal(y, [18])
    gx, gz, gw, gb = at.vjp(np.array([2.0]))
    np.testing.assert_array_equal(gx, [6, 14])
    np.testing.assert_array_equal(gz, [10, 4])
    np.testing.assert_array_equal(gw, [[[6, 2], [12, 4]]])
    np.testing.assert_array_equal(gb, [2])


# What they are made of.


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=2), st.integers(0, 4), st.integers(0, 4), st.booleans())
def test_a_batch_is_its_examples(batch, i, o, transposed):
    x, w, b, gy = normal(*batch, i), normal(o, i), normal(o), normal(*batch, o)
    w = np.asfortranarray(w) if transposed else w
    y, at = pb.linear.linearize(x, w, b)
    gx, gw, gb = at.vjp(gy)
    sums = np.zeros_like(w), np.zeros_like(b)
    for k in np.ndindex(*batch):
        one, there = pb.linear.linearize(x[k], w, b)
        np.testing.assert_allclose(y[k], one, atol=1e-14)
        found = there.vjp(gy[k])
        np.testing.assert_allclose(gx[k], found[0], atol=1e-14)
        sums = sums[0] + found[1], sums[1] + found[2]
    np.testing.assert_allclose(gw, sums[0], atol=1e-13)
    np.testing.assert_allclose(gb, sums[1], atol=1e-13)


def test_where_a_nan_goes():
    x = normal(3, 2)
    x[1, 0] = np.nan
    y, at = pb.linear.linearize(x, normal(4, 2), normal(4))
    assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()
    gx, gw, gb = at.vjp(normal(3, 4))
    assert np.isnan(gw[:, 0]).all() and np.isfinite(gw[:, 1]).all() and np.isfinite(gx).all() and np.isfinite(gb).all()


# Embedding.


@pytest.mark.parametrize(
    "case", pairs(padding_idx=[None, 0, 2, -1, -5], batch=[(), (4,), (4, 3)], dtype=[np.int64, np.int32]), ids=str
)
def test_embedding_as_torch(case):
    x = np.random.default_rng(0).integers(0, 5, size=case["batch"]).astype(case["dtype"])
    padding = case["padding_idx"]
    same("embedding", lambda x, w: F.embedding(x, w, padding), [x, normal(5, 2)], padding_idx=padding)


def test_every_row_but_the_one_held_fixed_learns():
    x, w = np.array([0, 2, 2, 1]), normal(4, 3)
    for padding_idx, counts in ((None, [1, 1, 2, 0]), (2, [1, 1, 0, 0]), (-4, [0, 1, 2, 0])):
        y, at = pb.embedding.linearize(x, w, padding_idx=padding_idx)
        np.testing.assert_array_equal(y, w[x])
        gw = at.vjp(np.ones((4, 3)))[1]
        np.testing.assert_array_equal(gw, np.array(counts)[:, None] * np.ones(3))
        J = at.jacobian()[1]
        np.testing.assert_array_equal((J.T @ np.ones((4, 3))).sum(0), gw)
        np.testing.assert_array_equal(J @ w, at.jvp(None, w))


@given(st.integers(1, 5), st.integers(0, 3), st.lists(st.integers(0, 4), max_size=6))
def test_an_embedding_is_a_dense_layer_of_one_hot_vectors(v, d, words):
    x, w, gy = np.array(words, int) % v, normal(v, d), normal(len(words), d)
    y, at = pb.embedding.linearize(x, w)
    dense, there = pb.linear.linearize(np.eye(v)[x], np.ascontiguousarray(w.T))
    np.testing.assert_allclose(y, dense, atol=1e-15)
    np.testing.assert_allclose(at.vjp(gy)[1], there.vjp(gy)[1].T, atol=1e-14)


# Dropout.


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout_as_torch_with_the_mask_that_torch_drew(p):
    def theirs(x, mask):
        torch.manual_seed(3)
        return F.dropout(x, p)

    torch.manual_seed(3)
    kept = F.dropout(torch.ones(40, 5), p).numpy() != 0
    assert kept.any() == (p < 1) and kept.all() == (p == 0)
    same("dropout", theirs, [normal(40, 5), kept], p=p)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32, np.float64])
def test_masks_of_any_kind(dtype):
    x, kept = normal(3, 4).astype(np.float32), normal(3, 4, seed=1) > 0
    y, at = pb.dropout.linearize(x, kept.astype(dtype), p=0.75)
    assert y.dtype == at.vjp(x)[0].dtype == np.float32
    np.testing.assert_array_equal(y, np.where(kept, 4 * x, 0))


# Errors.

X = normal(4, 3)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: pb.linear(X, normal(2, 4)), ShapeError, "linear: w has shape (2, 4), needs w[o i] with ...=(4,), i=3"),
    (lambda: pb.linear(X, normal(2, 3), normal(3)), ShapeError, "linear: b has shape (3,), needs b[o]"),
    (lambda: pb.bilinear(X, normal(3, 2), normal(5, 3, 2)), ShapeError, "bilinear: z has shape (3, 2), needs z[... j]"),
    (lambda: pb.bilinear(X, X, normal(5, 3, 2)), ShapeError, "bilinear: w has shape (5, 3, 2), needs w[o i j]"),
    (lambda: pb.embedding([1, 5], X), RangeError, "embedding: x[...] must lie in 0 .. 3, got 5"),
    (lambda: pb.embedding([1], X, padding_idx=4), OptionError, "needs padding_idx is None or -v <= padding_idx < v"),
    (lambda: pb.dropout(X, X, p=1.5), OptionError, "dropout: needs 0 <= p <= 1, with p=1.5"),
    (lambda: pb.dropout(X, X[0]), ShapeError, "dropout: mask has shape (3,), needs mask[... n]"),
])  # fmt: skip
def test_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)


def test_names_of_torch():
    x, z, w, b = X, normal(4, 2), normal(5, 3, 2), normal(5)
    np.testing.assert_array_equal(pb.bilinear(input1=x, input2=z, weight=w, bias=b), pb.bilinear(x, z, w, b))
