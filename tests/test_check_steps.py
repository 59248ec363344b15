"""Forward is taken apart: a mistake in one step of it that explains the gradient, and the line where that step is."""

import numpy as np
import pytest
import torch
from causes import named

import pullback
from pullback.check.adapters import adapt
from pullback.check.problem import Problem
from pullback.check.steps import tape


def first(forward, backward, *inputs):
    """The first cause, and its evidence."""
    causes, evidence = named(forward, backward, *inputs)
    return causes[0], evidence


def steps_of(forward, *arrays):
    adapted = adapt(forward, lambda *_: None, arrays)
    problem = Problem(adapted, None, 0, "vjp", None)
    return problem, tape.ran(problem, problem.example)[1].steps


def test_every_step_is_noted_with_its_turns():
    def forward(x, w):
        h = np.zeros(2)
        for row in x:
            h = np.tanh(row + h @ w)
        return h.mean()

    _, steps = steps_of(forward, np.ones((3, 2)), np.eye(2))
    assert {place[0]: len(turns) for place, turns in steps.items()} == {"matmul": 3, "add": 3, "tanh": 3, "mean": 1}


def test_a_function_is_another_step_for_each_that_calls_it():
    def squash(x):
        return np.tanh(x)

    _, steps = steps_of(lambda x: squash(x) + squash(2 * x), np.ones(3))
    assert [place[0] for place in steps].count("tanh") == 2


def test_what_is_written_into_an_array_is_written():
    def forward(x):
        y = np.zeros(3)
        y += x
        y[1:] *= 2.0
        return y * y

    problem, steps = steps_of(forward, np.arange(3.0))
    assert steps
    np.testing.assert_array_equal(tape.ran(problem, problem.example)[0], problem.f(problem.example))


def test_what_is_masked_out_keeps_what_was_there():
    def forward(x):
        return np.divide(1.0, x, out=np.full(x.shape, 7.0), where=x > 1) * x

    problem, _ = steps_of(forward, np.arange(3.0))
    np.testing.assert_array_equal(tape.ran(problem, problem.example)[0], [0, 7, 1])


# A gated unit, whose backward is right but for one of these.

GATED = {
    "the slope of tanh": ("missing_chain_factor", "tanh"),
    "the gate": ("missing_chain_factor", "`np.tanh(a) * sigmoid(b)` in line"),
    "the sigmoid before its slope": ("missing_chain_factor", "`1 / (1 + np.exp(-a))` in line"),
    "an operand": ("saved_wrong_tensor", "`x @ u` in line"),
    "a sign": ("sign", ""),
    "a path": ("missing_jacobian_term", ""),
}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gated(x, u, w):
    a, b = x @ u, x @ w
    return np.tanh(a) * sigmoid(b)


def back(fault):
    def backward(g, x, u, w):
        t, s = np.tanh(x @ u), sigmoid(x @ w)
        da = g * (1 if fault == "the gate" else s) * (1 if fault == "the slope of tanh" else 1 - t * t)
        ds = g * (x @ u if fault == "an operand" else t)
        db = ds * (1 if fault == "the sigmoid before its slope" else s * (1 - s))
        db = -db if fault == "a sign" else 0 * db if fault == "a path" else db
        return da @ u.T + db @ w.T, x.T @ da, x.T @ db

    return backward


@pytest.mark.parametrize("fault", GATED)
def test_the_step_is_found(fault):
    name, says = first(gated, back(fault), (4, 3), (3, 2), (3, 2))
    assert (name, GATED[fault][1] in says) == (GATED[fault][0], True) or fault == "a path" and "zero" in says


def test_right_code_has_no_mistake():
    assert pullback.check(gated, back(None), (4, 3), (3, 2), (3, 2)).verdict == "right"


def test_means_over_other_axes():
    def forward(x):
        centred = x - x.mean((0, 2), keepdims=True)
        return centred / x.std((0, 2), keepdims=True)

    def backward(g, x, axes=0):
        s = x.std((0, 2), keepdims=True)
        y = (x - x.mean((0, 2), keepdims=True)) / s
        mean = lambda a: a.mean(axes, keepdims=True)
        return (g - mean(g) - y * mean(g * y)) / s

    name, says = first(forward, backward, (4, 3, 5))
    assert name == "reduction_broadcast" and "axes (0,)" in says


class Normed:
    """A batch norm, whose backward is that of evaluation."""

    def __init__(self):
        self.training, self.running = True, 1.0

    def forward(self, x):
        self.s = x.std(0) if self.training else self.running
        return x / self.s

    def backward(self, g):
        return g / self.s


def test_another_mode():
    name, says = first(Normed(), None, (4, 3))
    assert name == "mode_mismatch" and "std" in says


def test_another_value_of_an_option():
    def forward(x, keep=0.7):
        return np.tanh(keep * x) * x

    def backward(g, x, keep=0.5):
        t = np.tanh(keep * x)
        return g * (t + keep * x * (1 - t * t))

    assert first(forward, backward, (3, 4)) == ("mode_mismatch", "as if keep were 0.5, not 0.7 (for x (5, 7) too)")


def test_a_variance_that_is_divided_by_another_number():
    def forward(x):
        return x / np.sqrt(x.var(1, ddof=1, keepdims=True))

    def backward(g, x):
        v, m = x.var(1, ddof=1, keepdims=True), x.mean(1, keepdims=True)
        along = (g * x).sum(1, keepdims=True)
        return g / np.sqrt(v) - (x - m) * along / v**1.5 / x.shape[1]

    assert first(forward, backward, (3, 5))[0] == "mode_mismatch"


def test_options_are_as_before_when_all_is_said():
    layer = Normed()
    pullback.check(layer, None, (4, 3))
    assert layer.training and layer.running == 1.0


def test_another_word_of_an_option():
    def forward(x, mode="edge"):
        return np.pad(x, 1, mode=mode), x.shape

    def backward(g, cache):
        return g[1 : 1 + cache[0], 1 : 1 + cache[1]]

    name, says = first(forward, backward, (3, 4))
    assert name == "mode_mismatch" and says.startswith("as if mode were 'constant', not 'edge'")


def test_a_gate_between_turns():
    """What a turn leaves to the next goes through a gate, and comes back without it; within a turn that is no matter of
    time."""

    def forward(x, w):
        h, cache = np.zeros(x.shape[1]), []
        for row in x:
            gate = 1 / (1 + np.exp(-row * w))
            cache.append((row, h, gate))
            h = gate * h + row * row
        return h, (cache, w)

    def backward_with(carried, within):
        def backward(g, cache):
            steps, w = cache
            gx, gw = np.zeros((len(steps), len(w))), np.zeros_like(w)
            for t in reversed(range(len(steps))):
                row, h, gate = steps[t]
                slope = g * h * gate * (1 - gate)
                gx[t], gw = slope * w + within * g * row, gw + slope * row
                g = g * gate if carried else g
            return gx, gw

        return backward

    assert pullback.check(forward, backward_with(True, 2), (4, 3), (3,)).verdict == "right"
    assert first(forward, backward_with(False, 2), (4, 3), (3,))[0] == "bptt_time"
    assert first(forward, backward_with(True, 1), (4, 3), (3,))[0] != "bptt_time"


@pytest.mark.parametrize("slope", [lambda t: 1 - t, lambda t: t * (1 - t), lambda t: np.cos(3 * t)])
def test_a_slope_inside_that_may_be_any_function(slope):
    mixed = np.random.default_rng(3).normal(size=(2, 3))

    def forward(x, w):
        t = np.tanh(x @ w)
        return (t * np.exp(-t)) @ mixed + x, (x, w, t)

    def backward(g, cache):
        x, w, t = cache
        ga = g @ mixed.T * np.exp(-t) * (1 - t) * slope(t)
        return ga @ w.T + g, x.T @ ga

    report = pullback.check(forward, backward, (5, 3), (3, 2))
    assert report.cause == "wrong_local_derivative"
    assert all("the slope of `np.tanh(x @ w)` (line" in finding.mend for finding in report.findings)


class Normalised(torch.autograd.Function):
    """Without the path through the variance."""

    @staticmethod
    def forward(ctx, x, w):
        centred = x - x.mean(-1, keepdim=True)
        s = torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-5)
        ctx.save_for_backward(centred / s, s, w)
        return centred / s * w

    @staticmethod
    def backward(ctx, g):
        z, s, w = ctx.saved_tensors
        gz = g * w
        return (gz - gz.mean(-1, keepdim=True)) / s, (g * z).sum(0)


def test_steps_of_tensors():
    name, says = first(Normalised, None, (3, 4), (4,))
    line = Normalised.forward.__code__.co_firstlineno + 3
    assert name == "missing_jacobian_term"
    assert says.startswith("nothing comes back through `x`: `x.var(-1, keepdim=True, unbiased=False)`")
    assert f"in line {line}" in says


def test_tensors_are_written_to_where_views_of_them_look():
    def forward(x):
        y = torch.zeros_like(x) + 1
        y[0] = torch.exp(x[0])
        y[1].mul_(x[1])
        row = y.T
        row += 2 * x.T
        return torch.add(y * y, x, out=torch.zeros(3, 2, dtype=x.dtype))

    x = np.random.default_rng(0).normal(size=(3, 2))
    problem = Problem(adapt(forward, None, [torch.tensor(x)]), None, 0, "vjp", None)
    value, found = tape.ran(problem, problem.example)
    assert np.array_equal(value, problem.f(problem.example))
    assert {place[0] for place in found.steps} == {"zeros_like", "add", "exp", "multiply"}


def test_a_step_is_named_once():
    m = np.array([1.5, -2.0, 0.7])
    product = lambda t: np.cos(t) * m
    cause, evidence = first(product, lambda g, t: -g * np.sin(t) * np.cos(t) * m, np.array([0.4, 1.0, 2.5]))
    assert cause == "saved_wrong_tensor" and "its other factor is what comes out of it: `np.cos(t) * m` in" in evidence


def test_the_code_of_a_step_is_told_whole():
    def mixed(x, weights):
        return np.einsum("nij,fij->nf", x, weights[:, ::-1, ::-1]) + np.tanh(x).sum((1, 2))[:, None]

    def backward(g, x, weights):
        half = 0.5 * np.einsum("nf,fij->nij", g, weights[:, ::-1, ::-1])
        dx = half + g.sum(1)[:, None, None] * (1 - np.tanh(x) ** 2)
        return dx, np.einsum("nf,nij->fij", g, x)[:, ::-1, ::-1]

    _, evidence = first(mixed, backward, (2, 3, 4), (5, 3, 4))
    assert "`np.einsum('nij,fij->nf', x, weights[:, ::-1, ::-1])` in line" in evidence
