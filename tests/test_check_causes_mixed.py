"""What is sent elsewhere, left over, mixed too early or masked: each beside its neighbour, which has another cause."""

import numpy as np
import pytest
from causes import named

import pullback


def scaled(x, gamma):
    return x * gamma


def test_sums_that_are_multiplied_where_products_are_to_be_summed():
    early = lambda g, x, gamma: (g * gamma, g.sum((0, 1)) * x.sum((0, 1)))
    causes, evidence = named(scaled, early, (2, 3, 4), (4,))
    assert causes[0] == "reduction_broadcast" and "before the gradient from above" in evidence
    late = lambda g, x, gamma: (g * gamma, (g * x).mean((0, 1)))
    assert named(scaled, late, (2, 3, 4), (4,))[0][0] == "constant_factor"


def rows_in_fours(last):
    """A product that goes through its rows four at a time."""

    def backward(g, x, w):
        gx, gw = np.zeros_like(x), np.zeros_like(w)
        for k in range(0, last(len(x)), 4):
            some = slice(k, k + 4)
            gx[some], gw = g[some] @ w.T, gw + x[some].T @ g[some]
        return gx, gw

    return backward


def test_rows_that_a_block_leaves_over():
    product = lambda x, w: x @ w
    assert pullback.check(product, rows_in_fours(lambda n: n), (6, 3), (3, 2)).verdict == "right"
    causes, evidence = named(product, rows_in_fours(lambda n: n - 3), (6, 3), (3, 2))
    assert causes[0] == "edge_shape" and "the last 2 of 6 along axis 0 of x" in evidence
    causes, _ = named(product, rows_in_fours(lambda n: 4), (6, 3), (3, 2))  # at 8 rows it is wrong too
    assert causes[0] != "edge_shape"


def coupling(x, y):
    s = np.tanh(x)
    return y * np.exp(s) + x, (y, s, np.exp(s))


def coupling_backward(factor):
    def backward(g, cache):
        y, s, scale = cache
        return g * y * (scale if factor else 1) * (1 - s * s) + g, g * scale

    return backward


def test_a_factor_that_is_kept_and_not_used():
    assert pullback.check(coupling, coupling_backward(True), (4, 3), (4, 3)).verdict == "right"
    assert named(coupling, coupling_backward(False), (4, 3), (4, 3))[0][0] == "missing_chain_factor"


def decaying(decay, x):
    h = [np.zeros_like(x[0])]
    for d, each in zip(decay, x):
        h.append(d * h[-1] + each)
    return np.stack(h[1:]), np.stack(h[:-1])


def decaying_backward(late):
    def backward(g, decay, x):
        before, carry = decaying(decay, x)[1], np.zeros_like(x[0])
        gx = np.zeros_like(x)
        for t in range(len(x))[::-1]:
            gx[t] = g[t] + (decay[t] * carry if late else carry)
            carry = gx[t] if late else decay[t] * gx[t]
        return gx * before, gx

    return backward


def test_the_decay_of_another_step():
    states, inputs = lambda decay, x: decaying(decay, x)[0], (np.linspace(0.2, 0.9, 15).reshape(5, 3), (5, 3))
    assert pullback.check(states, decaying_backward(False), *inputs).verdict == "right"
    assert named(states, decaying_backward(True), *inputs)[0][0] == "bptt_time"


MASK = np.array([1.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    "forward, backward, cause",
    [
        (lambda x: x * MASK, lambda g, x: g * (1 - MASK), "index_routing"),
        (lambda x: np.maximum(x, 0), lambda g, x: g * (x < 0), "wrong_local_derivative"),
    ],
)
def test_a_mask_the_other_way_round(forward, backward, cause):
    assert named(forward, backward, (3, 4))[0][0] == cause


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_the_backward_of_softmax_behind_a_log_softmax():
    p = lambda x: np.exp(log_softmax(x))
    causes, evidence = named(log_softmax, lambda g, x: p(x) * (g - (g * p(x)).sum(-1, keepdims=True)), (3, 4))
    assert causes[0] == "mode_mismatch" and "softmax" in evidence
    others, _ = named(log_softmax, lambda g, x: x * g - x * p(x) * g.sum(-1, keepdims=True), (3, 4))
    assert "mode_mismatch" not in others[:3]


GROUP, COUNT = np.array([0, 1, 0, 0, 1]), np.array([3.0, 2.0])


def by_group(v):
    found = np.zeros((2, 2))
    np.add.at(found, GROUP, v)
    return found


def test_counts_of_rows_that_divide_columns():
    mean = lambda x: (by_group(x) / COUNT[:, None])[GROUP]
    assert named(mean, lambda g, x: (by_group(g) / COUNT)[GROUP], (5, 2))[0][0] == "reduction_broadcast"


def distance(a, b):
    return ((a - b) ** 2).sum(1) / 2


def test_how_far_x_is_from_something_is_left_out():
    everywhere = lambda g, a, b: g[:, None] + 0 * a
    causes, _ = named(distance, lambda g, a, b: (everywhere(g, a, b), -everywhere(g, a, b)), (4, 3), (4, 3))
    assert causes[0] == "missing_chain_factor"


def test_all_rows_land_in_the_first():
    def backward(g, x):
        gx = np.zeros_like(x)
        gx[0] = (2 * x * g)[-1]
        return gx

    assert named(np.square, backward, (3, 4))[0][0] == "index_routing"


def moments(x):
    return np.concatenate([x.ravel(), x.mean(0), x.var(0)])


def test_outputs_that_hand_nothing_back():
    causes, _ = named(moments, lambda g, x: g[: x.size].reshape(x.shape), (4, 3))
    assert causes[0] == "missing_jacobian_term"


K = np.array([[1.0, 0.2], [-0.5, 1.0], [0.3, -0.8]])


def attended(q):
    e = np.exp(q @ K.T)
    return e / e.sum(-1, keepdims=True)


def test_a_causal_mask_that_forward_does_not_have():
    def backward(g, q):
        p = attended(q)
        return (np.tri(3) * p * (g - (g * p).sum(-1, keepdims=True))) @ K

    causes, evidence = named(attended, backward, (3, 2))
    assert causes[0] == "mode_mismatch" and "columns of every row" in evidence


def halves(x):
    return RATE * x + 1 + np.sin(x)


RATE = np.array([2.0, 3.0, 0.5])


def test_a_step_of_a_function_that_is_called_twice():
    """The mistake is made wherever the function is called; in one of the calls alone it explains nothing."""
    inner = lambda x: 1 + RATE * x
    root = lambda x: np.sqrt((inner(x) ** 2).mean(-1, keepdims=True))
    forward = lambda x: inner(x) / root(x)

    def backward(g, x):
        h, r = inner(x), root(x)
        return g / r - h * (g * h).mean(-1, keepdims=True) / r**3  # times RATE

    causes, evidence = named(forward, backward, (4, 3))
    assert causes[0] == "missing_chain_factor" and "`RATE * x` in line" in evidence


def test_what_earlier_calls_left_is_no_race():
    left = np.zeros((3, 4))

    def backward(g, x):
        left[...] = g * 2 * x + left / 2
        return left.copy()

    assert named(np.square, backward, (3, 4))[0][0] == "stale_buffer"


def test_the_input_itself_in_the_place_of_a_part_of_the_gradient():
    half = lambda x: np.concatenate([x[:2] ** 2, x[2:]])
    causes, evidence = named(half, lambda g, x: np.concatenate([2 * x[:2] * g[:2], x[2:]]), (4, 3))
    assert causes[0] == "saved_wrong_tensor" and evidence.endswith("stands x")


def test_a_transposed_convolution_whose_stride_and_dilation_are_exchanged():
    """The gradient has another size, and the layer slides windows."""
    w = np.array([1.0, -2.0, 0.5])

    def forward(x):
        y = np.zeros(2 * len(x) + 1)
        for i in range(len(x)):
            y[2 * i : 2 * i + 3] += x[i] * w
        return y

    dilated = lambda g, x: np.array([w @ g[i : i + 5 : 2] for i in range(len(g) - 4)])
    assert named(forward, dilated, (5,))[0][0] == "conv_geometry"
    spectrum = np.linspace(1, 2, 20).reshape(5, 4) ** 2
    assert named(lambda x: x[:5] @ spectrum, lambda g, x: spectrum @ g, (8,))[0][0] == "edge_shape"


def test_noise_is_no_stale_buffer():
    noise = np.random.default_rng(3)
    causes, _ = named(np.square, lambda g, x: 2 * g * x + 1e-2 * noise.normal(size=x.shape), (3, 4))
    assert causes[0] == "race_nondeterminism"


def normed(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def normed_back(g, x):
    """Without the path through the variance."""
    g = g / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return g - g.mean(-1, keepdims=True)


def test_a_function_that_is_called_twice_takes_no_steps_of_time():
    w = np.random.default_rng(4).normal(size=(4, 4))
    backward = lambda g, x: normed_back(normed_back(g, normed(x) @ w) @ w.T, x)
    causes, _ = named(lambda x: normed(normed(x) @ w), backward, (3, 4))
    assert causes[0] == "missing_jacobian_term"


def test_rows_that_a_loop_leaves_out_are_no_missing_term():
    a = np.random.default_rng(5).normal(size=(5, 3))
    causes, evidence = named(lambda x: a @ x, lambda g, x: a[:-1].T @ g[:-1], (3, 2))
    assert causes[0] == "index_routing" and "written over" not in evidence


def test_a_term_that_is_added_is_not_the_input_in_the_place_of_the_gradient():
    decayed = lambda g, x, w: (g @ w.T, x.T @ g + w)
    assert named(lambda x, w: x @ w, decayed, (4, 3), (3, 2))[0][0] != "saved_wrong_tensor"


def test_a_backward_that_raises_now_and_then_is_reported():
    turns = []

    def backward(g, x, w):
        turns.append(1)
        if len(turns) % 2 == 0:
            raise RuntimeError("the graph was freed")
        return (g @ w.T).T, (x.T @ g).T

    assert pullback.check(lambda x, w: x @ w, backward, (5, 4), (4, 3)).verdict == "wrong"


def test_what_is_hardly_off_is_not_explained_by_chance():
    """An eps beside the root, and a backward for one below it."""

    def norm(x, gain, shift):
        mean, deviation = x.mean(-1, keepdims=True), x.std(-1, keepdims=True) + 1e-5
        unit = (x - mean) / deviation
        return gain * unit + shift, (unit, gain, shift, deviation)

    def back(g, cache):
        unit, gain, _, deviation = cache
        d = g * gain
        along = d.mean(-1, keepdims=True) + unit * (d * unit).mean(-1, keepdims=True)
        return (d - along) / deviation, (g * unit).sum(0), g.sum(0)

    report = pullback.check(norm, back, (4, 5), np.ones(5), np.zeros(5))
    assert report.cause == "mode_mismatch" and "of the largest, and no more: an eps" in report.causes[0].evidence


def test_an_eps_outside_of_its_brackets_is_no_buffer():
    back = lambda g, x: g / np.sqrt(1 + x**2) + 1e-5
    names, says = named(np.arcsinh, back, (3, 4))
    assert names[0] != "stale_buffer" and says.startswith("1e-05 is added to every number")


def test_what_would_fit_anything_is_left_out_beside_a_cause_that_says_more():
    centred = lambda x: x - x.mean(0)
    report = pullback.check(lambda x: centred(x) / x.std(0), lambda g, x: centred(g) / x.std(0), (4, 5))
    vague = [cause.evidence for cause in report.causes if cause.guess]
    assert vague and not report.causes[0].guess and not any(f": {text}" in str(report) for text in vague)


def test_numbers_of_no_element_are_said_to_be_a_projection(monkeypatch):
    """Where the element is not found in time."""
    monkeypatch.setattr("pullback.check.probes.element.SLOW", -1)
    x = np.linspace(-2, 2, 2000).reshape(40, 50)
    wrong = np.where(x == x[30, 5], 1.5, 1)
    report = pullback.check(np.tanh, lambda g, x: wrong * g * (1 - np.tanh(x) ** 2), x)
    assert report.findings[0].projection and "a projection" in str(report)
    one = pullback.check(lambda x, s: x * s, lambda g, x, s: (g * s, 2 * (g * x).sum()), (4, 5), ())
    assert not any(finding.projection for finding in one.findings)


def test_a_term_without_the_gradient_from_above_that_is_nan_for_zeros():
    back = lambda g, x: g * (np.cos(x) / g + 2 * x)
    assert pullback.check(lambda x: np.sin(x) + x**2, back, (4,)).cause == "missing_upstream_grad"
    assert pullback.check(np.sin, lambda g, x: np.cos(x) * (g * g / g), (4,)).cause == "singular_point_nan"


def test_what_forward_adds_is_no_buffer():
    report = pullback.check(lambda x: 2 * x - 0.7, lambda g, x: 2 * g - 0.7, (4,))
    assert report.cause == "missing_upstream_grad"
    assert pullback.check(lambda x: 2 * x - 0.7, lambda g, x: 2 * g + 0.3, (4,)).cause == "stale_buffer"


def test_the_row_of_padding_is_no_kink():
    tokens = np.array([1, 0, 2, 0, 1])

    def back(g, w):
        gw = np.zeros_like(w)
        np.add.at(gw, tokens, g)  # the row of padding, too
        return gw

    w = np.array([[0.0, 0.0], [1.0, -1.0], [0.5, 2.0]])
    report = pullback.check(lambda w: np.where((tokens == 0)[:, None], 0, w[tokens]), back, w)
    assert report.cause == "index_routing"
    assert "kink_convention" not in [cause.name for cause in report.causes]


def test_an_exponential_that_overflows_for_some_of_the_numbers():
    def back(g, x):
        with np.errstate(all="ignore"):
            e = np.exp(x.astype("f4"))
            return np.nan_to_num(g * e * (1 / (1 + e)))

    x = np.array([85.0, 90.0, 99.0, -3.0], "f4")
    report = pullback.check(lambda x: np.logaddexp(0, x.astype(float)), back, x)
    assert report.cause == "overflow_large_input"


@pytest.mark.parametrize("mode", ["vjp", "jvp"])
def test_what_comes_in_and_goes_out_is_conjugated(mode):
    w = np.array([1 + 2j, -0.5 + 1j])
    right = lambda g, x: g * (np.conj(w) if mode == "vjp" else w)
    x = np.array([0.3 - 1j, 2 + 0.5j])
    for wrong in (
        lambda g, x: np.conj(right(g, x)),
        lambda g, x: right(np.conj(g), x),
        lambda g, x: np.conj(right(np.conj(g), x)),
    ):
        report = pullback.check(lambda x: w * x, wrong, x, mode=mode, convention="conjugate")
        assert report.cause == "complex_conjugate"
