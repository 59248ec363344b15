"""Neighbours that have a kernel together compute what they compute one after the other."""

import numpy as np
import pytest
from fast import EPS, ULPS, arrays, close

import pullback as pb


@pytest.mark.parametrize("shape", [(2, 5, 8, 6), (3, 16, 7, 9), (1, 40, 300, 250)])
def test_relu_and_max_pooling_in_one_pass_are_what_they_are_one_after_the_other(shape):
    """Bit for bit, at zeros, ties and nan too."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, shape).astype(np.float32)
    x[rng.random(shape) < 0.1] = -0.0
    x[rng.random(shape) < 0.01] = np.nan
    y, at = pb.Chain((pb.relu, pb.max_pool2d)).linearize(x)
    assert at.plan.forward.func.__module__ == "pullback.kernels.relu_pool"
    between, first = pb.relu.linearize(x)
    wanted, second = pb.max_pool2d.linearize(between)
    np.testing.assert_array_equal(y, wanted)
    gy = rng.normal(size=y.shape).astype(np.float32)
    np.testing.assert_array_equal(at.vjp(gy), first.vjp(second.vjp(gy)))
    tx = rng.normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(at.jvp(tx), second.jvp(first.jvp(tx)))


POOLED = [  # in bands of lines, by Winograd, in another way, and with windows of other shapes
    (dict(i=2, o=40, n=(15, 61), k=(3, 3), padding=1, batch=(3,)), {}),
    (dict(i=3, o=33, n=(40, 12), k=(3, 2), stride=2, batch=(2, 2)), {}),
    (dict(i=16, o=16, n=(17, 18), k=(3, 3), batch=(2,)), {}),
    (dict(i=1, o=6, n=(28, 28), k=(5, 5), batch=(3,)), {}),
    (dict(i=8, o=8, n=(9, 9), k=(3, 3), padding=1, groups=8), {}),
    (dict(i=4, o=20, n=(9, 10), k=(2, 2), batch=(3,), without=("b",)), dict(kernel_size=3, stride=2, padding=1)),
    (dict(i=32, o=32, n=(32, 31), k=(3, 3), stride=2, padding=1, batch=(3,)), {}),
]


@pytest.mark.parametrize("value", [0, np.nan])
@pytest.mark.parametrize("case, window", POOLED)
def test_convolution_relu_and_max_pooling_are_what_they_are_one_after_the_other(case, window, value):
    """Bit for bit: the inputs are small whole numbers, with many ties and zeros."""
    conv, inputs = arrays(pb.conv2d, case)
    x, w, *b = (None if a is None else np.round(2 * a).astype(np.float32) for a in inputs)
    x[..., 1, 2] = value
    pool = pb.max_pool2d.at(window)[0]
    y, at = pb.Chain((conv, pb.relu, pool)).linearize(x, w, *b)
    assert at.plan.forward.func.__module__ == "pullback.kernels.conv_pool"
    z, first = conv.linearize(x, w, *b)
    between, second = pb.relu.linearize(z)
    wanted, third = pool.linearize(between)
    np.testing.assert_array_equal(y, wanted)
    gy = np.round(3 * np.random.default_rng(0).normal(size=y.shape)).astype(np.float32)
    every = first.vjp(second.vjp(third.vjp(gy)))
    for wrt in ((0, 1, 2), (1, 2)):  # bands are summed to weights at once only if nobody asks for gx
        names = [at.rule.inputs[k].name for k in wrt]
        found = at.vjp(gy, wrt=names)
        for k in wrt:
            assert (found[k] is None) == (every[k] is None)
            if found[k] is not None:
                np.testing.assert_array_equal(found[k], every[k])
    if value == 0:
        tx = np.round(np.random.default_rng(1).normal(size=x.shape)).astype(np.float32)
        np.testing.assert_allclose(at.jvp(tx), third.jvp(second.jvp(first.jvp(tx))), rtol=0, atol=100 * ULPS * EPS)


@pytest.mark.parametrize("value", [0, np.nan])
@pytest.mark.parametrize("case", [POOLED[k][0] for k in (0, 1, 2, 5, 6)])
def test_convolution_and_relu_are_what_they_are_one_after_the_other(case, value):
    """Bit for bit, at zeros too."""
    conv, inputs = arrays(pb.conv2d, case)
    x, w, *b = (None if a is None else np.round(2 * a).astype(np.float32) for a in inputs)
    x[..., 1, 2] = value
    y, at = pb.Chain((conv, pb.relu)).linearize(x, w, *b)
    assert at.plan.forward.func.__module__ == "pullback.kernels.conv_relu"
    between, first = conv.linearize(x, w, *b)
    wanted, second = pb.relu.linearize(between)
    np.testing.assert_array_equal(y, wanted)
    gy = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    for found, due in zip(at.vjp(gy), first.vjp(second.vjp(gy)), strict=True):
        np.testing.assert_array_equal(found, due)
    if value == 0:
        tx = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
        np.testing.assert_allclose(at.jvp(tx), second.jvp(first.jvp(tx)), rtol=0, atol=100 * ULPS * EPS)


def test_a_zero_with_a_sign_was_not_clipped():
    """relu and pooling after it know what was clipped by its sign."""
    x, w, b = -np.ones((1, 4, 6, 6), "f4"), np.zeros((4, 1, 3, 3), "f4"), np.full(4, -0.0, "f4")
    conv, pool = pb.conv2d.at(dict(groups=4, padding=1))[0], pb.max_pool2d.at(dict(kernel_size=2))[0]
    y, at = pb.Chain((conv, pb.relu, pool)).linearize(x, w, b)
    assert at.plan.forward is not None
    np.testing.assert_array_equal(at.vjp(np.ones_like(y))[2], [9, 9, 9, 9])


def test_the_slope_of_relu_at_nan_is_that_of_the_rule_in_a_network_too():
    x, one = np.array([[[np.nan]], [[1.0]]], "f4"), np.ones((1, 1), "f4")
    (y, h), at = pb.rnn.linearize(x, w_l0=one, u_l0=one, nonlinearity="relu")
    assert at.plan.forward is not None
    wide = one.astype(float)
    _, exact = pb.rnn.linearize(x.astype(float), w_l0=wide, u_l0=wide, nonlinearity="relu")
    for found, wanted in zip(at.vjp(y, h), exact.vjp(y.astype(float), h.astype(float)), strict=True):
        assert (found is None) == (wanted is None)
        if found is not None:
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("value", [0, np.nan])
@pytest.mark.parametrize("shape, outs", [((9, 40), 33), ((3, 5, 7), 64), ((130, 70), 512)])
def test_linear_and_relu_are_what_they_are_one_after_the_other(shape, outs, value):
    """Bit for bit, at zeros too."""
    rng = np.random.default_rng(0)
    x, w, b = (np.round(2 * rng.normal(size=s)).astype(np.float32) for s in (shape, (outs, shape[-1]), (outs,)))
    x[..., 1, 2] = value
    for bias in ((b,), ()):
        y, at = pb.Chain((pb.linear, pb.relu)).linearize(x, w, *bias)
        assert at.plan.forward.func.__module__ == "pullback.kernels.linear_relu"
        between, first = pb.linear.linearize(x, w, *bias)
        wanted, second = pb.relu.linearize(between)
        np.testing.assert_array_equal(y, wanted)
        gy = rng.normal(size=y.shape).astype(np.float32)
        for found, due in zip(at.vjp(gy), first.vjp(second.vjp(gy)), strict=True):
            np.testing.assert_array_equal(found, due) if due is not None else None
        if value == 0:
            tx = rng.normal(size=x.shape).astype(np.float32)
            np.testing.assert_allclose(at.jvp(tx), second.jvp(first.jvp(tx)), rtol=0, atol=100 * ULPS * EPS)


@pytest.mark.parametrize("options", [{}, dict(reduction="sum"), dict(reduction="none", ignore_index=3)], ids=str)
def test_log_softmax_and_nll_loss_are_what_they_are_one_after_the_other(options):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(50, 30)).astype(np.float32), rng.integers(0, 30, 50)
    x[3, 2] = x[4, t[4]] = -np.inf
    loss, _ = pb.nll_loss.at(options)
    y, at = pb.Chain((pb.log_softmax, loss)).linearize(x, t)
    assert at.plan.forward.func.__module__ == "pullback.kernels.log_softmax_nll"
    between, first = pb.log_softmax.linearize(x.astype(float))
    wanted, second = loss.linearize(between, t)
    close(y, wanted)
    gy = rng.normal(size=y.shape).astype(np.float32)
    close(at.vjp(gy)[0], first.vjp(second.vjp(gy.astype(float))[0]))
