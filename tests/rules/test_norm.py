"""Normalisation: PyTorch, accuracy far from 0, running statistics, structure, edges, errors."""

import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.errors import OptionError, ShapeError

AFFINE = "both", "weight", "none"


def affine(kind, *shape):
    w, b = normal(*shape, seed=1), normal(*shape, seed=2)
    return {"both": (w, b), "weight": (w, None), "none": (None, None)}[kind]


# Against PyTorch.


@pytest.mark.parametrize(
    "case", pairs(own=[(2,), (3, 2), (6, 3, 2), (4, 6, 3, 2)], affine=AFFINE, eps=[1e-5, 0.1]), ids=str
)
def test_layer_norm_as_torch(case):
    own, eps = case["own"], case["eps"]
    theirs = lambda x, w, b: F.layer_norm(x, own, w, b, eps)
    inputs = [normal(4, 6, 3, 2), *affine(case["affine"], *own)]
    same("layer_norm", theirs, inputs, normalized_shape=own, eps=eps)


@pytest.mark.parametrize(
    "case", pairs(own=[(2,), (3, 2), (4, 3, 2)], weight=[True, False], eps=[None, 1e-3]), ids=str
)  # fmt: skip
def test_rms_norm_as_torch(case):
    own, eps = case["own"], case["eps"]
    inputs = [normal(4, 3, 2), normal(*own, seed=1) if case["weight"] else None]
    same("rms_norm", lambda x, w: F.rms_norm(x, own, w, eps), inputs, normalized_shape=own, eps=eps)


@pytest.mark.parametrize(
    "case", pairs(num_groups=[1, 2, 3, 6], d=[(), (5,), (3, 2), (2, 1, 3)], affine=AFFINE, eps=[1e-5, 0.1]), ids=str
)
def test_group_norm_as_torch(case):
    groups, eps = case["num_groups"], case["eps"]
    theirs = lambda x, w, b: F.group_norm(x, groups, w, b, eps)
    inputs = [normal(4, 12, *case["d"]), *affine(case["affine"], 12)]
    same("group_norm", theirs, inputs, num_groups=groups, eps=eps)


@pytest.mark.parametrize("case", pairs(n=[1, 4], d=[(5,), (3, 2), (2, 1, 3)], affine=AFFINE, eps=[1e-5, 0.1]), ids=str)
def test_instance_norm_as_torch(case):
    theirs = lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=case["eps"])
    same("instance_norm", theirs, [normal(case["n"], 6, *case["d"]), *affine(case["affine"], 6)], eps=case["eps"])


@pytest.mark.parametrize(
    "case",
    pairs(training=[True, False], n=[2, 5], d=[(), (1,), (4,), (3, 2), (2, 1, 3)], affine=AFFINE, eps=[1e-5, 0.1]),
    ids=str,
)
def test_batch_norm_as_torch(case):
    training, eps = case["training"], case["eps"]
    inputs = [normal(case["n"], 3, *case["d"]), normal(3), normal(3) ** 2 + 0.1, *affine(case["affine"], 3)]
    theirs = lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b, training=training, eps=eps)
    same("batch_norm", theirs, inputs, training=training, eps=eps)


@pytest.mark.parametrize("case", pairs(momentum=[0.0, 0.1, 1.0], d=[(), (4,), (3, 2)], dtype=["f4", "f8"]), ids=str)
def test_running_statistics_as_torch(case):
    x, m, v = (a.astype(case["dtype"]) for a in (normal(5, 3, *case["d"]), normal(3), normal(3) ** 2))
    means, variances = torch.tensor(m), torch.tensor(v)
    F.batch_norm(torch.tensor(x), means, variances, training=True, momentum=case["momentum"])
    _, m1, v1 = pb.batch_norm(x, m, v, training=True, momentum=case["momentum"])
    assert m1.dtype == v1.dtype == x.dtype
    close = dict(rtol=1e-6 if case["dtype"] == "f4" else 1e-13, atol=1e-7 if case["dtype"] == "f4" else 1e-15)
    np.testing.assert_allclose(m1, means, **close)
    np.testing.assert_allclose(v1, variances, **close)


def test_small_statistics_are_not_lost_beside_old_ones():
    """With momentum 1 nothing is left of the old ones: v + (new - v) would be 0 in float32."""
    x = (normal(4, 1) * 1e-5).astype("f4")
    _, m1, v1 = pb.batch_norm(x, np.ones(1, "f4"), np.ones(1, "f4"), training=True, momentum=1.0)
    np.testing.assert_allclose(m1, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(v1, x.astype(float).var(0, ddof=1), rtol=1e-5)


def test_running_statistics_that_were_left_out_start_at_0_and_1():
    x = normal(5, 3)
    _, m1, v1 = pb.batch_norm(x, training=True, momentum=0.25)
    np.testing.assert_allclose(m1, 0.25 * x.mean(0))
    np.testing.assert_allclose(v1, 0.75 + 0.25 * x.var(0, ddof=1))


JACOBIANS = {
    "layer_norm": ((3, 2), dict(normalized_shape=(3, 2)), lambda x, w, b: F.layer_norm(x, (3, 2), w, b), (3, 2)),
    "group_norm": ((2, 4, 3), dict(num_groups=2), lambda x, w, b: F.group_norm(x, 2, w, b), (4,)),
    "instance_norm": ((2, 3, 4), {}, lambda x, w, b: F.instance_norm(x, None, None, w, b), (3,)),
    "batch_norm": ((4, 3, 2), dict(training=True), lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (3,)),
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_the_jacobian_is_that_of_torch(name):
    shape, options, theirs, own = JACOBIANS[name]
    inputs = normal(*shape), normal(*own, seed=1), normal(*own, seed=2)
    x, w, b = inputs
    J = pb.discovery.find(name).linearize(x, w=w, b=b, **options)[1].jacobian()[0]
    want = torch.autograd.functional.jacobian(theirs, tuple(map(torch.tensor, inputs)))[0].numpy()
    want = want.reshape(x.size, x.size)
    if J.batch:  # a matrix per example, and nothing between examples
        blocks = np.zeros((len(x), x[0].size, len(x), x[0].size))
        blocks[range(len(x)), :, range(len(x))] = J.dense()
        np.testing.assert_allclose(blocks.reshape(want.shape), want, atol=1e-13)
    else:
        np.testing.assert_allclose(J.dense(), want, atol=1e-13)


def test_a_jacobian_has_the_memory_of_its_input():
    x, t = normal(200_000), normal(200_000, seed=1)  # spelled out it would be 320 GB
    for rule in (pb.layer_norm, pb.rms_norm):
        at = rule.linearize(x)[1]
        np.testing.assert_allclose(at.jacobian()[0] @ t, at.jvp(t), atol=1e-13)


# Accuracy: float32 against float64 of PyTorch, from the same float32 numbers.

OFFSETS = {0.0: 5e-7, 1e4: 5e-7, 1e6: 2e-6}  # a mean that is subtracted once would leave 3e-4 and 2e-2 at the last two
NORMS = {
    "layer_norm": ({}, lambda x: F.layer_norm(x, x.shape[-1:])),
    "group_norm": (dict(num_groups=4), lambda x: F.group_norm(x, 4)),
    "instance_norm": ({}, F.instance_norm),
    "batch_norm": (dict(training=True), lambda x: F.batch_norm(x, None, None, training=True)),
    "rms_norm": (dict(eps=1e-5), lambda x: F.rms_norm(x, x.shape[-1:], eps=1e-5)),
}


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("name", NORMS)
def test_accuracy_far_from_0(name, offset):
    options, theirs = NORMS[name]
    x, g = (normal(16, 8, 64) + offset).astype("f4"), normal(16, 8, 64, seed=1).astype("f4")
    exact = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    want = theirs(exact)
    want.backward(torch.tensor(g, dtype=torch.float64))
    y, at = pb.discovery.find(name).linearize(x, **options)
    y = y[0] if isinstance(y, tuple) else y
    for found, true in ((y, want.detach().numpy()), (at.vjp(g)[0], exact.grad.numpy())):
        assert np.max(abs(found - true)) <= OFFSETS[offset] * np.max(abs(true))


MEANS = {  # of what shares statistics in [4 8 5]
    "layer_norm": lambda g: g.mean(2, keepdims=True),
    "group_norm": lambda g: g.reshape(4, 4, 10).mean(2).repeat(2, 1)[..., None],
    "instance_norm": lambda g: g.mean(2, keepdims=True),
    "batch_norm": lambda g: g.mean((0, 2), keepdims=True),
}


@pytest.mark.parametrize("constant", [0.1, 1e4, 1e6, 123456.7])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", MEANS)
def test_without_variance(name, dtype, constant):
    x, g = np.full((4, 8, 5), constant, dtype), normal(4, 8, 5).astype(dtype)
    y, at = pb.discovery.find(name).linearize(x, **NORMS[name][0])
    y = y[0] if isinstance(y, tuple) else y
    assert np.max(abs(y)) <= 1e-6, "PyTorch's batch_norm gives 8.7 in float32 at 1e6"
    np.testing.assert_allclose(at.vjp(g)[0], (g - MEANS[name](g)) / np.sqrt(1e-5), rtol=1e-5, atol=1e-3)


def test_a_row_of_zeros_in_rms_norm():
    for dtype, eps in (("f4", 2.0**-23), ("f8", 2.0**-52)):
        y, at = pb.rms_norm.linearize(np.zeros((2, 3), dtype))
        assert not y.any()
        np.testing.assert_allclose(at.vjp(np.ones((2, 3), dtype))[0], 1 / np.sqrt(eps), rtol=1e-6)


# Edges.


def test_a_single_element_is_its_bias():
    x, w, b, g = normal(4, 3, 1), normal(1), normal(1, seed=1), normal(4, 3, 1, seed=2)
    y, at = pb.layer_norm.linearize(x, w, b, normalized_shape=1)
    np.testing.assert_array_equal(y, np.broadcast_to(b, x.shape))
    gx, gw, gb = at.vjp(g)
    assert not gx.any() and not gw.any()
    np.testing.assert_allclose(gb, [g.sum()])


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (2, 3, 0)])
def test_a_batch_of_nothing_moves_no_statistics(shape):
    m, v = normal(3), normal(3) ** 2
    (y, m1, v1), at = pb.batch_norm.linearize(np.zeros(shape), m, v, training=True)
    assert y.shape == shape
    np.testing.assert_array_equal(m1, m)
    np.testing.assert_array_equal(v1, v)
    gx, _, _, gw, gb = at.vjp(np.zeros(shape))
    assert gx.shape == shape and gw is gb is None, "they were left out"


@pytest.mark.parametrize("name", NORMS)
def test_the_smallest_eps(name):
    """Rows without variance or of zeros, in float32: a smaller eps would round to 0, and all be nan."""
    x, g = np.zeros((3, 4, 5), "f4"), normal(3, 4, 5).astype("f4")
    with np.errstate(all="raise", under="ignore"):
        y, at = pb.discovery.find(name).linearize(x, **NORMS[name][0] | dict(eps=1e-36))
        assert not (y[0] if isinstance(y, tuple) else y).any()
        assert np.isfinite(at.vjp(g)[0]).all() and np.isfinite(at.hvp(g, (x,))[0]).all()
    with pytest.raises(OptionError, match=f"{name}: needs .*eps >= 1e-36, with eps=1e-50"):
        pb.discovery.find(name)(x, **NORMS[name][0] | dict(eps=1e-50))


def test_a_nan_stays_with_what_shares_its_statistics():
    x = normal(3, 4, 2)
    x[1, 2, 0] = np.nan
    spoilt = lambda y: set(zip(*map(np.ndarray.tolist, np.nonzero(np.isnan(y).any(-1)))))
    assert spoilt(pb.layer_norm(x)) == spoilt(pb.instance_norm(x)) == spoilt(pb.rms_norm(x)) == {(1, 2)}
    assert spoilt(pb.group_norm(x, num_groups=2)) == {(1, 2), (1, 3)}
    assert spoilt(pb.batch_norm(x, training=True)[0]) == {(0, 2), (1, 2), (2, 2)}


def test_squares_that_overflow():
    x = np.array([1e30, -1e30, 2e30, 5e29], "f4")
    for rule in (pb.layer_norm, pb.rms_norm):
        y, at = rule.linearize(x)
        assert not y.any() and not at.vjp(x)[0].any()


# What they have in common.


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.lists(st.integers(1, 3), max_size=2), st.integers(0, 99))
def test_they_are_one_formula(n, c, d, seed):
    x, g = normal(n, c, *d, seed=seed), normal(n, c, *d, seed=seed + 1)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)

    def both(name, x, g, **options):
        y, at = pb.discovery.find(name).linearize(x, **options)
        return (y[0] if isinstance(y, tuple) else y), at.vjp(g)[0]

    for a, b in zip(both("group_norm", x, g), both("layer_norm", x, g, normalized_shape=(c, *d))):
        close(a, b)
    for a, b in zip(both("group_norm", x, g, num_groups=c), both("instance_norm", x, g)):
        close(a, b)
    if n * np.prod(d) > 1:  # a channel of the batch is an example of layer_norm
        rows = lambda a: a.swapaxes(0, 1).reshape(c, -1)
        found = both("batch_norm", x, g, training=True)
        for a, b in zip(found, both("layer_norm", rows(x), rows(g))):
            close(rows(a), b)


@settings(deadline=None)
@given(st.integers(1, 9), st.floats(-50, 50), st.floats(0.1, 50), st.integers(0, 99))
def test_the_gradient_has_no_part_along_a_shift(n, shift, scale, seed):
    x, g = scale * normal(3, n, seed=seed) + shift, normal(3, n, seed=seed + 1)
    gx = pb.layer_norm.linearize(x, normal(n, seed=2))[1].vjp(g)[0]
    np.testing.assert_allclose(gx.sum(-1), 0, atol=1e-10 * np.max(abs(gx), initial=1))


# Errors.

X = normal(4, 6)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: pb.batch_norm(X[:1], training=True), OptionError,
     "batch_norm: needs not training or values_per_channel != 1, with training=True, values_per_channel=1"),
    (lambda: pb.batch_norm(X), ShapeError, "batch_norm: m[c] is missing"),
    (lambda: pb.batch_norm(X, normal(4), normal(4)), ShapeError, "batch_norm: m has shape (4,), needs m[c]"),
    (lambda: pb.batch_norm(X[0], training=True), ShapeError, "batch_norm: x has shape (6,), needs x[n c *d]"),
    (lambda: pb.layer_norm(X, normalized_shape=(3,)), ShapeError, "layer_norm: x has shape (4, 6), needs x[... 3]"),
    (lambda: pb.layer_norm(X, normal(4)), ShapeError, "layer_norm: w has shape (4,), needs w[n]"),
    (lambda: pb.layer_norm(X, eps=0.0), OptionError, "layer_norm: needs eps >= 1e-36, with eps=0.0"),
    (lambda: pb.rms_norm(X, eps=-1.0), OptionError, "rms_norm: needs eps is None or eps >= 1e-36, with eps=-1.0"),
    (lambda: pb.group_norm(X, num_groups=4), OptionError, "needs c % num_groups == 0, with c=6, num_groups=4"),
    (lambda: pb.group_norm(X, num_groups=0), OptionError, "group_norm: needs num_groups > 0, with num_groups=0"),
])  # fmt: skip
def test_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)


def test_names_of_torch():
    m, v = normal(6), normal(6) ** 2
    np.testing.assert_array_equal(pb.batch_norm(X, running_mean=m, running_var=v), pb.batch_norm(X, m, v))
