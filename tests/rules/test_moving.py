"""Reshape, flatten, select, concatenate, add: PyTorch, NumPy, where gradients go, errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.errors import OptionError, ShapeError

# Against PyTorch.


@pytest.mark.parametrize("shape", [(24,), (-1,), (4, 6), (2, -1), (-1, 3, 4), (2, 3, 4), (1, 24, 1)])
def test_reshape_as_torch(shape):
    same("reshape", lambda x: torch.reshape(x, shape), [normal(2, 3, 4)], shape=shape)


@pytest.mark.parametrize("n, shape", [((), (1,)), ((1, 1), ()), ((2, 0), (0, 5)), ((0, 3), (3, -1)), ((2, 0), (-1, 3))])
def test_reshape_of_little_as_torch(n, shape):
    same("reshape", lambda x: torch.reshape(x, shape), [normal(*n)], shape=shape)


@pytest.mark.parametrize(
    "case", pairs(start=[0, 1, 2, -3, -1], end=[0, 1, 2, -1, -2], n=[(2, 3, 4), (2, 0, 1)]), ids=str
)
def test_flatten_as_torch(case):
    start, end, n = case["start"], case["end"], case["n"]
    if start % 3 <= end % 3:
        same("flatten", lambda x: torch.flatten(x, start, end), [normal(*n)], start_axis=start, end_axis=end)
    else:
        with pytest.raises(OptionError, match="flatten: needs start_axis % len"):
            pb.flatten(normal(*n), start_axis=start, end_axis=end)


@pytest.mark.parametrize(
    "case", pairs(axis=[0, 1, 2, -1, -2, -3], index=[0, 1, -1, -2], n=[(2, 3, 4), (2, 2, 2)]), ids=str
)
def test_select_as_torch(case):
    axis, index, n = case["axis"], case["index"], case["n"]
    same("select", lambda x: torch.select(x, axis, index), [normal(*n)], axis=axis, index=index)


@pytest.mark.parametrize("case", pairs(axis=[0, 1, 2, -1, -2, -3], more=[0, 1, 3]), ids=str)
def test_concatenate_as_torch(case):
    axis, other = case["axis"], [2, 3, 4]
    other[axis] = case["more"]
    theirs = lambda x, z: torch.cat((x, z), axis)
    same("concatenate", theirs, [normal(2, 3, 4), normal(*other, seed=1)], axis=axis)


ADDED = [
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((), (2,)), ((), ()), ((4, 1, 2), (3, 1)),
    ((0, 2), (1, 2)), ((1,), (0,)), ((2, 3), (1, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("n, m", ADDED)
def test_add_as_torch(n, m):
    same("add", torch.add, [normal(*n), normal(*m, seed=1)])


# Where gradients go.


@given(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4))
def test_what_is_repeated_collects(shapes):
    n, m = shapes.input_shapes
    x, z = normal(*n), normal(*m, seed=1)
    y, at = pb.add.linearize(x, z)
    np.testing.assert_array_equal(y, x + z)
    gx, gz = at.vjp(np.ones(shapes.result_shape))
    for g, a in ((gx, x), (gz, z)):
        assert g.shape == a.shape
        times = np.prod(shapes.result_shape) / a.size if a.size else 0
        np.testing.assert_array_equal(g, np.full(a.shape, times))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_select_takes_and_puts_back(n, data):
    axis = data.draw(st.integers(-len(n), len(n) - 1))
    index = data.draw(st.integers(-n[axis], n[axis] - 1))
    x = normal(*n)
    y, at = pb.select.linearize(x, axis=axis, index=index)
    np.testing.assert_array_equal(y, np.take(x, index, axis))
    gx = at.vjp(np.ones_like(y))
    assert np.take(gx, index, axis).all() and gx.sum() == np.size(y)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.data())
def test_concatenate_parts_what_it_joined(n, data):
    axis = data.draw(st.integers(-len(n), len(n) - 1))
    m = [*n]
    m[axis] = data.draw(st.integers(0, 3))
    x, z = normal(*n), normal(*m, seed=1)
    y, at = pb.concatenate.linearize(x, z, axis=axis)
    for found, given_ in zip(at.vjp(y), (x, z)):
        np.testing.assert_array_equal(found, given_)


def test_the_last_step_of_a_sequence():
    steps = normal(5, 2, 3)
    y, at = pb.select.linearize(steps)
    np.testing.assert_array_equal(y, steps[-1])
    gx = at.vjp(np.ones((2, 3)))
    assert gx[-1].all() and not gx[:-1].any()


def test_jacobians_are_selections():
    x, z = normal(2, 3), normal(2, 1)
    np.testing.assert_array_equal(pb.reshape.linearize(x, shape=(3, 2))[1].jacobian().dense(), np.eye(6))
    np.testing.assert_array_equal(pb.select.linearize(x, axis=1)[1].jacobian().dense(), np.eye(6)[[2, 5]])
    jx, jz = pb.concatenate.linearize(x, z, axis=1)[1].jacobian()
    np.testing.assert_array_equal(jx.dense() @ x.ravel() + jz.dense() @ z.ravel(), np.concatenate((x, z), 1).ravel())
    jx, jz = pb.add.linearize(x, z)[1].jacobian()
    np.testing.assert_array_equal(jz.dense(), np.repeat(np.eye(2), 3, 0))
    assert jx.nnz == jz.nnz == 6 and jx.dtype == x.dtype


# Errors.

X = normal(2, 3)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: pb.reshape(X, shape=(4, 2)), OptionError, "needs prod(out) == prod(n), with n=(2, 3), out=(4, 2)"),
    (lambda: pb.reshape(X, shape=(4, -1)), OptionError, "needs prod(out) == prod(n), with n=(2, 3), out=(4, 1)"),
    (lambda: pb.reshape(X, shape=(-1, -1)), OptionError, "reshape: needs prod(out) == prod(n)"),
    (lambda: pb.reshape(X, shape=(-2, -3)), OptionError, "reshape: needs shape >= -1, with shape=(-2, -3)"),
    (lambda: pb.flatten(X, start_axis=2), OptionError, "flatten: needs -len(n) <= start_axis < len(n), with n=(2, 3)"),
    (lambda: pb.flatten(X, end_axis=-3), OptionError, "flatten: needs -len(n) <= end_axis < len(n)"),
    (lambda: pb.flatten(np.array(1.0)), OptionError, "flatten: needs -len(n) <= start_axis < len(n), with n=()"),
    (lambda: pb.select(X, axis=1, index=3), OptionError, "select: needs -n <= index < n, with index=3, n=3"),
    (lambda: pb.select(X, axis=2), ShapeError, "select: axis=2 is out of range for x of shape (2, 3)"),
    (lambda: pb.concatenate(X, normal(3, 3), axis=1), ShapeError, "concatenate: z has shape (3, 3), needs z[b0 m ...]"),
    (lambda: pb.add(X, normal(2)), OptionError, "add: needs broadcast(x_shape, z_shape) is not None, with"),
])  # fmt: skip
def test_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)
