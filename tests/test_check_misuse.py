"""Whatever is handed over, there is a report or one sentence: never a traceback of ours, never a wrong accusation."""

import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import pullback
from pullback.check.adapters import StyleError, adapt
from pullback.cli import main
from pullback.errors import PullbackError

A = np.random.default_rng(0).normal(size=(3, 4))
W = np.ones((4, 2))


def square(x):
    return x * x


def square_backward(g, x):
    return 2 * x * g


async def awaited(x):
    return x


def later(x):
    """A coroutine, closed at once: one that nobody awaits warns whichever test runs when it is collected."""
    coroutine = awaited(x)
    coroutine.close()
    return coroutine


def leaves(*_):
    sys.exit(3)


@pytest.mark.parametrize("forward, says", [
    (leaves, "ends the program"), (later, "a coroutine"), (lambda x: "text", "a str"), (lambda x: {"y": x}, "a dict"),
    (lambda x: object(), "a object"), (lambda x: (v for v in x), "a generator"), (lambda x: None, "None"),
    (lambda x: ((x, x[0]), x), "outputs before what is kept"),
])  # fmt: skip
def test_what_is_no_array_is_said_to_be_none(forward, says):
    backward = (lambda g, c: g) if "outputs" in says else square_backward
    with pytest.raises(PullbackError, match=says):
        pullback.check(forward, backward, A)


@pytest.mark.parametrize("example, says", [
    ((-1, 2), "sizes are 0 or more"), ([[1.0, 2.0], [3.0]], "different lengths"), ((10**9, 10**9), "cannot be used"),
])  # fmt: skip
def test_examples_that_make_no_array(example, says):
    with pytest.raises(PullbackError, match=says):
        pullback.check(square, square_backward, example)


@pytest.mark.parametrize("options, says", [
    (dict(seed=-1), "seed is -1"), (dict(seed=0.5), "seed is 0.5"), (dict(shapes=3), "shapes is 3"),
    (dict(wrt=1.5), "wrt names 1.5"), (dict(wrt=[0.0]), "wrt names 0.0"), (dict(wrt=-1), "wrt names -1"),
])  # fmt: skip
def test_options_that_make_no_sense(options, says):
    with pytest.raises(PullbackError, match=says):
        pullback.check(square, square_backward, A, **options)


def test_several_inputs_may_be_named_in_an_array():
    assert pullback.check(square, square_backward, A, wrt=np.array([0])).verdict == "right"


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def softmax_backward(g, x):
    return softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True))


@pytest.mark.parametrize("forward, backward", [(square, square_backward), (softmax, softmax_backward)])
def test_nan_in_the_example_is_no_fault_of_the_backward(forward, backward):
    x = np.where(A == A[1, 2], np.nan, A)
    report = pullback.check(forward, backward, x)
    assert report.verdict == "cannot judge" and "x is not finite" in report.reason


def test_nan_that_forward_leaves_out_is_judged():
    x = np.where(A == A[1, 2], np.nan, A)
    assert pullback.check(np.nan_to_num, lambda g, x: g * ~np.isnan(x), x).verdict == "right"
    assert pullback.check(np.nan_to_num, lambda g, x: 2 * g * ~np.isnan(x), x).verdict == "wrong"


@pytest.mark.parametrize("axes", [33, 63])
def test_more_axes_than_an_iterator_of_numpy_has(axes):
    x = A[0].reshape(*(1,) * axes, 4)
    assert pullback.check(square, square_backward, x).verdict == "right"
    assert pullback.check(square, lambda g, x: x * g, x).cause == "constant_factor"


def needs(condition):
    """The backward of a square, wrong, that takes not every gradient from above."""

    def backward(g, x):
        if not condition(g):
            raise ValueError("not this one")
        return 3 * x * g

    return backward


def test_a_backward_that_refuses_zeros():
    report = pullback.check(square, needs(lambda g: g.any()), A)
    assert report.cause == "contract_shape_dtype" and "not this one" in str(report)


def test_a_backward_that_refuses_single_gradients_is_judged_all_the_same():
    report = pullback.check(square, needs(lambda g: g.all() or not g.any()), A)
    assert report.cause == "constant_factor"


class Scaled(torch.autograd.Function):
    """Its second input gets no gradient."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x * weight

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None


class Frozen(torch.nn.Module):
    def __init__(self, asks):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float64), requires_grad=asks)

    def forward(self, x):
        return Scaled.apply(x, self.weight)


def test_none_is_wrong_where_somebody_asks_for_a_gradient():
    x, weight = torch.tensor(A), torch.tensor(A[0])
    for asked in (
        pullback.check(Scaled, None, x, weight.clone().requires_grad_()),
        pullback.check(Scaled, None, x, weight, wrt=["x", "weight"]),
        pullback.check(Frozen(asks=True), None, x),
    ):
        assert [each.verdict for each in asked.findings] == ["right", "wrong"] and asked.leading.name == "weight"
        assert asked.cause == "contract_shape_dtype" and "None" in asked.leading.causes[0].evidence


def test_none_is_no_fault_elsewhere_and_is_told_where_it_matters():
    x, weight = torch.tensor(A), torch.tensor(A[0])
    for silent in (pullback.check(Scaled, None, x, weight), pullback.check(Frozen(asks=False), None, x)):
        assert silent.verdict == "right" and "the gradient of weight is None" in "".join(silent.power)
    assert pullback.check(Scaled, None, x, weight, wrt="x").power == ()
    unused = pullback.check(lambda x, w: x * x, lambda g, x, w: (2 * x * g, None), A, A, wrt=[0, 1])
    assert unused.verdict == "right" and unused.power == ()


@pytest.mark.parametrize("gradient", ["text", object(), (v for v in range(3))])
def test_a_gradient_that_is_no_array(gradient):
    report = pullback.check(square, lambda g, x: gradient, A)
    assert report.cause == "contract_shape_dtype" and "gives a" in str(report)


def test_a_backward_that_ends_the_program():
    assert pullback.check(square, leaves, A).verdict == "wrong"


def test_a_cache_that_nobody_keeps():
    with pytest.raises(StyleError, match="keeps no cache"):
        pullback.check(lambda x, w: x @ w, lambda dout, cache: (dout @ cache[1].T, cache[0].T @ dout), A, W)


def test_a_gradient_in_lists_of_python():
    assert pullback.check(square, lambda g, x: (2 * x * g).tolist(), A).verdict == "right"


def test_settings_of_numpy_are_not_ours_to_change():
    before = np.geterr()
    assert pullback.check(lambda x: (np.seterr(all="raise"), x * x)[1], square_backward, A).verdict == "right"
    assert np.geterr() == before


class Layer:
    def __init__(self):
        self.W = np.arange(8.0).reshape(4, 2)

    def forward(self, x):
        self.Z = x @ self.W
        self.x, self.y = x, np.tanh(self.Z)
        return self.y

    def backward(self, dy):
        self.dZ = dy * (1 - self.y**2)
        self.dW = self.x.T @ self.dZ
        return self.dZ @ self.W.T


class Transposed(Layer):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dW = self.dW.T
        return dx


class Cached:
    def forward(self, x):
        return x * x, x

    def backward(self, dy, cache):
        return 2 * cache * dy


def test_the_methods_of_one_object_are_that_object():
    layer = Layer()
    report = pullback.check(layer.forward, layer.backward, A)
    assert report.verdict == "right" and [each.name for each in report.findings] == ["x", "W"]


def test_values_on_the_way_are_no_parameters():
    assert [leaf.name for leaf in adapt(Layer(), None, [A]).leaves] == ["x", "W"]


def test_a_gradient_of_another_shape_than_its_parameter():
    report = pullback.check(Transposed(), None, A)
    assert {each.name: each.verdict for each in report.findings} == {"x": "right", "W": "wrong"}


def test_an_object_may_hand_its_cache_over():
    assert pullback.check(Cached(), None, A).verdict == "right"


def two(x, w):
    y = x @ w
    z = x + 1
    return y, z


@pytest.mark.parametrize("backward", [
    lambda dz, dy, x, w: (dy @ w.T + dz, x.T @ dy), lambda g1, g2, w, x: (g1 @ w.T + g2, x.T @ g1),
    lambda g2, g1, x, w: (g1 @ w.T + g2, x.T @ g1), lambda x, w, dy, dz: (dy @ w.T + dz, x.T @ dy),
    lambda dy, dz, w, inputs: (dy @ w.T + dz, inputs.T @ dy), lambda up, down, a, b: (up @ b.T + down, a.T @ up),
])  # fmt: skip
def test_names_say_the_order_of_several_gradients(backward):
    assert pullback.check(two, backward, A, W).verdict == "right"


GOOD = "def relu_forward(x): return x * (x > 0), x\ndef relu_backward(dout, cache): return dout * (cache > 0)\n"
EVIL = "class Evil:\n    def __getattr__(self, name): raise RuntimeError(name)\nevil = Evil()\n"


@pytest.mark.parametrize("name, text, code", [
    ("two.dots.py", GOOD, 0), ("evil.py", EVIL + GOOD, 0),
    ("exits.py", GOOD.replace("return x *", "exit(2) or x *"), 3),
    ("init.py", "class L:\n    def __init__(self): exit(4)\n    def forward(self, x): return x\n"
     "    def backward(self, g): return g\n", 3),
    ("todo.py", "def f_forward(x): raise NotImplementedError\ndef f_backward(dout, cache): pass\n", 3),
])  # fmt: skip
def test_files_that_want_to_break_the_command(tmp_path, name, text, code):
    path = tmp_path / name
    path.write_text(text)
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output and "right" in done.output or code == 3


def test_one_name_of_a_pair_is_the_pair(tmp_path):
    path = tmp_path / "relu.py"
    path.write_text(GOOD)
    assert CliRunner().invoke(main, ["check", f"{path}:relu_forward"]).exit_code == 0


def test_a_value_that_cannot_be_read(tmp_path):
    path = tmp_path / "relu.py"
    path.write_text(GOOD)
    done = CliRunner().invoke(main, ["check", str(path), "--set", "axis=(0,1"])
    assert done.exit_code == 2


# What one backward leaves behind for the next.


def gate_forward(x):
    y = np.tanh(x)
    return y, [y * y]


def gate_backward(copied):
    def backward(dout, cache):
        slope = cache[0].copy() if copied else cache[0]
        slope *= -1
        slope += 1
        return dout * slope

    return backward


class Kept:
    """It sums into an array that it keeps, and that a second run has to clear."""

    def __init__(self, clears):
        self.W, self.dx, self.dW, self.clears = W, None, 0, clears

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        if self.dx is None or self.clears:
            self.dx = np.zeros_like(self.x)
        self.dx += dout @ self.W.T
        self.dW = self.dW + self.x.T @ dout  # gradients of parameters may add up
        return self.dx.copy()


class Moves(Kept):
    """Its forward counts: that a second run gives something else is no fault of the backward."""

    def forward(self, x):
        self.count = getattr(self, "count", 0) + 1
        return super().forward(x) * self.count

    def backward(self, dout):
        return super().backward(dout * self.count)


def taken_apart(dout, cache):
    return dout * (1 - cache.pop())


@pytest.mark.parametrize("forward, backward", [
    (gate_forward, gate_backward(copied=True)), (gate_forward, taken_apart), (Kept(True), None), (Moves(True), None),
])  # fmt: skip
def test_a_second_backward_that_gives_the_same_or_none(forward, backward):
    assert pullback.check(forward, backward, A).verdict == "right"


@pytest.mark.parametrize("forward, backward, cause", [
    (gate_forward, gate_backward(copied=False), "aliasing_inplace"), (Kept(False), None, "stale_buffer"),
])  # fmt: skip
def test_a_second_backward_that_gives_something_else(forward, backward, cause):
    report = pullback.check(forward, backward, A)
    assert report.cause == cause and "a second backward" in str(report)


class Recalls(Kept):
    """The state of one backward enters the next: with fresh numbers from forward, nothing was written over."""

    dh = 0.0

    def backward(self, dout):
        dx = (dout + self.dh) @ self.W.T
        self.dh = dout / 3
        return dx


def test_what_is_left_after_a_second_forward_is_a_buffer():
    report = pullback.check(Recalls(True), None, A)
    assert report.cause == "stale_buffer" and "a number of the first is left" in str(report)


def test_axes_in_another_order():
    """The inverse of a permutation of three axes is not the permutation itself."""
    order = (0, 2, 3, 1)
    wrong = pullback.check(lambda x: x.transpose(order), lambda g, x: g.transpose(order), (2, 3, 4, 5))
    assert wrong.cause == "transpose_or_adjoint" and "with its axes in the order" in str(wrong)
    right = pullback.check(lambda x: x.transpose(order), lambda g, x: g.transpose(np.argsort(order)), (2, 3, 4, 5))
    assert right.verdict == "right"


def test_what_overflows_by_another_input():
    """The gradient of b is nan where a is large."""

    def forward(a, b):
        d = np.abs(a - b)
        return d + np.log1p(np.exp(-2 * d))

    def backward(g, a, b):
        slope = np.sinh(a - b) / np.cosh(a - b)
        return g * slope, -g * slope

    found = pullback.check(forward, backward, (4, 3), (4, 3)).findings
    assert {finding.cause for finding in found if finding.verdict == "wrong"} == {"overflow_large_input"}


def test_an_array_in_the_place_of_the_backward():
    with pytest.raises(StyleError, match=r"taken for the backward, and it is a ndarray: .* check\(Tanh, None"):

        class Tanh:
            def forward(self, x):
                self.y = np.tanh(x)
                return self.y

            def backward(self, dy):
                return dy * (1 - self.y**2)

        pullback.check(Tanh(), np.ones((3, 4)))
