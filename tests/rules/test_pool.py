"""Pools: PyTorch, ties and indices, small numbers by hand, exact sparse Jacobians, errors."""

import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.discovery import find
from pullback.errors import OptionError, ShapeError

DIMS = 1, 2, 3
N = 7, 6, 8


def cut(options, dims):
    return {name: value[:dims] if isinstance(value, tuple) else value for name, value in options.items()}


def first(value):
    return value[0] if isinstance(value, tuple) else value


def draw(options, dims):
    """x, as far as the options say; they are taken out."""
    shape = *options.pop("batch"), *N[:dims]
    return tied(*shape) if options.pop("ties", False) else normal(*shape)


def tied(*shape):
    """Few different values, so that most windows hold their maximum more than once."""
    return np.random.default_rng(shape).integers(0, 3, size=shape).astype(float)


# Against PyTorch.

STRIDES, BATCHES = [None, 1, 2, (3, 1, 2)], [(2,), (2, 3)]
MAX = pairs(
    kernel_size=[2, 3, (3, 2, 4)], stride=STRIDES, padding=[0, 1, (1, 0, 1)], dilation=[1, 2, (1, 2, 1)],
    ceil_mode=[False, True], batch=BATCHES, ties=[False, True],
)  # fmt: skip
AVG = pairs(
    kernel_size=[2, 3, (3, 2, 4)], stride=STRIDES, padding=[0, 1, (1, 0, 1)], ceil_mode=[False, True],
    count_include_pad=[True, False], divisor_override=[None, 3], batch=BATCHES,
)  # fmt: skip
ADAPTIVE = pairs(output_size=[1, 2, 3, (3, 4, 2), (2, None, 3), 9], batch=BATCHES, ties=[False, True])
LP = pairs(norm_type=[1, 2, 3, 1.5], kernel_size=[2, 3, (3, 2, 4)], stride=STRIDES, batch=BATCHES)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("choice", MAX, ids=str)
def test_max_twin(dims, choice):
    options = cut(choice, dims)
    x, theirs = draw(options, dims), getattr(F, f"max_pool{dims}d")
    same(f"max_pool{dims}d", lambda x: theirs(x, **options), (x,), **options)
    _, index = find(f"max_pool{dims}d")(x, **options, return_indices=True)
    np.testing.assert_array_equal(index, theirs(torch.tensor(x), **options, return_indices=True)[1])


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("choice", AVG, ids=str)
def test_avg_twin(dims, choice):
    options = cut(choice, dims)
    x, f = draw(options, dims), getattr(F, f"avg_pool{max(dims, 2)}d")
    if dims == 1:  # PyTorch has `divisor_override` in two and three dimensions only
        flat = dict(kernel_size=1, stride=1, padding=0)
        both = {name: (first(options[name]), one) for name, one in flat.items() if options[name] is not None}
        theirs = lambda x: f(x[..., None], **options | both)[..., 0]
        same("avg_pool1d", theirs, (x,), **options)
    else:
        same(f"avg_pool{dims}d", lambda x: f(x, **options), (x,), **options)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("choice", ADAPTIVE, ids=str)
def test_adaptive_twins(dims, choice):
    options = cut(choice, dims)
    x, size = draw(options, dims), options["output_size"]
    theirs = {kind: getattr(F, f"adaptive_{kind}_pool{dims}d") for kind in ("max", "avg")}
    for kind, f in theirs.items():
        same(f"adaptive_{kind}_pool{dims}d", lambda x, f=f: f(x, size), (x,), output_size=size)
    _, index = find(f"adaptive_max_pool{dims}d")(x, output_size=size, return_indices=True)
    np.testing.assert_array_equal(index, theirs["max"](torch.tensor(x), size, return_indices=True)[1])


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("choice", LP, ids=str)
def test_lp_twin(dims, choice):
    options = cut(choice, dims)
    x, f = draw(options, dims), getattr(F, f"lp_pool{dims}d")
    theirs = {name: first(value) for name, value in options.items()} if dims == 1 else options  # it takes no tuples
    same(f"lp_pool{dims}d", lambda x: f(abs(x), **theirs), (x,), **options)


@pytest.mark.parametrize("norm_type", [1, 2, 3])
def test_lp_with_windows_that_hang_over(norm_type):
    """By PyTorch's sums: its own lp_pool multiplies such windows by the elements that they do not see."""
    options = dict(kernel_size=(3, 2), stride=2, ceil_mode=True)
    sums = lambda x: F.avg_pool2d(abs(x) ** norm_type, **options, divisor_override=1)
    same("lp_pool2d", lambda x: sums(x) ** (1 / norm_type), (normal(2, 6, 5),), norm_type=norm_type, **options)


sizes = lambda low, high: st.tuples(*[st.integers(low, high)] * 3)


@settings(deadline=None)
@given(
    dims=st.sampled_from(DIMS), kind=st.sampled_from(["max", "avg"]), n=sizes(1, 7), kernel_size=sizes(1, 4),
    stride=st.none() | sizes(1, 4), padding=sizes(0, 2), dilation=sizes(1, 3), ceil_mode=st.booleans(),
)  # fmt: skip
def test_any_pool(dims, kind, n, kernel_size, stride, padding, dilation, ceil_mode):
    """Both libraries give the same values, or both refuse; the transpose is the transpose."""
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel_size))
    if dims == 3 and kind == "avg":
        assume(all(k <= m for k, m in zip(kernel_size, n)))  # PyTorch wants it here, though not of the others
    options = dict(kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    options = cut(options | (dict(dilation=dilation) if kind == "max" else {}), dims)
    x, name = normal(2, 2, *n[:dims]), f"{kind}_pool{dims}d"
    try:
        want = getattr(F, name)(torch.tensor(x), **options)
    except RuntimeError:
        want = None
    if want is None or not want.isfinite().all():  # PyTorch lets windows pass that see nothing but padding
        with pytest.raises(OptionError):
            find(name)(x, **options)
        return
    y, at = find(name).linearize(x, **options)
    np.testing.assert_allclose(y, want, atol=1e-12)
    is_the_transpose(at, y, x)


@settings(deadline=None)
@given(
    dims=st.sampled_from(DIMS), kind=st.sampled_from(["max", "avg"]), n=sizes(1, 6),
    out=st.tuples(*[st.none() | st.integers(0, 7)] * 3),
)  # fmt: skip
def test_any_adaptive_pool(dims, kind, n, out):
    x, name = normal(2, 2, *n[:dims]), f"adaptive_{kind}_pool{dims}d"
    if dims == 1 and out[0] is None:
        out = n  # PyTorch knows None in two and three dimensions only
    y, at = find(name).linearize(x, output_size=out[:dims])
    np.testing.assert_allclose(y, getattr(F, name)(torch.tensor(x), out[:dims]), atol=1e-12)
    is_the_transpose(at, y, x)


def is_the_transpose(at, y, x):
    g, t = np.random.default_rng(0).normal(size=y.shape), np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_allclose((g * at.jvp(t)).sum(), (at.vjp(g) * t).sum(), atol=1e-11)


# By hand.

X = np.array([[1.0, 2, 0, 0], [2, 1, 5, 0], [3, 4, -1, -2], [0, 0, -3, -4]])
G = np.array([[1.0, 10], [100, 1000]])


def test_a_max_pool_by_hand():
    (y, index), at = pb.max_pool2d.linearize(X, return_indices=True)
    np.testing.assert_array_equal(y, [[2, 5], [4, -1]])
    np.testing.assert_array_equal(index, [[1, 6], [9, 10]])  # of two 2s the first
    np.testing.assert_array_equal(at.vjp(G), [[0, 1, 0, 0], [0, 0, 10, 0], [0, 100, 1000, 0], [0, 0, 0, 0]])


def test_an_average_pool_by_hand():
    y, at = pb.avg_pool2d.linearize(X)
    np.testing.assert_array_equal(y, [[1.5, 1.25], [1.75, -2.5]])
    np.testing.assert_array_equal(at.vjp(G), np.repeat(np.repeat(G / 4, 2, 0), 2, 1))


def test_counts_by_hand():
    """Of the last window, one element is in x, one in the padding, and one hangs over it."""
    options = dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)
    x = np.full(4, 6.0)
    np.testing.assert_array_equal(pb.avg_pool1d(x, **options), [4, 6, 3])
    np.testing.assert_array_equal(pb.avg_pool1d(x, count_include_pad=False, **options), [6, 6, 6])
    np.testing.assert_array_equal(pb.avg_pool1d(x, divisor_override=1, **options), [12, 18, 6])


def test_adaptive_windows_share_an_element():
    y, at = pb.adaptive_avg_pool1d.linearize([1.0, 2, 3, 4, 6], output_size=2)
    np.testing.assert_allclose(y, [2, 13 / 3])
    np.testing.assert_allclose(at.vjp(np.array([3.0, 6.0])), [1, 1, 3, 2, 2])


def test_a_length_by_hand():
    """3, 4 make 5; a window of zeros stands on a kink, and gets gradient 0."""
    y, at = pb.lp_pool1d.linearize([-3.0, 4, 0, 0])
    np.testing.assert_allclose(y, [5, 0])
    np.testing.assert_allclose(at.vjp(np.ones(2)), [-0.6, 0.8, 0, 0])
    np.testing.assert_array_equal(pb.lp_pool1d([-3.0, 4, 0, 0], norm_type=1), [7, 0])
    np.testing.assert_array_equal(pb.lp_pool1d.linearize([-3.0, 0], norm_type=1)[1].vjp(np.ones(1)), [-1, 0])


# Edges.


@pytest.mark.parametrize("name", ["max_pool2d", "adaptive_max_pool2d"])
def test_nan_wins_and_the_first_of_several(name):
    x = np.array([[1.0, np.inf], [np.nan, np.nan]])
    (y, index), at = find(name).linearize(x, return_indices=True)
    assert np.isnan(y) and index == 2
    np.testing.assert_array_equal(at.vjp(np.ones((1, 1))), [[0, 0], [1, 0]])


def test_padding_does_not_win_over_minus_infinity():
    x = np.full((1, 3, 3), -np.inf)
    options = dict(kernel_size=2, stride=2, padding=1)
    y, index = pb.max_pool2d(x, **options, return_indices=True)
    np.testing.assert_array_equal(y, np.full((1, 2, 2), -np.inf))
    np.testing.assert_array_equal(index, F.max_pool2d(torch.tensor(x), **options, return_indices=True)[1])


def test_windows_of_many_elements():
    """Their first maximum is told by numbers beyond one byte."""
    x = tied(2, 3, 20, 30)
    for kernel_size in ((16, 16), (17, 15), (20, 30)):
        options = dict(kernel_size=kernel_size, stride=(2, 5))
        _, index = pb.max_pool2d(x, **options, return_indices=True)
        np.testing.assert_array_equal(index, F.max_pool2d(torch.tensor(x), **options, return_indices=True)[1])


@pytest.mark.parametrize("size", [1e-30, 1e30])
@pytest.mark.parametrize("norm_type", [1, 2, 7, 50])
def test_powers_do_not_overflow(size, norm_type):
    x = np.array([3, -4, 0, 1], np.float32) * np.float32(size)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, at = pb.lp_pool1d.linearize(x, norm_type=norm_type)
        gx = at.vjp(np.ones(2, np.float32))
    exact = np.sum(np.abs([3.0, -4.0]) ** norm_type) ** (1 / norm_type)
    np.testing.assert_allclose(y, np.array([exact, 1]) * size, rtol=1e-5)
    slopes = (np.array([3, 4]) / exact) ** (norm_type - 1) * [1, -1]
    np.testing.assert_allclose(gx, [*slopes, 0, 1], rtol=1e-4, atol=1e-30)


def test_infinity_has_an_infinite_length():
    y, at = pb.lp_pool1d.linearize([-np.inf, 1.0])
    assert y == np.inf
    np.testing.assert_array_equal(at.vjp(np.ones(1)), [0, 0])


# The Jacobian.

SMALL = [
    ("max_pool1d", (2, 5), dict(kernel_size=3, stride=1, padding=1)),
    ("max_pool2d", (2, 4, 5), dict(ceil_mode=True)),
    ("max_pool3d", (2, 2, 3, 4), dict(kernel_size=2, stride=1)),
    ("avg_pool1d", (6,), dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)),
    ("avg_pool2d", (4, 5), dict(kernel_size=(2, 3), stride=1, padding=1, count_include_pad=False)),
    ("adaptive_max_pool2d", (2, 5, 4), dict(output_size=(3, 2))),
    ("adaptive_avg_pool2d", (5, 4), dict(output_size=(3, 6))),
    ("adaptive_avg_pool1d", (5,), dict(output_size=0)),
    ("lp_pool2d", (2, 5, 4), dict(kernel_size=2, stride=1, norm_type=3)),
]


@pytest.mark.parametrize("name, shape, options", SMALL)
def test_the_jacobian_holds_no_zero(name, shape, options):
    """As many entries as the matrix has, of every example; columns by jvp, one unit vector at a time."""
    x, rule = normal(*shape), find(name)
    J = rule.linearize(x, **options)[1].jacobian()
    planes = x.reshape(-1, *shape[len(shape) - rule.dims :])
    for plane, found in zip(planes, J.dense().reshape(len(planes), *J.shape[-2:])):
        _, at = rule.linearize(plane, **options)
        units = np.eye(plane.size).reshape(-1, *plane.shape)
        dense = np.stack([at.jvp(unit).reshape(-1) for unit in units], -1)
        np.testing.assert_allclose(found, dense, atol=1e-15)
        exported = at.jacobian().sparse()
        np.testing.assert_allclose(exported.toarray(), dense, atol=1e-15)
        assert exported.nnz == J.nnz == np.count_nonzero(dense)


def test_float32_stays_in_the_jacobian():
    for name in ("max_pool1d", "avg_pool1d", "lp_pool1d", "adaptive_max_pool1d", "adaptive_avg_pool1d"):
        assert find(name).linearize(np.ones(4, np.float32))[1].jacobian().dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_huge_power_is_the_maximum(dtype):
    """Up to what float32 can hold as an exponent; beyond, lp_pool refuses."""
    x = np.array([[3.0, -5.0, 0.25, 0.125]], dtype)
    with np.errstate(all="raise", under="ignore"):
        y, at = pb.lp_pool1d.linearize(x, norm_type=1e38)
        np.testing.assert_array_equal(y, [[5, 0.25]])
        np.testing.assert_array_equal(at.vjp(np.ones_like(y)), [[0, -1, 1, 0]])


# Errors.

PLANE = np.ones((1, 5, 5))
REFUSED = [
    (lambda: pb.max_pool2d(PLANE, kernel_size=0), OptionError, "max_pool2d: needs kernel_size > 0"),
    (
        lambda: pb.max_pool2d(PLANE, kernel_size=(2, 2, 2)),
        OptionError,
        "kernel_size must be a whole number or 2",
    ),
    (lambda: pb.max_pool2d(PLANE, stride=0), OptionError, "max_pool2d: needs stride is None or stride > 0"),
    (lambda: pb.max_pool2d(PLANE, stride=(None, 1)), OptionError, "max_pool2d: needs stride is None or stride > 0"),
    (lambda: pb.max_pool2d(PLANE, dilation=-1), OptionError, "max_pool2d: needs dilation > 0, with dilation=(-1, -1)"),
    (lambda: pb.max_pool2d(PLANE, kernel_size=3, padding=2), OptionError, "needs 0 <= padding <= kernel_size/2, with"),
    (
        lambda: pb.max_pool2d(PLANE, kernel_size=6),
        OptionError,
        "max_pool2d: needs output_size > 0, with output_size=(0, 0)",
    ),
    (lambda: pb.max_pool2d(PLANE[..., :0]), OptionError, "max_pool2d: needs output_size > 0"),
    (lambda: pb.max_pool1d(np.ones(2), dilation=3, padding=1), OptionError, "needs fewest_elements_in_a_window > 0"),
    (lambda: pb.max_pool2d(np.ones(5)), ShapeError, "max_pool2d: x has shape (5,), needs x[... *n]"),
    (lambda: pb.avg_pool2d(PLANE, padding=(0, -1)), OptionError, "avg_pool2d: needs 0 <= padding <= kernel_size/2"),
    (
        lambda: pb.avg_pool2d(PLANE, divisor_override=0),
        OptionError,
        "needs divisor_override is None or divisor_override != 0",
    ),
    (lambda: pb.avg_pool2d(PLANE, dilation=2), OptionError, "avg_pool2d has no 'dilation'"),
    (lambda: pb.lp_pool2d(PLANE, norm_type=0.5), OptionError, "lp_pool2d: needs 1 <= norm_type <= 1e38"),
    (lambda: pb.lp_pool2d(PLANE, norm_type=np.inf), OptionError, "lp_pool2d: needs 1 <= norm_type <= 1e38"),
    (
        lambda: pb.adaptive_avg_pool2d(PLANE, output_size=-1),
        OptionError,
        "adaptive_avg_pool2d: needs windows_per_axis >= 0",
    ),
    (
        lambda: pb.adaptive_max_pool2d(PLANE, output_size=(1, 2, 3)),
        OptionError,
        "output_size must be a whole number",
    ),
    (lambda: pb.adaptive_max_pool2d(PLANE[:, :0]), OptionError, "adaptive_max_pool2d: needs n > 0, with n=(0, 5)"),
]


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refused(call, error, message):
    with pytest.raises(error) as found:
        call()
    assert message in str(found.value)
