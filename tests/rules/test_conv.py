"""Convolution and its transpose: PyTorch, small numbers by hand, exact sparse Jacobians, errors."""

import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.discovery import find
from pullback.errors import OptionError, ShapeError

DIMS = 1, 2, 3
N = 6, 5, 4

# Against PyTorch.

CONV = pairs(
    stride=[1, 2, (3, 1, 2)], padding=[0, 1, (2, 0, 1), "same", "valid"], dilation=[1, 2, (1, 3, 2)],
    groups=[1, 2, 4], k=[(1, 1, 1), (2, 2, 2), (3, 2, 1), (2, 3, 4)], bias=[True, False], batch=[(), (2,)],
)  # fmt: skip
TRANSPOSE = pairs(
    stride=[1, 2, (3, 1, 2)], padding=[0, 1, (1, 0, 2)], dilation=[1, 2, (1, 3, 2)], output_padding=[0, "most"],
    groups=[1, 2, 4], k=[(2, 2, 2), (3, 2, 3), (2, 4, 3)], bias=[True, False], batch=[(), (2,)],
)  # fmt: skip


def cut(value, dims):
    return value[:dims] if isinstance(value, tuple) else value


def each(value, dims):
    return value[:dims] if isinstance(value, tuple) else (value,) * dims


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("choice", CONV, ids=str)
def test_conv_twin(dims, choice):
    k, bias, batch = choice["k"], choice["bias"], choice["batch"]
    options = {name: cut(choice[name], dims) for name in ("stride", "padding", "dilation", "groups")}
    if options["padding"] == "same":
        options["stride"] = 1  # neither library can keep the size otherwise
    span = [d * (m - 1) + 1 for d, m in zip(each(choice["dilation"], 3), k)]
    n = [max(a, b) for a, b in zip(N, span)][:dims]  # room for a window at least
    x, w = normal(*batch, 4, *n), normal(8, 4 // options["groups"], *k[:dims])
    theirs = getattr(F, f"conv{dims}d")
    same(f"conv{dims}d", lambda x, w, b: theirs(x, w, b, **options), (x, w, normal(8) if bias else None), **options)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("choice", TRANSPOSE, ids=str)
def test_conv_transpose_twin(dims, choice):
    k, bias, batch = choice["k"], choice["bias"], choice["batch"]
    options = {name: cut(choice[name], dims) for name in ("stride", "padding", "dilation", "groups")}
    if choice["output_padding"] == "most":
        most = map(max, each(choice["stride"], dims), each(choice["dilation"], dims))
        options["output_padding"] = tuple(m - 1 for m in most)
    x, w = normal(*batch, 4, *(4, 3, 5)[:dims]), normal(4, 2, *k[:dims])
    b = normal(2 * options["groups"]) if bias else None
    theirs = getattr(F, f"conv_transpose{dims}d")
    same(f"conv_transpose{dims}d", lambda x, w, b: theirs(x, w, b, **options), (x, w, b), **options)


numbers = lambda low, high: st.tuples(*[st.integers(low, high)] * 3)


@settings(deadline=None)
@given(
    dims=st.sampled_from(DIMS), n=numbers(1, 6), k=numbers(1, 4), stride=numbers(1, 3), padding=numbers(0, 3),
    dilation=numbers(1, 3), groups=st.integers(1, 3), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_conv(dims, n, k, stride, padding, dilation, groups, seed):
    """Both libraries give the same shape, or both refuse; the transpose is the transpose."""
    options = dict(stride=stride[:dims], padding=padding[:dims], dilation=dilation[:dims], groups=groups)
    x, w = normal(2, groups, *n[:dims], seed=seed), normal(2 * groups, 1, *k[:dims], seed=seed)
    agree(f"conv{dims}d", x, w, options)


@settings(deadline=None)
@given(
    dims=st.sampled_from(DIMS), n=numbers(1, 4), k=numbers(1, 3), stride=numbers(1, 3), padding=numbers(0, 2),
    dilation=numbers(1, 3), output_padding=numbers(0, 3), groups=st.integers(1, 3), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_conv_transpose(dims, n, k, stride, padding, dilation, output_padding, groups, seed):
    options = dict(
        stride=stride[:dims], padding=padding[:dims], dilation=dilation[:dims], groups=groups,
        output_padding=output_padding[:dims],
    )  # fmt: skip
    x, w = normal(2, groups, *n[:dims], seed=seed), normal(groups, 2, *k[:dims], seed=seed)
    agree(f"conv_transpose{dims}d", x, w, options)


def agree(name, x, w, options):
    try:
        want = getattr(F, name)(torch.tensor(x), torch.tensor(w), **options)
    except (RuntimeError, ValueError):
        with pytest.raises(OptionError):
            find(name)(x, w, **options)
        return
    y, at = find(name).linearize(x, w, **options)
    np.testing.assert_allclose(y, want, atol=1e-12)
    rng = np.random.default_rng(0)
    g, tx, tw = rng.normal(size=y.shape), rng.normal(size=x.shape), rng.normal(size=w.shape)
    gx, gw, _ = at.vjp(g)
    np.testing.assert_allclose((g * at.jvp(tx, tw)).sum(), (gx * tx).sum() + (gw * tw).sum(), rtol=1e-9, atol=1e-9)


# By hand.


def test_a_convolution_by_hand():
    x = np.array([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]])
    w = np.array([[[[1.0, 0], [0, -1]]]])  # every element less its lower right neighbour
    y, at = pb.conv2d.linearize(x, w, np.array([10.0]))
    np.testing.assert_array_equal(y, [[[6, 6], [6, 6]]])
    gx, gw, gb = at.vjp(np.array([[[1.0, 2], [3, 4]]]))
    np.testing.assert_array_equal(gx, [[[1, 2, 0], [3, 4 - 1, -2], [0, -3, -4]]])
    np.testing.assert_array_equal(gw, [[[[37, 47], [67, 77]]]])  # 1·1 + 2·2 + 3·4 + 4·5 = 37, and so on
    np.testing.assert_array_equal(gb, [10])


def test_a_transposed_convolution_by_hand():
    y, at = pb.conv_transpose1d.linearize([[1.0, 2]], [[[1.0, 10, 100]]], [0.0], stride=2, output_padding=1)
    np.testing.assert_array_equal(y, [[1, 10, 100 + 2, 20, 200, 0]])
    gx, gw, gb = at.vjp(np.array([[1.0, 2, 3, 4, 5, 6]]))
    np.testing.assert_array_equal(gx, [[1 + 20 + 300, 3 + 40 + 500]])
    np.testing.assert_array_equal(gw, [[[1 * 1 + 2 * 3, 1 * 2 + 2 * 4, 1 * 3 + 2 * 5]]])
    np.testing.assert_array_equal(gb, [21])


def test_what_no_window_meets_has_gradient_zero():
    _, at = pb.conv1d.linearize(np.ones((1, 6)), np.ones((1, 1, 2)), stride=2, dilation=3)
    np.testing.assert_array_equal(at.vjp(np.ones((1, 2)))[0], [[1, 0, 1, 1, 0, 1]])


def test_same_puts_the_odd_element_behind():
    np.testing.assert_array_equal(pb.conv1d([[1.0, 2, 3]], [[[1.0, 10]]], padding="same"), [[21, 32, 3]])


# The Jacobian.

SMALL = [
    ("conv1d", (2, 5), (4, 1, 3), dict(stride=2, padding=2, groups=2)),
    ("conv2d", (2, 4, 3), (2, 2, 2, 3), dict(padding=1, dilation=(2, 1))),
    ("conv2d", (1, 3, 4), (1, 1, 2, 2), dict(padding="same")),
    ("conv3d", (1, 2, 3, 2), (2, 1, 2, 1, 2), dict(padding=1)),
    ("conv_transpose1d", (2, 4), (2, 2, 3), dict(stride=2, padding=2, groups=2, output_padding=1)),
    ("conv_transpose2d", (2, 3, 2), (2, 1, 2, 3), dict(stride=(1, 2), padding=1, dilation=2)),
    ("conv_transpose3d", (1, 2, 2, 1), (1, 2, 2, 1, 2), dict(padding=(1, 0, 0))),
]


@pytest.mark.parametrize("name, x, w, options", SMALL)
def test_the_jacobian_holds_no_zero(name, x, w, options):
    """As many entries as the matrix has; columns by jvp, one unit vector at a time."""
    x, w = normal(*x), normal(*w)
    inputs = x, w, np.zeros(len(find(name)(x, w, **options)))
    _, at = find(name).linearize(*inputs, **options)
    for k, (J, a) in enumerate(zip(at.jacobian(), inputs)):
        units = np.eye(a.size).reshape(-1, *a.shape)
        columns = [at.jvp(*(unit if j == k else None for j in range(3))) for unit in units]
        dense = np.stack([column.reshape(-1) for column in columns], -1)
        exported = J.sparse()
        np.testing.assert_allclose(exported.toarray(), dense, atol=1e-15)
        assert exported.nnz == J.nnz == np.count_nonzero(dense)
        assert len(set(zip(*map(tuple, exported.coords)))) == J.nnz, "every entry once"


def test_the_jacobian_of_a_large_convolution_stays_small():
    x, w = normal(3, 32, 32), normal(4, 3, 3, 3)
    jx, jw, jb = pb.conv2d.linearize(x, w, np.zeros(4), padding=1)[1].jacobian()
    met = (3 * 32 - 2) ** 2  # of 3 × 32 meetings along an axis, two are with the padding
    assert (jx.nnz, jw.nnz, jb.nnz) == (4 * 3 * met, 4 * 3 * met, 4 * 32 * 32)


# Errors.

X, W = np.ones((1, 2, 5, 5)), np.ones((4, 2, 3, 3))
REFUSED = [
    (lambda: pb.conv2d(X, W, groups=0), OptionError, "conv2d: needs groups > 0 and o % groups == 0, with groups=0"),
    (lambda: pb.conv2d(X, W, groups=2), ShapeError, "conv2d: w has shape (4, 2, 3, 3), needs w[o i/groups *k]"),
    (lambda: pb.conv2d(X, W[:3, :1], groups=2), OptionError, "groups > 0 and o % groups == 0, with groups=2, o=3"),
    (lambda: pb.conv2d(X, W[:, :1]), ShapeError, "conv2d: w has shape (4, 1, 3, 3), needs w[o i/groups *k]"),
    (lambda: pb.conv2d(X, W, stride=0), OptionError, "conv2d: needs stride > 0, with stride=(0, 0)"),
    (lambda: pb.conv2d(X, W, stride=(1, 2, 3)), OptionError, "stride must be a whole number or 2 of them, got (1"),
    (lambda: pb.conv2d(X, W, dilation=(1, 0)), OptionError, "conv2d: needs dilation > 0, with dilation=(1, 0)"),
    (lambda: pb.conv2d(X, W, padding="some"), OptionError, "2 of them or 'same' or 'valid', got 'some'"),
    (lambda: pb.conv2d(X, W, stride="same"), OptionError, "stride must be int or tuple of whole numbers, got 'same'"),
    (lambda: pb.conv2d(X, W, padding=-1), OptionError, "conv2d: needs padding in ('same', 'valid') or padding >= 0"),
    (lambda: pb.conv2d(X, W, padding=(1.5, 0)), OptionError, "of whole numbers or str, got (1.5, 0)"),
    (lambda: pb.conv2d(X, W, padding="same", stride=2), OptionError, "needs padding != 'same' or stride == 1"),
    (lambda: pb.conv2d(X, W[:, :, :0]), OptionError, "conv2d: needs k > 0, with k=(0, 3)"),
    (lambda: pb.conv2d(X, W, dilation=3), OptionError, "conv2d: needs output_size > 0, with output_size=(-1, -1)"),
    (lambda: pb.conv2d(X[0, 0], W), ShapeError, "conv2d: x has shape (5, 5), needs x[... i *n]"),
    (lambda: pb.conv2d(X, W, np.ones(3)), ShapeError, "conv2d: b has shape (3,), needs b[o]"),
    (lambda: pb.conv_transpose2d(X, W[:2], output_padding=1), OptionError, "0 <= output_padding < stride_or_dilation"),
    (lambda: pb.conv_transpose2d(X, W[:2], padding="same"), OptionError, "padding must be a whole number or 2 of them"),
    (lambda: pb.conv_transpose2d(X, W[:2], padding=4), OptionError, "needs output_size > 0, with output_size=(-1, -1)"),
    (lambda: pb.conv_transpose2d(X, W[:2], groups=3), OptionError, "needs groups > 0 and i % groups == 0"),
    (lambda: pb.conv_transpose2d(X, W), ShapeError, "w has shape (4, 2, 3, 3), needs w[i o *k]"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refused(call, error, message):
    with pytest.raises(error) as found:
        call()
    assert message in str(found.value)
