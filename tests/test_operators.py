"""Structured operators are the matrices that they say."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.sparse import issparse

import pullback as pb
from pullback import operators as op
from pullback.errors import DtypeError, MissingError, ShapeError

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
    "along": (op.Diagonal(D).along(0), D[..., None] * EYE),
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
    np.testing.assert_allclose(op.Diagonal(D).along(0) @ v, D.T * v)


ALONG = [("softmax", 0), ("softmin", -2), ("log_softmax", 0), ("glu", 0), ("glu", 1), ("logsumexp", 0), ("softmax", 1)]


@pytest.mark.parametrize("name, axis", ALONG)
def test_what_is_made_of_operators_along_an_axis_is_along_it(name, axis):
    x, t = RNG.normal(size=(2, 4, 2, 3))[:, :, :, 0], RNG.normal(size=(2, 4, 2))
    y, at = getattr(pb, name).linearize(x, axis=axis)
    J, g = at.jacobian(), RNG.normal(size=y.shape)
    dense, vjp, jvp = J.dense(), at.vjp, at.jvp
    transposed = np.swapaxes(dense, -1, -2)
    for found, matrix, tangent, moved in (
        (J.T @ J, transposed @ dense, t, vjp(jvp(t))),
        (J @ J.T, dense @ transposed, g, jvp(vjp(g))),
        (J + J, 2 * dense, t, 2 * jvp(t)),
        (J - J, 0 * dense, t, 0 * jvp(t)),
        (-J, -dense, t, -jvp(t)),
        (-J.T + J.T + J.T, transposed, g, vjp(g)),
        ((J.T @ J).T, transposed @ dense, t, vjp(jvp(t))),
    ):
        assert found.shape == matrix.shape
        np.testing.assert_allclose(found.dense(), matrix, atol=1e-14)
        np.testing.assert_allclose(found @ tangent, moved, atol=1e-14)


def test_an_axis_is_counted_from_the_end():
    """So that a stack of tangents stands in front, as everywhere, and the last axis is the last axis by any name."""
    x, many = RNG.normal(size=(3, 2)), RNG.normal(size=(5, 3, 2))
    for axis in (0, 1, -1, -2):
        at = pb.softmax.linearize(x, axis=axis)[1]
        np.testing.assert_allclose(at.jacobian() @ many, [at.jvp(t) for t in many])
    by_front, by_back = (pb.softmax.linearize(x, axis=axis)[1].jacobian() for axis in (1, -1))
    np.testing.assert_allclose((by_front + by_back).dense(), 2 * by_back.dense())


def test_operators_along_different_axes_do_not_mix():
    x = np.ones((3, 3))
    a, b = (pb.softmax.linearize(x, axis=axis)[1].jacobian() for axis in (0, 1))
    for mix in (lambda: a + b, lambda: a - b, lambda: a @ b, lambda: b @ a):
        with pytest.raises(
            ShapeError, match="cannot join operators along (axis -2 and the last axis|the last axis and axis -2)"
        ):
            mix()
    with pytest.raises(ShapeError, match="along axis -2 .*cannot act on an array of shape \\(3,\\)"):
        a @ np.ones(3)


def test_numbers_scale():
    for kind, tolerance in ((np.float64, 1e-15), (np.float32, 1e-6)):
        J = op.Outer(U.astype(kind), V.astype(kind))
        dense = J.dense()
        for found, want in (
            (2 * J, 2 * dense),
            (J * 2, 2 * dense),
            (J / 2, dense / 2),
            (np.float64(0.5) * J, dense / 2),
            (J * np.float64(0.5), dense / 2),
            (J / np.int64(4), dense / 4),
        ):
            np.testing.assert_allclose(found.dense(), want, rtol=tolerance)
            assert found.dtype == found.dense().dtype == (found @ V.astype(kind)).dtype == kind
    np.testing.assert_allclose((2 * op.Diagonal(D).along(0) / 4) @ D.T, (D * D / 2).T)


def test_a_vector_in_front_meets_the_transpose():
    g = RNG.normal(size=(3, 2))
    np.testing.assert_array_equal(g @ op.Matrix(A), op.Matrix(A).T @ g)
    np.testing.assert_allclose([1, 2] @ op.Matrix(A[0]), np.array([1, 2]) @ A[0])


def test_integers_and_lists_take_the_operator_s_precision():
    J = op.Diagonal(D.astype(np.float32))
    for ones in ([1, 1, 1, 1], [1.0] * 4, np.ones(4, int), np.ones(4, bool), np.ones(4, np.float32)):
        assert (J @ ones).dtype == np.float32
        np.testing.assert_array_equal(J @ ones, J.d)


@pytest.mark.parametrize("other", [1, 1.5, "a", None, EYE, np.float64(1), [1.0]], ids=lambda a: type(a).__name__)
def test_what_is_no_operator_is_not_added(other):
    J = op.Diagonal(D)
    for add in (lambda: J + other, lambda: other + J, lambda: J - other, lambda: other - J):
        with pytest.raises(DtypeError, match=f"only operators are added .* got {type(other).__name__}; Matrix"):
            add()


@pytest.mark.parametrize("other", ["a", None, EYE, 1j, [2], op.Diagonal(D)], ids=lambda a: type(a).__name__)
def test_what_is_no_number_does_not_scale(other):
    J = op.Diagonal(D)
    for scale in (lambda: J * other, lambda: other * J, lambda: J / other):
        with pytest.raises(DtypeError, match=f"multiplied by real numbers .*got {type(other).__name__}"):
            scale()
    with pytest.raises(TypeError, match="unsupported operand type"):
        1 / J


def test_what_cannot_be_acted_on():
    J = op.Diagonal(D)
    for wrong in ("a", None, ["a"], np.ones(4, complex), [1j] * 4, object()):
        for act in (lambda wrong=wrong: J @ wrong, lambda wrong=wrong: wrong @ J):
            with pytest.raises(DtypeError, match="acts on arrays of real numbers, got (str|None|list|complex|object)"):
                act()
    with pytest.raises(ShapeError, match="got a ragged list"):
        J @ [[1], [1, 2]]
    with pytest.raises(ShapeError, match="cannot act on an array of shape \\(\\)"):
        J @ 2
    for make in (lambda: J + op.Diagonal(D[:2]), lambda: op.Outer(U, V[:2])):
        with pytest.raises(ShapeError, match="the batches \\(3,\\) and \\(2,\\) do not go together"):
            make()


def test_stored_entries_are_exported():
    J = op.Sparse(ROWS, COLS, VALUES[0], (2,), (4,))
    assert issparse(J.sparse()) and J.sparse().nnz == J.nnz == 3
    large = op.Diagonal(np.ones(10**6))
    assert (2 * large - large.T @ large).sparse().nnz == 10**6, "what is sparse is not spelled out on the way"
    with pytest.raises(ShapeError, match="a matrix for each of \\(3,\\) examples"):
        op.Diagonal(D).linear_operator()


def one_example(dtype):
    """An operator of every kind, for one example."""
    d, u, v, a = (np.asarray(each[0], dtype) for each in (D, U, V, A))
    blocks, x = op.Matrix(SQUARE.astype(dtype)), X[0].astype(dtype)
    return {
        "diagonal": op.Diagonal(d),
        "diagonal of a number": op.Diagonal(d[0]),
        "diagonal of nothing": op.Diagonal(d[:0]),
        "outer": op.Outer(u, v),
        "matrix": op.Matrix(a),
        "contract": op.Contract(x, 2),
        "expand": op.Expand(x, 2),
        "sparse": op.Sparse(ROWS, COLS, VALUES[0].astype(dtype), (2,), (4,)),
        "sparse, twice at one place": op.Sparse(np.array([0, 0]), np.array([1, 1]), d[:2], (2,), (2, 2)),
        "implicit": op.Implicit(lambda t: a @ t, lambda g: a.T @ g, (4,), (2,), np.dtype(dtype)),
        "along": op.Along((-2,), op.Matrix(a)),
        "flat": op.Flat((2, 2), op.Diagonal(d)),
        "flat to other axes": op.Flat((2, 2), op.Matrix(a), (2, 1)),
        "flat to none": op.Flat((4,), op.Outer(np.ones(1, dtype), v), ()),
        "blocks": op.Blocks((2, 3, 2), 1, blocks),
        "sum": op.Diagonal(d) + op.Outer(u, v),
        "sum of stored entries": op.Diagonal(d) - op.Diagonal(u),
        "product": op.Matrix(a) @ op.Outer(u, v),
        "scaled": 3 * op.Matrix(a),
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", one_example(float))
def test_every_kind_of_operator_keeps_the_promises_of_all(name, dtype):
    J, tolerance = one_example(dtype)[name], 1e-14 if dtype is np.float64 else 1e-5
    close = lambda found, want: np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance)
    dense = J.dense()
    assert J.shape == dense.shape and J.dtype == dense.dtype == dtype
    assert J.T.shape == J.T.dense().shape and J.T.dtype == J.T.dense().dtype == dtype
    for exported in (J.sparse(), J.linear_operator()):
        assert exported.shape == J.shape and exported.dtype == dtype
        for spelled, map_ in ((dense, exported), (dense.T, exported.T)):
            t = RNG.normal(size=spelled.shape[1]).astype(dtype)
            assert (map_ @ t).dtype == dtype
            close(map_ @ t, spelled @ t)
    close(J.sparse().toarray(), dense)
    if not J.axes:  # an operator along an axis acts on arrays of batches
        t, g = RNG.normal(size=J.inp).astype(dtype), RNG.normal(size=J.out).astype(dtype)
        assert (J @ t).dtype == (J.T @ g).dtype == dtype
        close((J @ t).reshape(-1), dense @ t.reshape(-1))
        np.testing.assert_array_equal(J.T.T @ t, J @ t)
        np.testing.assert_array_equal(J.T @ g, g @ J)


def test_mixed_precision_is_the_wider_one():
    single, double = op.Diagonal(D.astype(np.float32)), op.Diagonal(D)
    for J in (single + double, single @ double, op.Outer(single.d, D), op.Outer(D, single.d)):
        assert J.dtype == J.dense().dtype == J.T.dtype == np.float64


@pytest.mark.parametrize("export", ["sparse", "linear_operator"])
def test_without_scipy(export, monkeypatch):
    for name in ("scipy.sparse", "scipy.sparse.linalg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingError, match="pip install scipy") as caught:
        getattr(op.Diagonal(D[0]), export)()
    assert isinstance(caught.value, ImportError)


def test_operators_are_readable():
    d, m = op.Diagonal(D), op.Matrix(A)
    x = np.ones((2, 3, 4), np.float32)
    for J, shown in (
        (d, "<Diagonal [4 -> 4] for a batch of (3,), float64>"),
        (op.Diagonal(D[0]), "<Diagonal [4 -> 4], float64>"),
        (pb.softmax.linearize(x)[1].jacobian(), "<Diagonal - Outer [4 -> 4] for a batch of (2, 3), float32>"),
        (
            pb.softmax.linearize(x, axis=1)[1].jacobian().T,
            "<Diagonal - Outer [3 -> 3] along axis -2 for a batch of (2, 4), float32>",
        ),
        (
            pb.logsumexp.linearize(x, axis=(0, 2))[1].jacobian(),
            "<Outer [2 4 -> 1] along axes -3, -1 for a batch of (3,), float32>",
        ),
        (
            2 * m @ (d - d) + -m,
            "<(2 * Matrix) @ (Diagonal - Diagonal) - Matrix [4 -> 2] for a batch of (3,), float64>",
        ),
        (-(d + d), "<-(Diagonal + Diagonal) [4 -> 4] for a batch of (3,), float64>"),
        (d - (d + d), "<Diagonal - (Diagonal + Diagonal) [4 -> 4] for a batch of (3,), float64>"),
        (op.Flat((2, 2), d), "<Diagonal [2 2 -> 2 2] for a batch of (3,), float64>"),
        (op.Blocks((6, 2), 0, op.Matrix(SQUARE)), "<Blocks(Matrix) [6 2 -> 6 2], float64>"),
    ):
        assert repr(J) == shown


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match="cannot act on an array of shape \\(3,\\)"):
        op.Diagonal(D) @ np.ones(3)
    with pytest.raises(ShapeError, match="cannot add"):
        op.Matrix(A) + op.Diagonal(D)
    with pytest.raises(ShapeError, match="cannot compose"):
        op.Diagonal(D) @ op.Matrix(A)
    with pytest.raises(
        ShapeError, match="for a batch of \\(3,\\), float64> cannot act on an array of shape \\(2, 4\\)"
    ):
        op.Diagonal(D) @ np.ones((2, 4))


@st.composite
def compositions(draw, out, inp, axis, depth):
    """A random map of `inp` numbers to `out`, made of maps, and its matrix."""
    part = lambda out, inp: draw(compositions(out, inp, axis, depth - 1))
    kind = draw(st.sampled_from(["leaf", "sum", "difference", "product", "scaled", "transposed"])) if depth else "leaf"
    if kind == "leaf":
        J, matrix = draw(leaves(out, inp))
        return J.along(axis), matrix
    if kind == "product":
        k = draw(st.integers(0, 3))
        (a, A), (b, B) = part(out, k), part(k, inp)
        return a @ b, A @ B
    if kind == "transposed":
        a, A = part(inp, out)
        return a.T, np.swapaxes(A, -1, -2)
    if kind == "scaled":
        a, A = part(out, inp)
        return draw(st.sampled_from([(-a, -A), (2 * a, 2 * A), (a * 3, 3 * A), (a / 2, A / 2)]))
    (a, A), (b, B) = part(out, inp), part(out, inp)
    return (a + b, A + B) if kind == "sum" else (a - b, A - B)


@st.composite
def leaves(draw, out, inp):
    batch = draw(st.sampled_from([(), (2,)]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    u, v, a = rng.normal(size=(*batch, out)), rng.normal(size=(*batch, inp)), rng.normal(size=(*batch, out, inp))
    one = rng.normal(size=(out, inp))
    rows, cols = (index.reshape(out * inp) for index in np.indices((out, inp)))
    kinds = [
        (op.Outer(u, v), u[..., :, None] * v[..., None, :]),
        (op.Matrix(a), a),
        (op.Sparse(rows, cols, a.reshape(*batch, out * inp), (out,), (inp,)), a),
        (op.Implicit(one.dot, one.T.dot, (inp,), (out,), one.dtype), one),
    ]  # fmt: skip
    if out == inp:
        diagonal = u[..., None] * np.eye(out)
        kinds += [(op.Diagonal(u), diagonal), (op.Blocks((out,), 0, op.Matrix(u[..., None, None])), diagonal)]
        kinds += [(op.Flat((out,), op.Matrix(a)), a)]
    return draw(st.sampled_from(kinds))


@settings(deadline=None)
@given(data=st.data(), out=st.integers(0, 3), inp=st.integers(0, 3), axis=st.sampled_from([-1, -2]))
def test_random_compositions_are_their_matrices(data, out, inp, axis):
    J, matrix = data.draw(compositions(out, inp, axis, depth=3))
    close = lambda found, want: np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-9)
    assert J.shape == J.dense().shape == np.shape(matrix)
    close(J.dense(), matrix)
    close(J.T.dense(), np.swapaxes(matrix, -1, -2))
    t, g = np.cos(np.arange(2 * inp)).reshape(2, inp), np.sin(np.arange(2 * out) + 1).reshape(2, out)
    placed = lambda a: np.moveaxis(a, -1, axis)
    pushed, pulled = (matrix @ t[..., None])[..., 0], (np.swapaxes(matrix, -1, -2) @ g[..., None])[..., 0]
    close(J @ placed(t), placed(pushed))
    close(J.T @ placed(g), placed(pulled))
    close(J.T.T @ placed(t), placed(pushed))
    close(placed(g) @ J, placed(pulled))
    if not J.batch:
        close(J.sparse().toarray(), matrix)
