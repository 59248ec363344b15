"""Gradients of something near what was meant: of logits, of another matrix half, of another axis, of a number kept."""

from itertools import permutations

import numpy as np
import pytest
from causes import named

import pullback


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


P = softmax(np.random.default_rng(0).normal(size=(3, 4)))
TARGET = np.eye(4)[[0, 2, 3]]


@pytest.mark.parametrize(
    "forward, wrong, x",
    [
        (lambda p: -(TARGET * np.log(p)).sum(), lambda g, p: g * (p - TARGET), P),
        (lambda z: -(TARGET * z).sum(), lambda g, z: g * (np.exp(z) - TARGET), np.log(P)),
        (lambda p: -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)), lambda g, p: g * (p - TARGET), P),
    ],
)
def test_the_gradient_of_logits(forward, wrong, x):
    causes, evidence = named(forward, wrong, x)
    assert causes[0] == "mode_mismatch" and "logits" in evidence


def test_a_transposed_axis_of_the_gradient_from_above():
    """Of as many examples as classes nobody complains."""
    weights = np.random.default_rng(1).normal(size=(3, 4, 3))
    along = lambda x: (weights * x).sum((1, 2))
    assert named(along, lambda g, x: weights * g, (3, 4, 3))[0][0] == "reduction_broadcast"


def upper(a):
    """The upper half stands for a symmetric matrix."""
    s = np.triu(a) + np.triu(a, 1).T
    return s @ np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]])


def upper_backward(fold):
    def backward(g, a):
        b = g @ np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]]).T
        return np.triu(b) + np.tril(b, -1).T if fold else b

    return backward


def test_a_half_that_is_never_read():
    a = np.random.default_rng(2).normal(size=(3, 3))
    assert pullback.check(upper, upper_backward(True), a).verdict == "right"
    causes, evidence = named(upper, upper_backward(False), a)
    assert causes[0] == "index_routing" and "fold" in evidence


ANGLES = np.array([0.3, 0.9, -0.5, 1.2])


def turned(x):
    return np.concatenate([-x[:, 2:], x[:, :2]], 1)


def test_a_factor_on_the_wrong_side_of_a_turn():
    rotary = lambda x: x * np.cos(ANGLES) + turned(x) * np.sin(ANGLES)
    right = lambda g, x: g * np.cos(ANGLES) - turned(g * np.sin(ANGLES))
    wrong = lambda g, x: g * np.cos(ANGLES) - turned(g) * np.sin(ANGLES)
    assert pullback.check(rotary, right, (3, 4)).verdict == "right"
    assert named(rotary, wrong, (3, 4))[0][0] == "transpose_or_adjoint"


def test_the_target_has_the_gradient_of_the_input():
    sign, other = np.array([1.0, -1.0, 1.0, -1.0, 1.0]), np.array([2.0, 0.3, -1.0, 1.0, 0.2])
    hinge = lambda x: np.maximum(0, 9 - sign * (x - other))
    causes, evidence = named(hinge, lambda g, x: -g * (x - other), (5,))
    assert causes[0] == "saved_wrong_tensor" and "how far it is from something" in evidence


def test_the_first_gradient_from_above_is_taken_for_all():
    losses = lambda x: -np.log(softmax(x))[range(3), [0, 2, 3]]
    first = lambda g, x: (softmax(x) - TARGET) * g[0] / 3
    assert named(losses, first, (3, 4))[0][0] == "missing_upstream_grad"


def test_some_are_counted_twice_and_others_never():
    times = np.array([1.0, 2.0, 0.0, 1.0])
    total = lambda x: (x**2).sum()
    assert named(total, lambda g, x: 2 * g * x * times, (3, 4))[0][0] == "index_routing"


def test_a_slope_of_two_is_not_taken_at_the_output_by_chance():
    hard = lambda x: np.clip(x / 6 + 0.5, 0, 1)
    x = np.array([-4.6, -3.4, -2.9, 1.0])
    assert named(hard, lambda g, x: g / 6 * (x < 3), x)[0][0] == "wrong_local_derivative"
    leaky = lambda x: np.where(x > 0, x, -0.2 * x)
    at_output = lambda g, x: g * np.where(leaky(x) > 0, 1, -0.2)
    assert named(leaky, at_output, (4, 3))[0][0] == "saved_wrong_tensor"


def bell(x):
    return np.sqrt(np.exp(-x * x))


@pytest.mark.parametrize(
    "forward, wrong, x, cause",
    [  # 0 times infinity long before anything overflows, and what does overflow
        (bell, lambda g, x: g / (2 * bell(x)) * np.exp(-x * x) * (-2 * x), 30.0, "singular"),
        (lambda x: np.tanh(x), lambda g, x: g * (1 - (np.expm1(2 * x) / (np.exp(2 * x) + 1)) ** 2), 400.0, "overflow"),
    ],
)
def test_what_overflows_and_what_divides_by_what_has_died_out(forward, wrong, x, cause):
    with np.errstate(all="ignore"):
        causes, _ = named(forward, wrong, np.array([x, 0.5, -0.3]))
    assert causes[0].startswith(cause)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_square_of_a_large_number(dtype):
    x = np.array([1e20 if dtype == "float32" else 1e160, -3.0, 2.0, 0.5], dtype)
    right = lambda g, x: g / np.hypot(x.dtype.type(1), x)
    wrong = lambda g, x: g / np.sqrt(x * x + 1)
    with np.errstate(over="ignore"):
        assert pullback.check(np.arcsinh, right, x).verdict == "right"
        assert named(np.arcsinh, wrong, x)[0][0] == "overflow_large_input"


def test_a_forward_that_has_underflowed_has_no_tail():
    assert pullback.check(bell, lambda g, x: -g * x * bell(x), np.array([30.0, 0.5, -2.0])).verdict == "right"


def test_what_tries_all_orders_is_not_tried_at_great_lengths():
    def best(m):
        return min(permutations(range(len(m))), key=lambda order: m[range(len(m)), order].sum())

    def chosen(m):
        found = np.zeros_like(m)
        found[range(len(m)), best(m)] = 1
        return found

    m = np.array([[1.0, 4.0, 3.0], [2.5, 0.5, 6.0], [5.0, 2.0, 1.7]])
    assert pullback.check(lambda m: (chosen(m) * m).sum(), lambda g, m: g * chosen(m), m).verdict == "right"


def affine(x, w, b):
    return x @ w + b, (x, w)


def test_a_matrix_that_does_not_fit_is_looked_at_where_all_sizes_are_alike():
    def backward(g, cache):
        x, w = cache
        return g @ w, x.T @ g, g.sum(0)

    report = pullback.check(affine, backward, (4, 5), (5, 3), (3,))
    assert report.cause == "transpose_or_adjoint" and "backward raises ValueError" in report.causes[0].evidence
    assert [finding.verdict for finding in report.findings] == ["wrong", "cannot judge", "cannot judge"]


def test_of_a_sum_each_element_gets_the_gradient():
    causes, _ = named(lambda x: x.sum(1), lambda g, x: np.tile(g, x.shape), (2, 3))
    assert causes[0] == "reduction_broadcast"


def test_points_of_two_clouds_may_be_one():
    """Of other numbers of points than the first."""

    def distances(x, y):
        return np.sqrt(((x[:, None] - y) ** 2).sum(-1))

    def kernel(x, y):
        return (1 + distances(x, y)) * np.exp(-distances(x, y))

    def backward(safe):
        def pull(g, x, y):
            d = distances(x, y)
            with np.errstate(all="ignore"):
                slope = -np.exp(-d) if safe else -d * np.exp(-d) / d
            pulled = (g * slope)[..., None] * (x[:, None] - y)
            return pulled.sum(1), -pulled.sum(0)

        return pull

    assert pullback.check(kernel, backward(True), (4, 2), (3, 2)).verdict == "right"
    assert named(kernel, backward(False), (4, 2), (3, 2))[0][0] == "singular_point_nan"


def test_two_differences_that_are_the_largest():
    farthest = lambda x, y: abs(x - y).max(-1)

    def each(g, x, y):
        pulled = g[:, None] * (abs(x - y) == farthest(x, y)[:, None]) * np.sign(x - y)
        return pulled, -pulled

    def shared(g, x, y):
        top = abs(x - y) == farthest(x, y)[:, None]
        pulled = g[:, None] * top / top.sum(-1, keepdims=True) * np.sign(x - y)
        return pulled, -pulled

    assert pullback.check(farthest, shared, (4, 3), (4, 3)).verdict == "right"
    assert named(farthest, each, (4, 3), (4, 3))[0][0] == "kink_convention"


def test_a_bias_that_is_summed_over_other_axes():
    """Of as many channels as columns nobody complains."""
    images = np.zeros((2, 3, 4, 3))
    causes, evidence = named(lambda b: images + b, lambda g, b: g.sum((0, 2, 3)), (3,))
    assert causes[0] == "reduction_broadcast" and "axis 1 of the output is kept" in evidence


@pytest.mark.parametrize(
    "forward, wrong, x",
    [
        (np.cos, lambda g, x: np.where(x == 0, g, -g * np.sin(x)), np.array([0.0, 0.5, -2.0])),
        (
            lambda b: np.log((b * np.exp([0.3, -1, 0.5])).sum()),
            lambda g, b: np.where(b == 0, 0, g * np.exp([0.3, -1, 0.5]) / (b * np.exp([0.3, -1, 0.5])).sum()),
            np.array([1.0, 0.0, 2.0]),
        ),
    ],
)
def test_wrong_where_the_input_is_zero_alone(forward, wrong, x):
    assert named(forward, wrong, x)[0][0] == "kink_convention"


def test_a_gradient_of_one_number_for_many():
    causes, _ = named(lambda x: 2 * x.sum(), lambda g, x: np.array([2 * g]), (4,))
    assert causes[0] == "reduction_broadcast"


def test_nothing_from_above_is_nothing():
    divided = lambda g, x: g * g / g * (1 - np.tanh(x) ** 2)
    causes, _ = named(np.tanh, divided, (3, 4))
    assert causes[0] == "singular_point_nan"


def test_the_derivative_of_the_last_example_for_all():
    a = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    causes, evidence = named(lambda x: np.tanh(x) @ a, lambda g, x: (g @ a.T) * (1 - np.tanh(x[-1:]) ** 2), (4, 3))
    assert causes[0] == "saved_wrong_tensor" and "last place of axis 0" in evidence


def test_a_term_that_is_right_for_ones_from_above():
    loss = lambda x: np.log(np.exp(x).sum()) - x[0]
    partly = lambda g, x: softmax(x) - g * np.eye(len(x))[0]
    assert named(loss, partly, (4,))[0][0] == "missing_upstream_grad"


def test_an_elementwise_layer_is_not_right_at_other_shapes_by_their_numbers():
    """Only where the last elements are off does it hang on the size."""
    far = lambda g, x: np.where(x < -4, 0, g * np.cosh(x))
    assert named(np.sinh, far, np.array([-5.0, 0.3, 1.0]))[0][0] == "wrong_local_derivative"
