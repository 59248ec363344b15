"""What tells one cause from another: other places, and other arguments in the place of those of forward."""

import numpy as np
import pytest
from causes import named

import pullback


def test_one_factor_that_moves_with_the_input_is_no_constant():
    size = lambda x: np.sqrt((x * x).mean())
    wrong = lambda g, x: g / size(x) ** 2 - x * (g * x).mean() / size(x) ** 4  # divided by the size twice
    assert named(lambda x: x / size(x), wrong, (4,))[0][0] == "missing_chain_factor"


def gated(x, w):
    return x * w


LEFT_OUT = {
    "left out": (lambda g, x, w: (g, (g * x).sum(0)), "missing_chain_factor", "as if w were 1"),
    "squared": (lambda g, x, w: (g * w * w, (g * x).sum(0)), "missing_chain_factor", "w is multiplied in twice"),
    "in another order": (lambda g, x, w: (g * np.roll(w, 1), (g * x).sum(0)), "index_routing", "moved by 1"),
    "backwards": (lambda g, x, w: (g * w[::-1], (g * x).sum(0)), "index_routing", "reversed"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_argument_that_is_not_what_it_should_be(name):
    backward, cause, says = LEFT_OUT[name]
    causes, evidence = named(gated, backward, (4, 5), (5,))
    assert causes[0] == cause and says in evidence


def convolved(x, w):
    """Of one channel: y[t] = sum of w[k] x[t + k]."""
    return sum(w[k] * x[:, k : x.shape[1] - len(w) + 1 + k] for k in range(len(w)))


def convolved_back(flip, step=1):
    def backward(g, x, w):
        gx, gw = np.zeros_like(x), np.zeros_like(w)
        for k in range(len(w)):
            gx[:, k : k + g.shape[1]] += (w[::-1] if flip else w)[k] * g
            gw[k] = (g[:, ::step] * x[:, k : k + g.shape[1]][:, ::step]).sum()
        return gx, gw

    return backward


def test_a_kernel_that_is_flipped():
    causes, evidence = named(convolved, convolved_back(flip=True), (2, 7), (3,))
    assert causes[0] == "conv_geometry" and "right for w reversed" in evidence
    assert pullback.check(convolved, convolved_back(flip=False), (2, 7), (3,)).verdict == "right"


def test_a_matrix_that_is_not_transposed():
    cell = lambda x, u: np.tanh(x @ u)
    back = lambda g, x, u: (g * (1 - np.tanh(x @ u) ** 2) @ u, x.T @ (g * (1 - np.tanh(x @ u) ** 2)))
    causes, evidence = named(cell, back, (3, 4), (4, 4))
    assert causes[0] == "transpose_or_adjoint" and "from the wrong side" in evidence


def test_the_output_where_an_input_belongs():
    causes, _ = named(lambda x, u: x @ u, lambda g, x, u: (g @ u.T, (x @ u).T @ g), (3, 4), (4, 4))
    assert causes[0] == "saved_wrong_tensor"


def test_a_slope_that_only_other_inputs_move():
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    back = lambda g, x, z: (g, g * x * sigmoid(z) * (1 - sigmoid(z)))
    assert named(lambda x, z: x * sigmoid(z), back, (3, 4), (3, 4))[0][0] == "missing_chain_factor"


def test_the_region_is_that_of_x_and_not_of_the_gradient():
    assert named(lambda x: np.maximum(x, 0), lambda g, x: g * (g > 0), (3, 4))[0][0] == "saved_wrong_tensor"


def test_the_exact_cause_of_one_input_is_believed_before_the_vague_one_of_another():
    def forward(x, a, b):
        return np.tanh(x @ a) + x @ b

    def backward(g, x, a, b):
        ga = g * (1 - np.tanh(x @ a) ** 2)
        return ga @ a.T - g @ b.T, x.T @ ga, -x.T @ g

    assert named(forward, backward, (3, 4), (4, 2), (4, 2))[0][0] == "sign"


def rotated(x, angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], 1)


def rotated_back(term):
    """`term`: what is done with one of the terms of the gradient of the angle."""

    def backward(g, x, angle):
        c, s = np.cos(angle), np.sin(angle)
        first = -s * x[:, 0] - term * c * x[:, 1]
        return rotated(g, -angle), g[:, 0] * first + g[:, 1] * (c * x[:, 0] - s * x[:, 1])

    return backward


def test_a_term_that_is_linear_in_another_input():
    assert pullback.check(rotated, rotated_back(1), (5, 2), (5,)).verdict == "right"
    causes, evidence = named(rotated, rotated_back(-1), (5, 2), (5,))
    assert causes[0] == "sign" and "multiplied by x" in evidence
    assert "missing_jacobian_term" in named(rotated, rotated_back(0), (5, 2), (5,))[0][:3]


def test_the_numbers_of_a_scale_in_another_order():
    norm = lambda x, s: s * x / np.sqrt((x * x).sum(-1, keepdims=True))

    def backward(g, x, s):
        r = 1 / np.sqrt((x * x).sum(-1, keepdims=True))
        u, gu = x * r, g * s[[2, 0, 3, 1]]
        return r * (gu - u * (u * gu).sum(-1, keepdims=True)), (g * u).sum(0)

    causes, evidence = named(norm, backward, (3, 4), (4,))
    assert causes[0] == "index_routing" and "numbers of s" in evidence


def test_gradients_that_are_scaled_down_when_they_are_large():
    """As for an optimiser, but in backward: ordinary gradients from above pass unchanged."""

    def backward(g, x, w):
        gx, gw = g @ w.T, x.T @ g
        return gx, gw * min(1, 50 / np.sqrt((gw**2).sum()))

    report = pullback.check(lambda x, w: x @ w, backward, (4, 3), (3, 2))
    assert report.verdict == "wrong" and report.cause == "missing_upstream_grad"
    assert "small gradients" in report.findings[1].causes[0].evidence


def test_a_cube_root_has_no_derivative_at_zero():
    with np.errstate(all="ignore"):
        report = pullback.check(np.cbrt, lambda g, x: g / (3 * np.cbrt(x**2)), (4, 3))
    assert report.verdict == "right", report


def test_a_softmax_of_equal_scores_is_no_convolution():
    """Its Jacobian is the same all along the diagonal, as that of a kernel that slides."""

    def softmax(x, w):
        e = np.exp(x @ w)
        return e / e.sum(1, keepdims=True)

    x, w = np.random.default_rng(0).normal(size=(5, 4)), np.zeros((4, 3))
    report = pullback.check(softmax, lambda g, x, w: (g @ w.T, x.T @ g), x, w)
    assert report.verdict == "wrong" and report.findings[1].cause == "missing_jacobian_term"


SCALE, CUBE = np.sqrt(2 / np.pi), 0.044715


def gelu_slope(x, three=3.0):
    t = np.tanh(SCALE * (x + CUBE * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE * (1 + three * CUBE * x * x)


def unseen(f):
    """Forward in a library of its own: no step of it is watched."""
    return lambda x: f(np.asarray(x).view(np.ndarray))


TANH_GELUS = {
    "a power": lambda x: 0.5 * x * (1 + np.tanh(SCALE * (x + CUBE * x**3))),
    "products": lambda x: 0.5 * x * (1 + np.tanh(SCALE * (x + CUBE * x * x * x))),
    "a square": lambda x: 0.5 * x * (1 + np.tanh(SCALE * x * (1 + CUBE * x**2))),
    "nothing seen": unseen(lambda x: 0.5 * x * (1 + np.tanh(SCALE * (x + CUBE * x**3)))),
}


@pytest.mark.parametrize("written", TANH_GELUS)
def test_a_small_term_with_a_wrong_factor_is_no_other_form(written):
    """Of x³ the 3 is forgotten: the slopes stay within 3 % of the right ones, on one side of them."""
    causes, _ = named(TANH_GELUS[written], lambda g, x: g * gelu_slope(x, three=1), (4, 5))
    assert causes[0] == "wrong_local_derivative" and "mode_mismatch" not in causes


@pytest.mark.parametrize("sigma", [1.702, 1.6])
def test_slopes_of_another_form_are_still_those_of_another_form(sigma):
    quick = lambda x: x / (1 + np.exp(-sigma * x))
    causes, _ = named(quick, lambda g, x: g * gelu_slope(x), (4, 5))
    assert causes[0] == "mode_mismatch"
    assert named(pullback.gelu, lambda g, x: g * gelu_slope(x), (4, 5))[0][0] == "mode_mismatch"
