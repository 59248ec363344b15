"""Structured operators are the matrices that they say."""

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.sparse import issparse

from pullback import operators as op
from pullback.errors import ShapeError

RNG = np.random.default_rng(0)
D, U, V = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
A, X = RNG.normal(size=(3, 2, 4)), RNG.normal(size=(3, 5))
ROWS, COLS, VALUES = np.array([0, 1, 1]), np.array([3, 0, 2]), RNG.normal(size=(3, 3))
EYE = np.eye(4)
SPELLED = np.array([[[0, 0, 0, a], [b, 0, c, 0]] for a, b, c in VALUES])
SELECTED = np.array([0, 1]), np.array([[3, 0], [1, 1]]), np.array([[1.0, 1.0], [2.0, 2.0]])
SQUARE = RNG.normal(size=(3, 4, 4))
INTERLEAVED = np.einsum("kabcd,kl->akbcld", SQUARE.reshape(3, 2, 2, 2, 2), np.eye(3)).reshape(12, 12)

MATRICES = {
    "diagonal": (op.Diagonal(D), D[..., None] * EYE),
    "outer": (op.Outer(U, V), U[..., :, None] * V[..., None, :]),
    "matrix": (op.Matrix(A), A),
    "sum": (op.Diagonal(D) + op.Outer(U, V), D[..., None] * EYE + U[..., :, None] * V[..., None, :]),
    "difference": (op.Diagonal(D) - op.Outer(U, V), D[..., None] * EYE - U[..., :, None] * V[..., None, :]),
    "negative": (-op.Matrix(A), -A),
    "product": (op.Matrix(A) @ op.Diagonal(D), A * D[:, None, :]),
    "contract": (op.Contract(X, 2), np.einsum("bi,op->bopi", X, np.eye(2)).reshape(3, 2, 10)),
    "sparse": (op.Sparse(ROWS, COLS, VALUES, (2,), (4,)), SPELLED),
    "sparse per example": (op.Sparse(*SELECTED, (2,), (4,)), np.stack([np.eye(4)[[3, 0]], 2 * np.eye(4)[[1, 1]]])),
    "blocks": (op.Blocks((6, 2), 0, op.Matrix(SQUARE)), block_diag(*SQUARE)),
    "blocks of a later axis": (op.Blocks((2, 3, 2), 1, op.Matrix(SQUARE)), INTERLEAVED),
    "flat": (op.Flat((2, 2), op.Diagonal(D)), D[..., None] * EYE),
    "along": (op.Along(0, op.Diagonal(D)), D[..., None] * EYE),
    "implicit": (op.Implicit(lambda t: A[0] @ t, lambda g: A[0].T @ g, (4,), (2,), np.dtype(float)), A[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_matrix(name):
    J, want = MATRICES[name]
    np.testing.assert_allclose(J.dense(), want)
    np.testing.assert_allclose(J.T.dense(), np.swapaxes(want, -1, -2))
    assert J.shape == want.shape and J.T.shape == np.swapaxes(want, -1, -2).shape and J.dtype == np.float64


def test_along_acts_on_its_axis():
    v = RNG.normal(size=(4, 3))
    np.testing.assert_allclose(op.Along(0, op.Diagonal(D)) @ v, D.T * v)


def test_export():
    J = op.Sparse(ROWS, COLS, VALUES[0], (2,), (4,))
    assert issparse(J.sparse()) and J.sparse().nnz == J.nnz == 3
    for exported in (J.sparse(), J.linear_operator()):
        np.testing.assert_allclose(exported @ np.arange(4.0), J @ np.arange(4.0))
        np.testing.assert_allclose(exported.T @ np.arange(2.0), J.T @ np.arange(2.0))
    np.testing.assert_allclose(op.Matrix(A[0]).sparse().toarray(), A[0])
    with pytest.raises(ShapeError, match="a matrix for each of \\(3,\\) examples"):
        op.Diagonal(D).linear_operator()


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match="cannot act on an array of shape \\(3,\\)"):
        op.Diagonal(D) @ np.ones(3)
    with pytest.raises(ShapeError, match="cannot add"):
        op.Matrix(A) + op.Diagonal(D)
    with pytest.raises(ShapeError, match="cannot compose"):
        op.Diagonal(D) @ op.Matrix(A)
