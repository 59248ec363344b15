"""In single precision right code is right where rounding moves the right derivative too, and lost digits are found."""

import numpy as np
import pytest

import pullback as pb


def normal(seed, shape, mean=0.0):
    return (np.random.default_rng(seed).normal(size=shape) + mean).astype("f4")


def batch_norm(x, gamma):
    u = (x - x.mean(0)) / np.sqrt(x.var(0) + np.float32(1e-5))
    return gamma * u


def batch_norm_backward(g, x, gamma):
    r = 1 / np.sqrt(x.var(0) + np.float32(1e-5))
    u, g = (x - x.mean(0)) * r, g
    gu = g * gamma
    return (gu - gu.mean(0) - u * (gu * u).mean(0)) * r, (g * u).sum(0)


def layer_norm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(1e-5))


def pulled(g, x, variance):
    r = 1 / np.sqrt(variance + np.float32(1e-5))
    u = (x - x.mean(-1, keepdims=True)) * r
    return r * (g - g.mean(-1, keepdims=True) - u * (u * g).mean(-1, keepdims=True))


def two_passes(g, x):
    return pulled(g, x, x.var(-1, keepdims=True))


def one_pass(g, x):
    """The variance as the difference of two large numbers."""
    return pulled(g, x, np.maximum((x * x).mean(-1, keepdims=True) - x.mean(-1, keepdims=True) ** 2, 0))


@pytest.mark.parametrize("mean", [10, 1000])
def test_numbers_far_from_zero_are_no_fault_of_a_batch_norm(mean):
    inputs = normal(0, (4, 3), mean), np.ones(3, "f4")
    assert pb.check(batch_norm, batch_norm_backward, *inputs).verdict == "right"


@pytest.mark.parametrize("mean", [100, 1000])
def test_nor_of_a_layer_norm(mean):
    assert pb.check(layer_norm, two_passes, normal(1, (3, 5), mean)).verdict == "right"


def test_a_term_that_is_missing_is_found_far_from_zero_too():
    def backward(g, x, gamma):
        _, ggamma = batch_norm_backward(g, x, gamma)
        return (g * gamma - (g * gamma).mean(0)) / np.sqrt(x.var(0) + np.float32(1e-5)), ggamma

    assert pb.check(batch_norm, backward, normal(2, (3, 2), 1000), np.ones(2, "f4")).verdict == "wrong"


@pytest.mark.parametrize("mean", [0, 1000])
def test_a_variance_in_one_pass_is_found(mean):
    report = pb.check(layer_norm, one_pass, normal(3, (3, 4), mean))
    assert report.verdict == "wrong" and (mean or report.cause == "cancellation")


def test_lost_digits_are_not_taken_for_a_layout():
    """Sums in another order of memory round otherwise, and so much is left of nothing else here."""
    report = pb.check(layer_norm, one_pass, normal(8, (2, 3, 20), 2000))
    assert (report.verdict, report.cause) == ("wrong", "cancellation")


def test_what_forward_loses_as_well_is_asked_of_nobody():
    def forward(x):
        variance = np.maximum((x * x).mean(-1, keepdims=True) - x.mean(-1, keepdims=True) ** 2, 0)
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(variance + np.float32(1e-5))

    assert pb.check(forward, one_pass, normal(3, (3, 4))).verdict == "right"


def pool(x, q):
    p = np.exp(x @ q - (x @ q).max())
    return p / p.sum() @ x


def pool_backward(g, x, q):
    p = np.exp(x @ q - (x @ q).max())
    p /= p.sum()
    gs = p * (x @ g - (p * (x @ g)).sum())
    return np.outer(p, g) + np.outer(gs, q), gs @ x


def test_large_terms_that_cancel_leave_rounding_of_their_size():
    """At -100 the gradient of q is the small difference of products of large numbers."""
    assert all(pb.check(pool, pool_backward, normal(k, (4, 3)), normal(k + 9, 3)).verdict == "right" for k in range(3))


def rows(data, x, indices, ends):
    y = np.zeros(len(ends) - 1, data.dtype)
    for k in range(len(y)):
        own = slice(ends[k], ends[k + 1])
        y[k] = data[own] @ x[indices[own]]
    return y


def rows_backward(g, data, x, indices, ends):
    gdata, gx = np.zeros_like(data), np.zeros_like(x)
    for k in range(len(g)):
        own = slice(ends[k], ends[k + 1])
        gdata[own] = g[k] * x[indices[own]]
        np.add.at(gx, indices[own], g[k] * data[own])
    return gdata, gx


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_ends_of_rows_are_not_repeated(dtype):
    """As many of them as there are columns: at greater lengths rows would begin where others have ended."""
    indices, ends = np.array([0, 3, 1, 0, 2, 4, 2]), np.array([0, 2, 3, 5, 7])
    data, x = normal(5, 7).astype(dtype), normal(6, 5).astype(dtype)
    assert pb.check(rows, rows_backward, data, x, indices, ends).verdict == "right"


def sparsemax(z):
    top = -np.sort(-z, -1)
    sums = np.cumsum(top, -1) - 1
    count = (top * np.arange(1, z.shape[-1] + 1) > sums).sum(-1, keepdims=True)
    return np.maximum(z - np.take_along_axis(sums, count - 1, -1) / count, 0)


def sparsemax_backward(g, z):
    inside = sparsemax(z) > 0
    return inside * (g - (g * inside).sum(-1, keepdims=True) / inside.sum(-1, keepdims=True))


def test_a_step_over_kinks_between_many_numbers_is_no_growing_error():
    assert pb.check(sparsemax, sparsemax_backward, normal(7, (2, 5)).astype(float)).verdict == "right"


def test_a_forward_derivative_may_lose_digits_where_the_right_one_does():
    def forward_derivative(t, x):
        u, moved = layer_norm(x), t - t.mean(-1, keepdims=True)
        r = 1 / np.sqrt(x.var(-1, keepdims=True) + np.float32(1e-5))
        return r * (moved - u * (u * moved).mean(-1, keepdims=True))

    x = normal(8, (3, 4), 1000)
    assert pb.check(layer_norm, forward_derivative, x, mode="jvp").verdict == "right"
    assert pb.check(layer_norm, lambda t, x: 1.1 * forward_derivative(t, x), x, mode="jvp").verdict == "wrong"
