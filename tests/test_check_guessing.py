"""Layers as they are found in posts and courses: whose gradient it is, and with what they are called."""

import re

import numpy as np
import pytest

import pullback as pb
from pullback.check.adapters import adapt
from pullback.check.files.command import outcome, run
from pullback.check.files.layouts import layouts
from pullback.check.files.targets import shape, targets

LOSSES = """
import numpy as np
def mse(y_true, y_pred): return np.mean((y_true - y_pred) ** 2)
def mse_prime(y_true, y_pred): return 2 * (SIGN * (y_pred - y_true)) / y_true.size
def mse_loss(y_true, y_pred): return np.mean((y_true - y_pred) ** 2), SIGN * 2 * (y_pred - y_true) / y_true.size
def hinge_loss(y, scores):
    m = 1 - y * scores
    return np.maximum(m, 0).mean(), SIGN * np.where(m > 0, -y, 0) / y.size
def huber(target, pred, delta=1.0):
    d = pred - target
    a = np.abs(d)
    return np.where(a <= delta, 0.5 * d ** 2, delta * (a - 0.5 * delta)).sum(), SIGN * np.clip(d, -delta, delta)
def nll(labels, logits):
    n, z = len(labels), logits - logits.max(1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    g = np.exp(logs)
    g[np.arange(n), labels] -= 1
    return -logs[np.arange(n), labels].mean(), SIGN * g / n
def squared_error(t, x): return ((t - x) ** 2).sum(), SIGN * 2 * (x - t)
class BCE:
    def forward(self, y, p):
        self.y, self.p = y, p
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    def backward(self): return SIGN * (self.p - self.y) / (self.p * (1 - self.p)) / self.y.size
"""
NAMES = ["mse_prime", "mse_loss", "hinge_loss", "huber", "nll", "squared_error", "BCE"]


def written(path, text):
    path.write_text(text)
    return str(path)


def verdicts(file):
    return {each.name: outcome(each).verdict for each in targets(file)}


@pytest.mark.parametrize("sign, verdict", [("1", "right"), ("-1", "wrong")])
def test_the_gradient_of_a_loss_is_its_predictions_wherever_that_stands(tmp_path, sign, verdict):
    path = written(tmp_path / f"losses_{verdict}.py", LOSSES.replace("SIGN", sign))
    assert verdicts(path) == dict.fromkeys(NAMES, verdict)


@pytest.mark.parametrize("sign, verdict", [(1, "right"), (-1, "wrong")])
def test_the_same_in_python(sign, verdict):
    t, x = np.array([0.3, -0.8, 1.2]), np.array([1.1, 0.4, -0.7])
    mse = lambda y_true, y_pred: ((y_pred - y_true) ** 2).sum()
    report = pb.check(mse, lambda y_true, y_pred: sign * 2 * (y_pred - y_true), t, x)
    assert report.verdict == verdict and [finding.name for finding in report.findings] == ["y_pred"]


def test_names_tell_where_double_precision_is_refused():
    def mse(y_true, y_pred):
        assert y_pred.dtype == np.float32
        return ((y_pred - y_true) ** 2).sum()

    t, x = np.array([0.3, -0.8, 1.2], "f4"), np.array([1.1, 0.4, -0.7], "f4")
    adapted = adapt(mse, lambda y_true, y_pred: 2 * (y_pred - y_true), [t, x])
    assert adapted.backward([np.ones((), "f4")], [t, x])[0] is None


def test_where_names_do_not_tell_the_gradient_of_a_loss_is_of_what_it_is_right_for():
    """Elsewhere it may be the wrong one: the other factor's."""
    a, b = np.array([0.3, -0.8, 1.2]), np.array([1.1, 0.4, -0.7])
    gap = lambda first, second: ((first - second) ** 2).sum()
    report = pb.check(gap, lambda gy, first, second: 2 * gy * (second - first), a, b)
    assert report.verdict == "right" and [finding.name for finding in report.findings] == ["second"]
    for given in (lambda gy, first, second: gy * first, lambda gy, first, second: gy):
        report = pb.check(lambda first, second: first * second, given, a, b)
        assert report.verdict == "wrong" and [finding.name for finding in report.findings] == ["first"]


def test_whose_gradient_it_is_holds_at_other_sizes():
    mse = lambda y_true, y_pred: ((y_pred - y_true) ** 2).sum()
    adapted = adapt(mse, lambda y_true, y_pred: 2 * (y_pred - y_true), [(3,), (3,)])
    other = [np.zeros(5), np.ones(5)]
    assert adapted.backward([np.ones(())], other)[0] is None and adapted.backward([np.ones(())], other)[1].shape == (5,)


def test_a_loss_that_returns_something_else_is_none(tmp_path):
    text = """
def mean_error(x, t):
    loss, accuracy = (x - t).mean(), (x == t).mean()
    return loss, accuracy
def errors(x, t): return x - t
def squared_error(x, t):
    loss, grad = ((x - t) ** 2).sum(), 2 * (x - t)
    return loss, grad
"""
    assert [each.name for each in targets(written(tmp_path / "others.py", text))] == ["squared_error"]


SCRATCH = """
import numpy as np
class Layer:
    def forward(self, input): raise NotImplementedError
    def backward(self, output_gradient, learning_rate): raise NotImplementedError
class Dense(Layer):
    def __init__(self, input_size, output_size):
        rng = np.random.default_rng(0)
        self.weights, self.bias = rng.normal(size=(output_size, input_size)), rng.normal(size=(output_size, 1))
    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias
    def backward(self, output_gradient, learning_rate):
        found = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return found
class Late(Dense):
    def backward(self, output_gradient, learning_rate):
        self.weights -= learning_rate * output_gradient @ self.input.T
        return self.weights.T @ output_gradient
class Activation(Layer):
    def __init__(self, activation, activation_prime):
        self.activation, self.activation_prime = activation, activation_prime
    def forward(self, input):
        self.input = input
        return self.activation(input)
    def backward(self, output_gradient, learning_rate):
        return output_gradient * self.activation_prime(self.input)
class Tanh(Activation):
    def __init__(self): super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
class Softmax(Layer):
    def forward(self, input):
        e = np.exp(input)
        self.output = e / e.sum()
        return self.output
    def backward(self, output_gradient, learning_rate):
        n = np.size(self.output)
        return ((np.identity(n) - self.output.T) * self.output) @ output_gradient
class Leaky:
    def __init__(self, alpha=0.3): self.alpha = alpha
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)
    def backward(self, grad, lr): return grad * np.where(self.x > 0, 1, self.alpha)
class Base:
    def forward(self, x):
        self.x = x
        return self.f(x)
    def backward(self, g): return g * self.slope(self.x)
class Sin(Base):
    def f(self, x): return np.sin(x)
    def slope(self, x): return -np.cos(x)
class Scale:
    def forward(self, x): return 3 * x
    def backprop(self, g): return 3 * g
class Shift:
    def forward_propagation(self, input): return input + 1
    def backward_propagation(self, output_error, learning_rate): return output_error
"""


def test_networks_from_scratch_take_a_learning_rate_and_inherit(tmp_path):
    path = written(tmp_path / "scratch.py", SCRATCH)
    said = []
    code = run(path, [], None, [], "float64", 0, 1, False, said.append)
    found = {text.split()[0]: text.split()[1] for text in said}
    assert found == {
        "Dense": "right", "Late": "wrong", "Tanh": "right", "Softmax": "right", "Leaky": "right", "Sin": "wrong",
        "Scale": "right", "Shift": "right",
    } and code == 1  # fmt: skip


def test_a_step_inside_of_backward_is_not_judged_and_comes_last(tmp_path):
    named = {each.name: each for each in targets(written(tmp_path / "steps.py", SCRATCH))}
    dense, late, tanh = (outcome(named[name]) for name in ("Dense", "Late", "Tanh"))
    assert any("weights, bias of the object, which backward may move" in text for text in dense.report.power)
    assert "that step is not judged" in dense.line and not any("step" in text for text in tanh.report.power)
    assert late.report.cause == "aliasing_inplace" and "moves a parameter" in late.report.causes[0].evidence


UNNAMED = """
import numpy as np
class Fc:
    def __init__(self): self.weight, self.bias = np.ones((5, 3)), np.zeros(3)
    def forward(self, x):
        self.x = x
        return x @ self.weight + self.bias
class Other(Fc):
    def backward(self, g):
        self.g_w, self.g_b = 3 * self.x.T @ g, g.sum(0)
        return g @ self.weight.T
class Listed(Fc):
    def backward(self, g):
        self.grads = [3 * self.x.T @ g, g.sum(0)]
        return g @ self.weight.T
"""


def test_parameters_whose_gradients_have_no_name_of_theirs_are_judged(tmp_path):
    for each in targets(written(tmp_path / "unnamed.py", UNNAMED)):
        assert "wrong         weight: constant_factor" in outcome(each).line


def test_parameters_whose_gradients_are_not_found_are_said_to_be_unseen(tmp_path):
    backward = "    def backward(self, g): return g @ self.weight.T\n"
    (each,) = targets(written(tmp_path / "lost.py", UNNAMED.split("class Other")[0] + backward))
    found = outcome(each)
    assert any("forward moves with weight, bias" in text for text in found.report.power)
    assert found.verdict == "right" and "not judged" in found.line


TUPLES = """
import numpy as np
def sum_forward(x, axis): return x.sum(axis), (x.shape, axis)
def sum_backward(g, cache):
    shape, axis = cache
    return np.broadcast_to(np.expand_dims(g, axis), shape).copy()
class Sum:
    def __init__(self, axis): self.axis = axis
    def forward(self, x):
        self.shape = x.shape
        return x.sum(self.axis)
    def backward(self, g): return np.broadcast_to(np.expand_dims(g, self.axis), self.shape).copy()
def flip_forward(x, axes=(0, 1), sign=1): return sign * np.flip(x, axes), (axes, sign)
def flip_backward(g, cache): return cache[1] * np.flip(g, cache[0])
"""


def test_a_tuple_that_is_said_or_a_default_is_itself_and_no_shape(tmp_path):
    path = written(tmp_path / "tuples.py", TUPLES)
    for names in ("sum_forward,sum_backward", "Sum"):
        (exercise,) = targets(f"{path}:{names}")
        assert outcome(exercise, [(2, 3, 4)], {"axis": (0, 1)}).verdict == "right"
    (flip,) = targets(f"{path}:flip_forward,flip_backward")
    assert outcome(flip, [(2, 3)], {"sign": 2}).verdict == "right"


LETTERS = """
import numpy as np, torch
def triplet_loss(a, p, n):
    on = ((1 + ((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1)) > 0)[:, None]
    loss = np.maximum(1 + ((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1), 0).sum()
    return loss, 2 * on * (n - p), -2 * on * (a - p), 2 * on * (a - n)
class Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.save_for_backward(x, alpha)
        return x * alpha
    @staticmethod
    def backward(ctx, g):
        x, alpha = ctx.saved_tensors
        return g * alpha, (g * x).sum()
"""


def test_single_letters_and_numbers_may_be_arrays(tmp_path):
    path = written(tmp_path / "letters.py", LETTERS)
    assert verdicts(path) == {"triplet_loss": "right", "Slope": "right"}
    (triplet,) = targets(f"{path}:triplet_loss")
    assert outcome(triplet, [(4, 5)] * 3).verdict == "right"
    (slope,) = targets(f"{path}:Slope")
    assert outcome(slope, [(4, 5), ()]).verdict == "right"


KINDS = {
    "indices": """
def segment_mean_forward(x, seg, n=4):
    s = np.zeros((n,) + x.shape[1:])
    np.add.at(s, seg, x)
    count = np.maximum(np.bincount(seg, minlength=n), 1)
    return s / count[:, None], (seg, count)
def segment_mean_backward(g, cache):
    seg, count = cache
    return (g / count[:, None])[seg]
""",
    "masked": """
def softmax_loss_masked(x, y, mask):
    N, T, V = x.shape
    e = np.exp(x - x.max(2, keepdims=True))
    p = e / e.sum(2, keepdims=True)
    i, j = np.indices(y.shape)
    loss, dx = -np.sum(mask * np.log(p[i, j, y])) / N, p.copy()
    dx[i, j, y] -= 1
    return loss, dx * mask[:, :, None] / N
""",
    "definite": """
def cholesky_forward(A):
    L = np.linalg.cholesky((A + A.T) / 2)
    return L, L
def cholesky_backward(dL, L):
    P = np.tril(L.T @ np.tril(dL))
    P[np.diag_indices_from(P)] *= 0.5
    S = np.linalg.inv(L).T @ P @ np.linalg.inv(L)
    return (S + S.T) / 2
""",
    "chain": """
def total(a, axis):
    m = a.max(axis=axis, keepdims=True)
    return (m + np.log(np.exp(a - m).sum(axis=axis, keepdims=True))).squeeze(axis)
def crf_nll(emissions, transitions, tags):
    T, K = emissions.shape
    alpha, beta = np.zeros((T, K)), np.zeros((T, K))
    alpha[0] = emissions[0]
    for t in range(1, T):
        alpha[t] = total(alpha[t - 1][:, None] + transitions, 0) + emissions[t]
    for t in range(T - 2, -1, -1):
        beta[t] = total(transitions + emissions[t + 1] + beta[t + 1], 1)
    Z = total(alpha[-1], 0)
    score = emissions[np.arange(T), tags].sum() + transitions[tags[:-1], tags[1:]].sum()
    dE, dT = np.exp(alpha + beta - Z), np.zeros((K, K))
    dE[np.arange(T), tags] -= 1
    for t in range(T - 1):
        dT += np.exp(alpha[t][:, None] + transitions + emissions[t + 1] + beta[t + 1] - Z)
        dT[tags[t], tags[t + 1]] -= 1
    return Z - score, dE, dT
""",
    "sizes": """
class CumSum:
    def __init__(self, n): self.m = np.tril(np.ones((n, n)))
    def forward(self, x): return x @ self.m.T
    def backward(self, g): return g @ self.m
class Rest:
    def __init__(self, rows, columns): self.W = np.random.default_rng(0).normal(size=(rows, columns))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, g):
        self.dW = self.x.T @ g
        return g @ self.W.T
""",
    "classes": """
def logistic_loss(w, X, y):
    z = y * (X @ w)
    return np.logaddexp(0, -z).mean(), X.T @ (-y / (1 + np.exp(z))) / len(y)
""",
    "square": """
def residual_forward(x, W, b):
    h = np.tanh(x @ W + b)
    return x + h, (x, W, h)
def residual_backward(dy, cache):
    x, W, h = cache
    a = dy * (1 - h**2)
    return dy + a @ W.T, x.T @ a, a.sum(0)
def highway_forward(x, Wh, Wt, bh, bt):
    h, t = np.tanh(x @ Wh + bh), 1 / (1 + np.exp(-x @ Wt - bt))
    return t * h + (1 - t) * x, (x, Wh, Wt, h, t)
def highway_backward(dy, cache):
    x, Wh, Wt, h, t = cache
    a, c = dy * t * (1 - h**2), dy * (h - x) * t * (1 - t)
    return a @ Wh.T + c @ Wt.T + dy * (1 - t), x.T @ a, x.T @ c, a.sum(0), c.sum(0)
""",
    "stacked": """
def mlp_forward(x, W1, b1, W2, b2):
    h = np.tanh(x @ W1 + b1)
    return h @ W2 + b2, (x, W1, W2, h)
def mlp_backward(dy, cache):
    x, W1, W2, h = cache
    a = dy @ W2.T * (1 - h**2)
    return a @ W1.T, x.T @ a, a.sum(0), h.T @ dy, dy.sum(0)
def gate_forward(x, W1, W2):
    s = x.mean((2, 3))
    z = np.tanh(s @ W1)
    g = np.tanh(z @ W2)
    return x * g[:, :, None, None], (x, W1, W2, s, z, g)
def gate_backward(dy, cache):
    x, W1, W2, s, z, g = cache
    a = (dy * x).sum((2, 3)) * (1 - g**2)
    c = a @ W2.T * (1 - z**2)
    ds = c @ W1.T / (x.shape[2] * x.shape[3])
    return dy * g[:, :, None, None] + ds[:, :, None, None], s.T @ c, z.T @ a
""",
    "candidate": """
def minimal_forward(x, h, Wz, Wh, Uz, Uh):
    z = 1 / (1 + np.exp(-x @ Wz - h @ Uz))
    n = np.tanh(x @ Wh + h @ Uh)
    return (1 - z) * h + z * n, (x, h, Wz, Wh, Uz, Uh, z, n)
def minimal_backward(dy, cache):
    x, h, Wz, Wh, Uz, Uh, z, n = cache
    a, c = dy * (n - h) * z * (1 - z), dy * z * (1 - n**2)
    return a @ Wz.T + c @ Wh.T, dy * (1 - z) + a @ Uz.T + c @ Uh.T, x.T @ a, x.T @ c, h.T @ a, h.T @ c
""",
    "depthwise": """
def depthwise_conv1d_forward(x, w, b):
    k = w.shape[1]
    y = sum(w[:, j, None] * x[:, :, j : x.shape[2] - k + 1 + j] for j in range(k))
    return y + b[:, None], (x, w)
def depthwise_conv1d_backward(dy, cache):
    x, w = cache
    n, dx, dw = dy.shape[2], np.zeros_like(x), np.zeros_like(w)
    for j in range(w.shape[1]):
        dx[:, :, j : j + n] += w[:, j, None] * dy
        dw[:, j] = (dy * x[:, :, j : j + n]).sum((0, 2))
    return dx, dw, dy.sum((0, 2))
""",
    "within brackets": """
def edges_forward(h, src, dst, W, a):
    z = h @ W
    y = np.zeros_like(z)
    np.add.at(y, dst, z[src] * a)
    return y, (h, src, dst, W, a, z)
def edges_backward(dy, cache):
    h, src, dst, W, a, z = cache
    dz = np.zeros_like(z)
    np.add.at(dz, src, dy[dst] * a)
    return dz @ W.T, None, None, h.T @ dz, (dy[dst] * z[src]).sum(0)
def ranking_loss(U, V, u, i, j):
    x = (U[u] * (V[i] - V[j])).sum(1)
    s, dU, dV = -1 / (1 + np.exp(x))[:, None], np.zeros_like(U), np.zeros_like(V)
    np.add.at(dU, u, s * (V[i] - V[j]))
    np.add.at(dV, i, s * U[u])
    np.add.at(dV, j, -s * U[u])
    return np.log1p(np.exp(-x)).sum(), dU, dV
""",
    "flags as numbers": """
def held_forward(x, mask, W):
    h = np.tanh(x @ W)
    return mask * h + (1 - mask) * x, (x, mask, W, h)
def held_backward(dy, cache):
    x, mask, W, h = cache
    a = dy * mask * (1 - h**2)
    return a @ W.T + dy * (1 - mask), None, x.T @ a
""",
}


@pytest.mark.parametrize("name", KINDS)
def test_arrays_of_a_kind_of_their_own_are_guessed(tmp_path, name):
    found = verdicts(written(tmp_path / f"{name}.py", f"import numpy as np\n{KINDS[name]}"))
    assert found and set(found.values()) == {"right"}


def test_alignments_have_room_for_a_label_twice_in_a_row():
    (logits, labels), known = next(layouts("ctc_loss (logits,labels)", ["logits", "labels"], [], lambda: False))
    assert known and logits[0] > 2 * len(labels) and any(np.diff(labels) == 0) and logits[1] > labels.max()


def test_the_seed_moves_what_a_text_asks_for():
    for text in ("40<7", "4=0..1", "40,7=one-hot"):
        assert not np.array_equal(shape(text, 0), shape(text, 1))


TARGETS = """
import numpy as np
def softmax(z, axis):
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)
class CrossEntropy:
    def forward(self, logits, target):
        self.p, self.t = softmax(logits, 1), target
        return -(target * np.log(self.p)).sum() / len(target)
    def backward(self): return SIGN * (self.p - self.t) / len(self.t)
class Columns:
    def forward(self, z, target):
        self.p, self.t = softmax(z, 0), target
        return -(target * np.log(self.p)).sum() / target.shape[1]
    def backward(self): return SIGN * (self.p - self.t) / self.t.shape[1]
"""


@pytest.mark.parametrize("sign, cause", [(1, ""), (-1, "sign")])
def test_targets_that_are_one_hot_are_guessed_or_said(tmp_path, sign, cause):
    rows, columns = targets(written(tmp_path / f"targets_{cause}.py", TARGETS.replace("SIGN", str(sign))))
    assert outcome(rows).report.cause == outcome(rows, [shape("4,5"), shape("4,5=one-hot")]).report.cause == cause
    assert outcome(columns, [shape("5,4"), shape("5,4=one-hot:0")]).report.cause == cause


SUMMED = """
import numpy as np
def affine_forward(x, w, b): return x @ w + b, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum()
def batchnorm_forward(x, gamma, beta):
    s = np.sqrt(x.var(0) + 1e-5)
    u = (x - x.mean(0)) / s
    return gamma * u + beta, (u, gamma, s)
def batchnorm_backward(dout, cache):
    u, gamma, s = cache
    d = dout * gamma
    return (d - d.mean(0) - u * (d * u).mean(0)) / s, (dout * u).sum(), dout.sum()
def scale_forward(x, g): return x * g, (x, g)
def scale_backward(d, cache):
    x, g = cache
    return d * g, (d * x).sum()
def prelu_forward(x, a): return np.where(x > 0, x, a * x), (x, a)
def prelu_backward(d, cache):
    x, a = cache
    return np.where(x > 0, d, a * d), np.where(x > 0, 0, x * d).sum()
"""


def test_a_parameter_that_such_a_layer_has_with_axes_is_no_single_number(tmp_path):
    """Others may be one; that they need not is said."""
    file = written(tmp_path / "summed.py", SUMMED)
    found = {each.name: outcome(each).report for each in targets(file)}
    wrong = {"affine_backward": ["b"], "batchnorm_backward": ["gamma", "beta"]}
    for name, report in found.items():
        assert [each.name for each in report.findings if each.verdict == "wrong"] == wrong.get(name, []), name
    assert any("forward runs with x 4,5, g 4,5 too" in text for text in found["scale_backward"].power)


STEPS = """
import numpy as np
def step_forward(x, W, b):
    h = np.tanh(x @ W + b)
    return x + 0.2 * h, (x, W, b, h)
def step_backward(dy, cache):
    x, W, b, h = cache
    dW, db = np.zeros_like(W), np.zeros_like(b)
    a = FACTOR * dy * (1 - h**2)
    dW += x.T @ a
    db += a.sum(axis=0)
    return dy + a @ W.T, dW, db
"""


@pytest.mark.parametrize("factor, verdict", [("0.2", "right"), ("0.3", "wrong")])
def test_a_matrix_is_not_taken_for_a_vector(tmp_path, factor, verdict):
    """With vectors the product is a single number, and what backward adds up is spread over it without a word."""
    text = STEPS.replace("FACTOR", factor)
    file = written(tmp_path / f"steps_{verdict}.py", text)
    assert verdicts(file) == {"step_backward": verdict}
    unnamed = written(tmp_path / f"unnamed_{verdict}.py", re.sub(r"\bb\b", "c", re.sub(r"\bW\b", "A", text)))
    (found,) = map(outcome, targets(unnamed))
    assert found.verdict == "cannot judge" and found.why.startswith("a product is a single number for x "), found.line


def test_all_that_was_tried_is_said(tmp_path):
    text = """
def odd_forward(x, stride, mode): raise ValueError("never")
def odd_backward(g, x): return g
def half_forward(x, stride):
    rows, columns = x.shape
    return x[::stride], stride
def half_backward(g, stride): return g[:0]
"""
    odd, half = map(outcome, targets(written(tmp_path / "tried.py", text)))
    assert "odd_forward raises ValueError with x (4, 5), stride=2, mode=train: never" in odd.why
    assert "no gradient fits what was guessed: x 4,5, stride=2; say it" in half.why


def test_a_value_with_gradients_of_what_it_takes_is_a_loss_whatever_its_name(tmp_path):
    text = """
def closeness(q, k): return ((q - k) ** 2).sum(), 2 * (q - k), 2 * (k - q)
def contrast(q, k):
    dq = 2 * (q - k)
    dk = -dq
    return ((q - k) ** 2).sum(), dq, dk
def helper(dy, q, k):
    dq, dk = dy * k, dy * q
    return dy, dq, dk
def pair(q, k): return q, k
"""
    assert [each.name for each in targets(written(tmp_path / "contrast.py", text))] == ["contrast"]
    assert verdicts(str(tmp_path / "contrast.py")) == {"contrast": "right"}
