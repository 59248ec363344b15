"""What the function, the input and the other arguments say of the difference."""

import numpy as np
import pytest
from causes import named

import pullback


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


FORMS = {
    "another definition": (hard_sigmoid, lambda g, x: 0.2 * g * (abs(x) < 2.5), "mode_mismatch"),
    "a bell": (np.tanh, lambda g, x: g * np.exp(-x * x), "wrong_local_derivative"),
    "another hyperparameter": (
        lambda x: np.logaddexp(0, 2 * x) / 2, lambda g, x: g / (1 + np.exp(-x)), "wrong_local_derivative"
    ),
    "a wave": (
        lambda x: x + np.sin(2 * x) ** 2 / 2, lambda g, x: g * (1 + 2 * np.sin(2 * x)), "wrong_local_derivative"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_another_form_rises_as_much_as_the_function(name):
    forward, backward, cause = FORMS[name]
    causes, evidence = named(forward, backward, (4, 5))
    assert causes[0] == cause and ("rises as much" in evidence) == (cause == "mode_mismatch")


def test_a_sort_that_is_undone_by_its_own_order():
    order = lambda x: np.argsort(x, -1)
    sort = lambda x: np.take_along_axis(x, order(x), -1)
    causes, _ = named(sort, lambda g, x: np.take_along_axis(g, order(x), -1), (4, 5))
    assert causes[:2] == ["index_routing", "transpose_or_adjoint"]


STEADY = np.array([0.5, 1.5, 2.5])


def test_one_factor_is_there_and_another_is_missing():
    """The scale belongs to it, and the deviations do not come from the outside."""
    causes, evidence = named(
        lambda x, s: x / STEADY * s, lambda g, x, s: (g * s, (g * x / STEADY).sum(0)), (4, 3), (3,)
    )
    assert causes[0] == "missing_chain_factor" and "numbers of s alone" in evidence


def test_a_number_that_stands_before_its_function_is_the_wrong_one():
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    right = lambda g, x, z: g * x * sigmoid(z) * (1 - sigmoid(z))
    causes, _ = named(lambda x, z: x * sigmoid(z), lambda g, x, z: (g * z, right(g, x, z)), (4, 3), (4, 3))
    assert causes[0] == "saved_wrong_tensor"


def depthwise(x, w):
    """Along time, every channel by itself; the kernel's first axis is time."""
    return sum(w[k] * x[k : len(x) - len(w) + 1 + k] for k in range(len(w)))


def depthwise_back(flip, step):
    def backward(g, x, w):
        gx, gw = np.zeros_like(x), np.zeros_like(w)
        for k in range(len(w)):
            gx[k : k + len(g)] += (w[::-1] if flip else w)[k] * g
            gw[k] = (g * x[k * step : k * step + len(g)]).sum(0)
        return gx, gw

    return backward


def test_a_kernel_whose_first_axis_is_flipped():
    assert pullback.check(depthwise, depthwise_back(False, 1), (9, 2), (3, 2)).verdict == "right"
    assert named(depthwise, depthwise_back(True, 1), (9, 2), (3, 2))[0][0] == "conv_geometry"


def test_a_kernel_is_known_by_the_windows_of_the_data():
    """No output shows it: every number of a kernel is seen by all."""

    def forward(x, w):
        return np.stack([(x[i : i + 2, j : j + 2] * w).sum() for i in range(3) for j in range(3)])

    def backward(g, x, w, step=2):
        gx, gw, at = np.zeros_like(x), np.zeros_like(w), iter(g)
        for i in range(3):
            for j in range(3):
                up = next(at)
                gx[i : i + 2, j : j + 2] += up * w
                gw += up * x[i : i + step + 1 : step, j : j + step + 1 : step][:2, :2]
        return gx, gw

    causes, _ = named(forward, backward, (5, 5), (2, 2))
    assert causes[0] == "conv_geometry"


def test_the_slope_inside_of_a_loss_is_missing():
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    target = np.random.default_rng(3).uniform(size=(4, 3))
    loss = lambda z: ((sigmoid(z) - target) ** 2).sum()
    causes, evidence = named(loss, lambda g, z: 2 * g * (sigmoid(z) - target), (4, 3))
    assert causes[0] == "missing_chain_factor" and "slope of a sigmoid" in evidence


def test_a_penalty_that_is_counted_twice():
    loss = lambda w, x: ((x @ w) ** 2).sum() + 0.1 * (w * w).sum()
    back = lambda g, w, x: (g * (2 * x.T @ (x @ w) + 0.4 * w), g * 2 * np.outer(x @ w, w))
    causes, evidence = named(loss, back, (3,), (5, 3))
    assert causes[0] == "constant_factor" and "times w itself" in evidence


def tied(x, w):
    return np.tanh(x @ w) @ w.T


@pytest.mark.parametrize("kept", ["encoder", "decoder"])
def test_of_two_uses_of_a_parameter_one_is_there(kept):
    def backward(g, x, w):
        h = np.tanh(x @ w)
        inner = g @ w * (1 - h * h)
        return inner @ w.T, x.T @ inner if kept == "encoder" else g.T @ h

    causes, evidence = named(tied, backward, (4, 5), (5, 3))
    assert causes[0] == "overwrite_vs_accumulate" and "used more than once" in evidence


def test_a_norm_taken_for_a_constant_is_no_second_use():
    unit = lambda w: w / np.sqrt((w * w).sum(1, keepdims=True))
    back = lambda g, x, w: (g @ unit(w), g.T @ x / np.sqrt((w * w).sum(1, keepdims=True)))
    assert named(lambda x, w: x @ unit(w).T, back, (4, 5), (3, 5))[0][0] == "missing_jacobian_term"
