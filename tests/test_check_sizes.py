"""Layers too large to be taken apart are diagnosed at small sizes, and long sums where they are long."""

import numpy as np
import pytest
import torch

import pullback
from pullback.check.adapters import adapt
from pullback.check.problem import Problem
from pullback.check.resizing import resized, smaller

X, W, B = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(40, 100), (100, 300), (300,)]))


def affine(x, w, b):
    return x @ w + b


WRONG = {
    "averaged over the batch": lambda g, x, w, b: (g @ w.T, x.T @ g, g.mean(0)),
    "the first example alone": lambda g, x, w, b: (g @ w.T, x.T @ g, g[0]),
    "sign": lambda g, x, w, b: (g @ w.T, -x.T @ g, g.sum(0)),
    "y for x": lambda g, x, w, b: (g @ w.T, np.outer(x[0], g[0]), g.sum(0)),
    "columns reversed": lambda g, x, w, b: ((g @ w.T)[:, ::-1], x.T @ g, g.sum(0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_large_layer_gets_the_cause_of_the_small_one(name):
    large, small = (pullback.check(affine, WRONG[name], *shapes) for shapes in [(X, W, B), ((3, 5), (5, 7), (7,))])
    assert large.cause == small.cause != "unknown"
    assert "(at x (3, 5), w (5, 4), b (4,))" in large.causes[0].evidence


def test_batch_norm_without_the_path_through_the_variance():
    def forward(x):
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)

    report = pullback.check(forward, lambda g, x: (g - g.mean(0)) / np.sqrt(x.var(0) + 1e-5), (64, 200))
    assert report.cause == "missing_jacobian_term"


def problem(forward, *arrays):
    return Problem(adapt(forward, lambda g, *x: x, arrays), None, 0, "vjp", None)


def test_sizes_that_belong_together_stay_together():
    lstm = lambda x, h, w, u, b: np.tanh(np.split(x @ w + h @ u + b, 4, 1)[0]) * h
    shapes = (64, 100), (64, 50), (100, 200), (50, 200), (200,)
    small = next(smaller(problem(lstm, *map(np.ones, shapes)), lambda p: p.sizes[0] <= 256))
    (n, i), (_, h), *weights = [part.shape for part in small.inputs]
    assert weights == [(i, 4 * h), (h, 4 * h), (4 * h,)] and len({n, i, h}) == 3


def lstm_step(x, h, c, wx, wh, b):
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    i, f, o, g = np.split(x @ wx + h @ wh + b, 4, 1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * c + i * g
    return o * np.tanh(next_c), next_c, (x, h, c, wx, wh, i, f, o, g, next_c)


def lstm_step_back(wrong):
    def back(gh, gc, cache):
        x, h, c, wx, wh, i, f, o, g, next_c = cache
        gc = gc + gh * o * (1 - np.tanh(next_c) ** 2)
        go = gh * np.tanh(next_c)
        gates = gc * g * i * (1 - i), gc * c * f * (1 - f), go * o * (1 - o), gc * i * (1 - g**2)
        a = np.concatenate(gates, 1)
        return a @ wx.T, a @ wh.T, wrong(gc, i, f), x.T @ a, h.T @ a, a.sum(0)

    return back


@pytest.mark.parametrize("n, d, h", [(16, 60, 60), (32, 64, 64)])
@pytest.mark.parametrize(
    "wrong, cause", [(lambda gc, i, f: gc * i, "saved_wrong_tensor"), (lambda gc, i, f: gc * f / 2, "constant_factor")]
)
def test_what_runs_at_small_sizes_by_chance_is_another_layer(n, d, h, wrong, cause):
    """With 4 in the place of 4 h, gates of one column broadcast, and the gradients of others are wrong."""
    shapes = (n, d), (n, h), (n, h), (d, 4 * h), (h, 4 * h), (4 * h,)
    report = pullback.check(lstm_step, lstm_step_back(wrong), *shapes)
    assert [each.name for each in report.findings if each.verdict == "wrong"] == ["c"]
    assert report.cause == cause and "(at x (" in report.causes[0].evidence and "(at x (" in report.leading.mend


def test_a_smaller_layer_in_which_another_gradient_is_wrong_does_not_count():
    """Where x has few numbers, that of b is wrong instead: nobody is told about that."""

    def back(g, x, b):
        large = x.size > 300
        return g * x if large else g, g.sum(0) if large else g.sum(0) * 3

    report = pullback.check(lambda x, b: x + b, back, (30, 40), (40,))
    assert [each.verdict for each in report.findings] == ["wrong", "right"]
    assert "at smaller sizes what is wrong is another gradient" in report.causes[0].evidence


def test_a_layer_that_has_one_size_alone_is_not_said_to_be_right_at_others():
    forward = lambda x: np.cumsum(x.reshape(30, 40), 0)
    report = pullback.check(forward, lambda g, x: np.cumsum(g * x.reshape(30, 40), 0).reshape(x.shape), (30, 40))
    assert report.verdict == "wrong" and "it runs at no smaller sizes" in report.causes[0].evidence


def test_labels_stay_in_range():
    labels = np.arange(50) % 40
    small = resized(problem(lambda x: x[np.arange(len(labels)), labels], np.ones((50, 40))), {50: 5})
    assert small is None
    picked = problem(lambda x, t: x[np.arange(len(t)), t], np.ones((50, 40)), labels)
    small = resized(picked, {50: 5, 40: 3})
    assert small.arrays[1].tolist() == [0, 1, 2, 0, 1]


def test_a_fault_that_needs_the_size_is_still_a_factor():
    slope = lambda g, x: g * 2 if x.size < 1000 else g
    report = pullback.check(lambda x: 2 * x, slope, (50, 60))
    assert report.cause == "constant_factor" and "times 0.5" in report.causes[0].evidence


def serial(terms):
    """One after the other, in the precision of the terms."""
    return np.cumsum(terms, axis=0, dtype=terms.dtype)[-1]


def add(x, b):
    return x + b


SUMS = {
    "pairwise": lambda g: np.ascontiguousarray(g.T).sum(1),
    "serial": serial,
    "serial in float32": lambda g: serial(g.astype(np.float32)).astype(g.dtype),
    "serial in float16": lambda g: serial(g.astype(np.float16)).astype(g.dtype),
}


@pytest.mark.parametrize(
    "name, dtype, verdict, noted",
    [
        ("pairwise", np.float64, "right", False), ("serial", np.float64, "right", False),
        ("pairwise", np.float32, "right", False), ("serial", np.float32, "right", True),
        ("serial in float32", np.float64, "wrong", False), ("serial in float16", np.float32, "wrong", False),
    ],
)  # fmt: skip
def test_errors_that_grow_with_the_length_of_a_sum_are_named(name, dtype, verdict, noted):
    x, b = (np.random.default_rng(0).normal(size=shape).astype(dtype) for shape in [(4, 3), (3,)])
    report = pullback.check(add, lambda g, x, b: (g, SUMS[name](g)), x, b)
    assert report.verdict == verdict
    named = [note.name for note in report.notes]
    assert report.cause == ("low_precision_accumulation" if verdict == "wrong" else "")
    assert ("low_precision_accumulation" in named) == noted


@pytest.mark.parametrize("seed", range(6))
def test_a_sum_that_rounds_is_named_whichever_input_shows_it(seed):
    x, b = (np.random.default_rng(0).normal(size=shape).astype("f4") for shape in [(4, 3), (3,)])
    report = pullback.check(add, lambda g, x, b: (g, SUMS["serial in float16"](g)), x, b, seed=seed)
    assert report.cause == "low_precision_accumulation" and len({each.name for each in report.causes}) == 1


IMAGE_AND_KERNEL = (2, 4, 5, 6), (6, 2, 3, 3)


def test_an_image_becomes_smaller_alone():
    """With every 6 the channels would become others, of which two groups cannot be made."""
    from torch.nn.functional import conv2d, unfold

    class Grouped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return conv2d(x, w, padding=1, groups=2)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            turned = w.reshape(2, 3, 2, 3, 3).transpose(1, 2).flip(-1).reshape(4, 3, 3, 3)  # along one axis of two
            columns = unfold(x, (3, 3), padding=1).reshape(len(x), 2, 18, -1)
            gw = torch.einsum("ngol,ngkl->gok", g.reshape(len(x), 2, 3, -1), columns).reshape(w.shape)
            return conv2d(g, turned, padding=1, groups=2), gw

    x, w = (torch.from_numpy(np.random.default_rng(k).normal(size=shape)) for k, shape in enumerate(IMAGE_AND_KERNEL))
    report = pullback.check(Grouped, None, x, w)
    assert report.cause == "conv_geometry" and "reversed along (2,)" in report.findings[0].causes[0].evidence


def every_third(x):
    return x[: len(x) // 3 * 3 : 3] ** 2, x


def every_third_back(g, x):
    gx = np.repeat(2 * g * x[: 3 * len(g) : 3], 3)
    gx[1::3] = gx[2::3] = 0
    return gx


def noted(report):
    return [note.evidence for note in report.notes if note.name == "edge_shape"]


def test_a_rest_that_the_example_does_not_have():
    """Nobody has said that it may: it is worth a note."""
    report = pullback.check(every_third, every_third_back, (6,))
    assert report.verdict == "right"
    assert noted(report) == [
        "forward takes x (7,) too, and the gradient has another shape there; for (12,) it is right"
    ]


def test_a_rest_whose_gradient_is_wrong():
    def back(g, x):
        gx = np.zeros_like(x)
        gx[::3] = 2 * np.append(g, g[-1:])[: len(gx[::3])] * x[::3]
        return gx

    (says,) = noted(pullback.check(every_third, back, (6,)))
    assert "forward takes x (7,) too, and the gradient is off by" in says


def test_a_backward_for_one_size_alone_is_not_to_blame():
    """It knows its size by heart, which is nobody's fault."""
    mean = lambda g, x: np.full(x.shape, g / 6)
    assert not noted(pullback.check(np.mean, mean, (6,)))
    assert not noted(pullback.check(lambda x: x**2, lambda g, x: np.append(2 * g[:6] * x[:6], x[6:] * 0), (6,)))


def test_a_backward_that_refuses_a_size_is_not_to_blame():
    def back(g, x):
        if len(x) % 3:
            raise ValueError("the length has to be a multiple of three")
        return every_third_back(g, x)

    assert not noted(pullback.check(every_third, back, (6,)))


def test_parameters_of_a_module_keep_their_sizes():
    """PyTorch's LSTM reads beyond weights that are too small."""
    assert pullback.check(torch.nn.LSTM(3, 2).double(), None, torch.randn(4, 3, dtype=torch.float64)).verdict == "right"


def of_four(g, x, w, b):
    """Right for four rows."""
    return g @ w.T, x.T @ g, g.sum(0) * (len(x) / 4)


SMALL = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(4, 5), (5, 3), (3,)])]


def test_with_a_closed_form_a_size_in_the_code_is_a_fault():
    report = pullback.check(affine, of_four, *SMALL, like="linear")
    assert (report.verdict, report.cause) == ("wrong", "constant_factor") and "at other sizes" in report.leading.where


def test_and_without_one_nobody_has_said_that_there_are_other_sizes():
    assert pullback.check(affine, of_four, *SMALL).verdict == "right"
    assert pullback.check(affine, lambda g, x, w, b: (g @ w.T, x.T @ g, g.sum(0)), *SMALL, like="linear")
