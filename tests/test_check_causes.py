"""What tells one cause from another: other shapes, other places, other arguments in the place of those of forward."""

import numpy as np
import pytest

import pullback
from pullback.check.adapters import adapt
from pullback.check.problem import Problem
from pullback.check.resizing import others


def named(forward, backward, *inputs, **options):
    """The causes, and the evidence for the first."""
    report = pullback.check(forward, backward, *inputs, **options)
    assert report.verdict == "wrong"
    return [cause.name for cause in report.causes], report.causes[0].evidence


def at(forward, *shapes):
    """Other shapes that a layer is tried at."""
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]
    adapted = adapt(forward, lambda *_: None, arrays)
    adapted = adapted._replace(backward=lambda g, inputs: tuple(map(np.zeros_like, inputs)))
    problem = Problem(adapted, None, 0, "vjp", None)
    return [[part.shape for part in other.inputs] for other in others(problem)]


# Shapes.


def test_axes_that_belong_together_change_together():
    for x, w, b in at(lambda x, w, b: x @ w + b, (4, 5), (5, 3), (3,)):
        assert x[1] == w[0] and w[1:] == b and len({*x, *b}) == 3 and (x[0], *w) != (4, 5, 3)


def test_the_columns_of_four_gates_stay_four_times_as_many():
    step = lambda x, h, w, u: np.tanh(np.split(x @ w + h @ u, 4, 1)[0]) + h[:, :1]
    for x, h, w, u in at(step, (3, 5), (3, 2), (5, 8), (2, 8)):
        assert w == (x[1], u[1]) and u[0] == h[1] and not u[1] % 4


def test_what_insists_on_its_sizes_keeps_them():
    kernel = np.ones((5, 3))
    for (shape,) in at(lambda x: x @ kernel, (4, 5)):
        assert shape[1] == 5 and shape[0] != 4
    assert not at(lambda x: np.arange(4) * x, (4,))


def spread(x, b):
    return x + b


def test_a_size_is_named_only_where_it_is_that_size_at_every_shape():
    inputs = (4, 2), (2,)
    assert "1 / the size of axis 0" in named(spread, lambda g, x, b: (g, g.sum(0) / len(x)), *inputs)[1]
    assert named(spread, lambda g, x, b: (g, g.sum(0) / 4), *inputs)[1].startswith(
        "the right gradient times 0.25 (for b"
    )


def test_shapes_are_asked_for_where_somebody_knows_them():
    drawn = []

    def shapes(rng):
        drawn.append(tuple(rng.integers(2, 9, 2)))
        return (*drawn[-1:], drawn[-1][1:])

    causes, _ = named(spread, lambda g, x, b: (g, g.mean(0)), (4, 2), (2,), shapes=shapes)
    assert causes[0] == "constant_factor" and drawn


def test_what_holds_for_two_numbers_by_chance_is_no_cause():
    """Of two elements a norm's gradient is nearly zero, and looks like anything."""
    norm = lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    wrong = lambda g, x: (g - g.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    assert named(norm, wrong, (1, 2))[0][0] == named(norm, wrong, (3, 5))[0][0] == "missing_jacobian_term"


def windows(x):
    """Means over thirds."""
    n = x.shape[1]
    return np.stack([x[:, k * n // 3 : -(-(k + 1) * n // 3)].mean(1) for k in range(3)], 1)


def windows_back(g, x):
    gx, n = np.zeros_like(x), x.shape[1] // 3
    for k in range(3):
        gx[:, k * n : (k + 1) * n] = g[:, k : k + 1] / n
    return gx


def test_a_fault_of_this_shape_alone_is_said_to_be_one():
    shapes = lambda rng: (rng.normal(size=(2, 6)),)
    causes = named(windows, windows_back, (2, 7), shapes=shapes)[0]
    assert "edge_shape" in causes[:3]


# Places and arguments.


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


# Steps, ties, memory.


def decayed(x):
    y, h = [], 0
    for each in x:
        h = 0.7 * h + np.tanh(each)
        y.append(h)
    return np.array(y)


def decayed_back(g, x):
    carry, gx = 0, []
    for each in g:  # from the first step to the last
        carry = 0.7 * carry + each
        gx.append(carry)
    return np.array(gx) * (1 - np.tanh(x) ** 2)


def test_time_runs_backwards_in_the_backward():
    assert named(decayed, decayed_back, (5, 2))[0][0] == "bptt_time"


def test_of_several_that_are_equal_each_takes_all():
    nearest = lambda a, b: ((a[:, None] - b) ** 2).min(1)

    def backward(g, a, b):
        d = (a[:, None] - b) ** 2
        flow = 2 * (a[:, None] - b) * (d == d.min(1, keepdims=True)) * g[:, None]
        return flow.sum(1), -flow.sum(0)

    assert named(nearest, backward, (4,), (3,))[0][0] == "kink_convention"


def test_the_answer_of_the_first_call_is_kept():
    kept = {}

    def backward(g, x):
        places = kept.setdefault(x.shape, x.argmax(0))
        gx = np.zeros_like(x)
        gx[places, np.arange(x.shape[1])] = g
        return gx

    assert named(lambda x: x.max(0), backward, (4, 3))[0][0] == "stale_buffer"


def test_a_mask_of_booleans_that_is_not_applied():
    mask = np.array([[True, False, True], [False, True, True]])
    report = pullback.check(lambda x, mask: np.where(mask, 2 * x, 0.0), lambda g, x, mask: 2 * g, (2, 3), mask)
    assert report.verdict == "wrong" and "mask is not applied" in str(report)


# What the function, the input and the other arguments say of the difference.


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


# Shapes of gradients.


def test_an_axis_of_one_that_is_always_lost():
    assert named(lambda x, b: x + b, lambda g, x, b: (g, g.sum(0)), (4, 3), (1, 3))[0][0] == "contract_shape_dtype"


def test_the_right_number_of_elements_in_rows_of_another_length():
    assert named(lambda x: 2 * x, lambda g, x: 2 * g.reshape(3, 4), (4, 3))[0][0] == "edge_shape"


def test_an_axis_that_is_lost_where_it_is_one():
    assert named(lambda x: 2 * x, lambda g, x: 2 * g.squeeze(), (1, 3))[0][0] == "edge_shape"


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
