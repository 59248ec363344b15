"""Every style of code is recognised, and gives the derivative of its forward, as differences say."""

import subprocess
import sys

import autograd.numpy as anp
import jax
import jax.numpy as jnp
import mygrad as mg
import numpy as np
import pytest
import thinc.api as thinc
import torch
from autograd.extend import defvjp, primitive
from mygrad.math.trigonometric.ops import Sin

import pullback
from pullback.check.adapters import StyleError, adapt
from pullback.check.differences import difference

RNG = np.random.default_rng(0)
W, B = RNG.normal(size=(5, 3)), RNG.normal(size=3)
LABELS = np.array([0, 2, 4, 2])
AFFINE = (4, 5), (5, 3), (3,)


def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)


def strided_forward(x, w, conv_param):
    return x[:: conv_param["stride"]] * w, (x, w, conv_param)


def strided_backward(dout, cache):
    x, w, conv_param = cache
    dx = np.zeros_like(x)
    dx[:: conv_param["stride"]] = dout * w
    return dx, np.sum(dout * x[:: conv_param["stride"]])


def rnn_cell_forward(xt, a_prev, parameters):
    p = parameters
    a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])
    return a_next, p["Wya"] @ a_next + p["by"], dict(a=a_next, a_prev=a_prev, xt=xt, parameters=p)


def rnn_cell_backward(da_next, cache):
    dz, p = (1 - cache["a"] ** 2) * da_next, cache["parameters"]
    grads = dict(da_prev=p["Waa"].T @ dz, dxt=p["Wax"].T @ dz, dba=dz.sum(1, keepdims=True))
    return grads | dict(dWax=dz @ cache["xt"].T, dWaa=dz @ cache["a_prev"].T)


def dropout_forward(x, dropout_param):
    mask = (np.random.rand(*x.shape) < dropout_param["p"]) / dropout_param["p"]
    return x * mask, (dropout_param, mask)


def activation_forward(Z, activation):
    return (np.tanh(Z) if activation == "tanh" else np.maximum(Z, 0)), Z


def activation_backward(dA, cache, activation):
    return dA * (1 - np.tanh(cache) ** 2 if activation == "tanh" else cache > 0)


def dense(x, w):
    y = np.tanh(x @ w)

    def back(gy):
        gz = gy * (1 - y**2)
        return gz @ w.T, x.T @ gz

    return y, back


def softmax_loss(x, y):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    dx = p.copy()
    dx[np.arange(len(x)), y] -= 1
    return -np.log(p[np.arange(len(x)), y]).mean(), dx / len(x)


def regression_loss(model, X, t, reg):
    r = X @ model["W"] + model["b"] - t
    loss = 0.5 * np.sum(r**2) + reg * np.sum(model["W"] ** 2)
    return loss, dict(b=r.sum(0), W=X.T @ r + 2 * reg * model["W"])


class Affine:
    """W and dW, accumulating."""

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(0)
        return dout @ self.W.T


class Listed(Affine):
    """params and grads are lists; params are the same arrays as W and b, which is what forward uses."""

    def __init__(self, W, b):
        super().__init__(W, b)
        self.params, self.grads = [self.W, self.b], [self.dW, self.db]


class Filed:
    """params and grads are dicts, and grads is a new one every time."""

    def __init__(self, W, b):
        self.params, self.grads = dict(W=W, b=b), {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads = dict(W=self.x.T @ dout, b=dout.sum(0))
        return dout @ self.params["W"].T


class Returned(Affine):
    """backward returns all gradients, and keeps none."""

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout.sum(0)


class Bare:
    """backward returns all gradients; there is no dW."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward_pass(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward_pass(self, output_error):
        return output_error @ self.W.T, self.x.T @ output_error, output_error.sum(0)


class Parameter:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class Boxed:
    """Parameters are objects with a value and a gradient."""

    def __init__(self, W, b):
        self.W, self.b = Parameter(W), Parameter(b)

    def forward(self, x):
        self.x = x
        return x @ self.W.value + self.b.value

    def backward(self, grad_output):
        self.W.grad += self.x.T @ grad_output
        self.b.grad += grad_output.sum(0)
        return grad_output @ self.W.value.T


class Remembered:
    """forward and backward return nothing: output, dinputs, dweights and dbiases are attributes."""

    def __init__(self, weights, biases):
        self.weights, self.biases = weights, biases

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(0)
        self.dinputs = dvalues @ self.weights.T


class Lazy(Filed):
    """Parameters are made by the first forward."""

    def __init__(self):
        self.params, self.grads = {}, {}

    def forward(self, x):
        if not self.params:
            self.params = dict(W=np.random.randn(x.shape[1], 3), b=np.zeros(3))
        return super().forward(x)


class Hoarder(Affine):
    """Every input is remembered, and backward looks at the first."""

    def __init__(self, W, b):
        super().__init__(W, b)
        self.all_inputs = []

    def forward(self, x):
        self.all_inputs.append(x)
        self.x = self.all_inputs[0]
        return x @ self.W + self.b


class Dropout:
    """With a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng()

    def forward(self, x):
        self.mask = self.rng.random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class MSE:
    """A loss; backward takes nothing."""

    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * self.difference / self.difference.size


class CategoricalCrossEntropy:
    """A loss of every example; backward takes the predictions again, and gives the gradient of the mean."""

    def forward(self, y_pred, y_true):
        return -np.log(y_pred[range(len(y_pred)), y_true])

    def backward(self, dvalues, y_true):
        samples, labels = len(dvalues), len(dvalues[0])
        self.dinputs = -np.eye(labels)[y_true] / dvalues / samples


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return w * x**3

    @staticmethod
    def backward(ctx, grad_output):
        x, w = ctx.saved_tensors
        return 3 * w * x**2 * grad_output, x**3 * grad_output


@jax.custom_vjp
def wave(x, w):
    return jnp.sin(x) * w


wave.defvjp(lambda x, w: (wave(x, w), (x, w)), lambda res, g: (jnp.cos(res[0]) * res[1] * g, jnp.sin(res[0]) * g))


@jax.custom_jvp
def exponential(x):
    return jnp.exp(x)


exponential.defjvp(lambda x, t: (jnp.exp(x[0]), jnp.exp(x[0]) * t[0]))


@primitive
def logsumexp(x):
    return np.log(np.sum(np.exp(x)))


defvjp(logsumexp, lambda ans, x: lambda g: g * np.exp(x - ans))


class Sine:
    """Remembers nothing: grad is a slope."""

    def __init__(self, rate):
        self.rate = rate

    def fn(self, z):
        return np.sin(self.rate * z)

    def grad(self, x):
        return self.rate * np.cos(self.rate * x)


class Misnamed:
    """Calls what comes from above as it calls its input."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, x):
        return x * (1 - self.y**2)


SINE, MISNAMED = Sine(2.0), Misnamed()
SINGLE = RNG.normal(size=(4, 5)).astype("f4")
CELL = dict(Wax=(2, 3), Waa=(2, 2), ba=(2, 1), Wya=(4, 2), by=(4, 1))

# Style -> what the user hands over, the names of the inputs, and those among them that have no gradient.
STYLES = {
    "plain pair": (lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g), AFFINE[:2], "x w", ""),
    "pair, inputs first": (lambda x: np.tanh(x), lambda x, dout: dout / np.cosh(x) ** 2, [(4,)], "x", ""),
    "pair, from the output": (lambda x: np.exp(-x), lambda dout, out: -dout * out, [(4,)], "x", ""),
    "pair, some inputs": (lambda x, w, b: x @ w + b, lambda dout, x, w: (dout @ w.T, x.T @ dout), AFFINE, "x w b", "b"),
    "pair, two outputs": (lambda x: (x, x**2), lambda g1, g2, x: g1 + 2 * x * g2, [(3,)], "x", ""),
    "slopes": (lambda x: np.sin(x), lambda x: np.cos(x), [(4,)], "x", ""),
    "class, misnamed": (Misnamed, None, [(4,)], "x", ""),
    "methods, misnamed": (MISNAMED.forward, MISNAMED.backward, [(4,)], "x", ""),
    "slopes of an object": (SINE.fn, SINE.grad, [(4,)], "z", ""),
    "pair with a cache": (affine_forward, affine_backward, AFFINE, "x w b", ""),
    "hyperparameters in a dict": (strided_forward, strided_backward, [(7,), (), {"stride": 2}], "x w", ""),
    "parameters in a dict": (
        rnn_cell_forward, rnn_cell_backward, [(3, 4), (2, 4), CELL], "xt a_prev Wax Waa ba Wya by", "Wya by"
    ),
    "chance": (dropout_forward, lambda dout, cache: dout * cache[1], [(4, 5), {"p": 0.5}], "x", ""),
    "an option of both": (activation_forward, activation_backward, [(4,), "tanh"], "Z", ""),
    "closure": (dense, None, AFFINE[:2], "x w", ""),
    "loss with its gradient": (softmax_loss, None, [(4, 5), LABELS], "x y", "y"),
    "loss of a model": (regression_loss, None, [dict(W=(5, 3), b=(3,)), (4, 5), (4, 3), 0.1], "W b X t", "X t"),
    "class, W and dW": (Affine(W, B), None, [(4, 5)], "x W b", ""),
    "class, lists": (Listed(W, B), None, [(4, 5)], "x W b", ""),
    "class, dicts": (Filed(W, B), None, [(4, 5)], "x params.W params.b", ""),
    "class, returned": (Returned(W, B), None, [(4, 5)], "x W b", ""),
    "class, bare": (Bare(W, B), None, [(4, 5)], "x W b", ""),
    "class, boxed": (Boxed(W, B), None, [(4, 5)], "x W.value b.value", ""),
    "class, remembered": (Remembered(W, B), None, [(4, 5)], "inputs weights biases", ""),
    "class, lazy": (Lazy, None, [(4, 5)], "x params.W params.b", ""),
    "class, hoarding": (Hoarder(W, B), None, [(4, 5)], "x W b", ""),
    "class, chance": (Dropout, None, [(4, 5)], "x", ""),
    "class, loss": (MSE(), None, [(4, 5), (4, 5)], "prediction target", "target"),
    "class, loss per example": (
        CategoricalCrossEntropy, None, [RNG.uniform(0.1, 0.9, (4, 5)), LABELS], "y_pred y_true", "y_true"
    ),
    "torch.autograd.Function": (Cube, None, [(4,), (4,)], "x w", ""),
    "torch.nn.Linear": (torch.nn.Linear(5, 3), None, [(4, 5)], "input weight bias", ""),
    "torch.nn.BatchNorm1d": (torch.nn.BatchNorm1d(5), None, [(4, 5)], "input weight bias", ""),
    "torch.nn.Dropout": (torch.nn.Dropout(0.5), None, [(4, 5)], "input", ""),
    "function of tensors": (lambda x: torch.softmax(x, 1), None, [(4, 5)], "x", ""),
    "torch.nn.functional": (torch.nn.functional.cross_entropy, None, [(4, 5), LABELS], "input target", "target"),
    "pair of tensors": (lambda x: torch.tanh(x), lambda g, x: g / torch.cosh(x) ** 2, [(4,)], "x", ""),
    "cache of tensors": (lambda x: (torch.exp(x), x), lambda g, cache: g * torch.exp(cache), [(4,)], "x", ""),
    "closure of tensors": (lambda x: (torch.exp(x), lambda g: g * torch.exp(x)), None, [(4,)], "x", ""),
    "custom_vjp": (wave, None, [(4,), (4,)], "x w", ""),
    "custom_jvp": (exponential, None, [(4,)], "x", ""),
    "fwd and bwd": (wave.fwd, wave.bwd, [(4,), (4,)], "x w", ""),
    "function of JAX": (jax.nn.softmax, None, [(4, 5)], "x", ""),
    "primitive of autograd": (logsumexp, None, [(4,)], "x", ""),
    "autograd.numpy": (lambda x, w: anp.dot(anp.tanh(x), w), None, AFFINE[:2], "x w", ""),
    "operation of MyGrad": (Sin, None, [(4,)], "x0", ""),
    "function of MyGrad": (lambda x, w: mg.matmul(x, w), None, AFFINE[:2], "x w", ""),
    "thinc": (thinc.Linear(3, 5), None, [(4, 5)], "X W b", ""),
    "rule of pullback": (pullback.layer_norm, None, [(4, 5), (5,), (5,)], "x w b", ""),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_derivative_of_its_forward(style):
    forward, backward, given, names, without = STYLES[style]
    adapted = adapt(forward, backward, given)
    assert [leaf.name for leaf in adapted.leaves] == names.split()
    x = [
        np.asarray(RNG.normal(size=leaf.value) if isinstance(leaf.value, tuple) else leaf.value)
        for leaf in adapted.leaves
    ]
    x = [a.astype(float) if a.dtype.kind == "f" else a for a in x]
    y = adapted.forward(*x)
    gy = [RNG.normal(size=a.shape) for a in y]
    gx = adapted.backward(gy, x)
    moving = [k for k, g in enumerate(gx) if g is not None]
    assert [leaf.name for k, leaf in enumerate(adapted.leaves) if k not in moving] == without.split()
    assert [gx[k].shape for k in moving] == [x[k].shape for k in moving]
    tx = [RNG.normal(size=x[k].shape) for k in moving]

    def moved(*new):
        found = dict(zip(moving, new))
        return adapted.forward(*(found.get(k, a) for k, a in enumerate(x)))

    ty = difference(moved, [x[k] for k in moving], tx)
    up = sum(np.sum(g * t) for g, (t, _) in zip(gy, ty))
    np.testing.assert_allclose(up, sum(np.sum(gx[k] * t) for k, t in zip(moving, tx)), rtol=1e-6, atol=1e-8)


def test_nothing_is_imported_that_is_not_there():
    code = (
        "import sys; from pullback.check.adapters import adapt\n"
        "adapt(lambda x: x, lambda g, x: g, [(3,)])\n"
        "print(*{'torch', 'jax', 'autograd', 'mygrad', 'thinc', 'scipy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []


def test_the_users_object_stays_as_it_is():
    layer = Affine(W, B)
    adapted = adapt(layer, None, [(4, 5)])
    x = [np.ones((4, 5)), 0 * W, 0 * B]
    adapted.backward([np.ones((4, 3))], x)
    assert set(vars(layer)) == {"W", "b", "dW", "db"} and layer.W is W and not layer.dW.any()


def test_chance_goes_on_as_if_nothing_had_been_drawn():
    np.random.seed(5)
    expected = np.random.rand(), np.random.rand()
    np.random.seed(5)
    first = np.random.rand()
    adapted = adapt(dropout_forward, STYLES["chance"][1], [(4, 5), {"p": 0.5}])
    adapted.backward([np.ones((4, 5))], [np.ones((4, 5))])
    assert (first, np.random.rand()) == expected


def test_tensors_and_lists_are_arrays():
    found = [adapt(np.tanh, lambda g, x: g, [x]).leaves[0].value for x in (torch.ones(2), jnp.ones(2), [1.0, 1.0])]
    assert all(isinstance(x, np.ndarray) and x.tolist() == [1, 1] for x in found)


@pytest.mark.parametrize(
    "given, says",
    [
        ((lambda x: x, None, [(4,)]), "no style of code is recognised in <lambda> without a backward; these are:\n"),
        (("softmax", None, [(4,)]), "no style of code is recognised in str without"),
        ((affine_forward, affine_backward, AFFINE[:2]), "affine_forward raises TypeError with x (4, 5), w (5, 3): "),
        ((lambda x: x @ x, lambda g, x: g, [(4, 5)]), "<lambda> raises ValueError with x (4, 5): matmul"),
        ((lambda x: x, lambda p, q, r: p, [(4,)]), "<lambda>(p, q, r) does not fit <lambda>, which took 1 and"),
        ((lambda x: (None, x), lambda dout, cache: None, [(4,)]), "<lambda> gives None: it is not written yet"),
        ((lambda x: None, lambda g, x: None, [(4,)]), "<lambda> gives None: it is not written yet"),
        ((Affine, None, [(4, 5)]), "Affine is a class that needs W, b: give an object instead, Affine(...)"),
        ((Affine(W, B), None, [(4, 4)]), "Affine.forward raises ValueError with x (4, 4): matmul"),
        ((anp.dot, None, [(4,)]), "dot raises TypeError with "),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(given, says):
    with pytest.raises(StyleError) as caught:
        adapt(*given)
    assert str(caught.value).startswith(says), str(caught.value)


def test_a_cache_may_be_an_input_or_an_output_itself():
    """As in exercises: it is no further output, and nobody asks for its gradient."""

    def relu_forward(x):
        return np.maximum(x, 0), x

    def relu_backward(dout, x):
        return dout * (x > 0)

    def sigmoid_forward(x):
        y = 1 / (1 + np.exp(-x))
        return y, y

    def sigmoid_backward(dout, y):
        return dout * y * (1 - y)

    x, g = np.array([[1.0, -2.0, 0.5]]), np.array([[3.0, 4.0, 5.0]])
    for forward, backward, wanted in (
        (relu_forward, relu_backward, [[3, 0, 5]]),
        (sigmoid_forward, sigmoid_backward, g * sigmoid_forward(x)[0] * sigmoid_forward(-x)[0]),
    ):
        adapted = adapt(forward, backward, [x])
        assert len(adapted.forward(x)) == 1
        np.testing.assert_allclose(adapted.backward([g], [x])[0], wanted)


def test_outputs_without_a_derivative_are_left_out():
    """The running statistics that a batch norm gives in training."""
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(6, 3)), np.zeros(3), np.ones(3), rng.normal(size=3), rng.normal(size=3)]
    rule = pullback.batch_norm.at(dict(training=True))[0]
    adapted = adapt(rule, None, inputs)
    assert len(adapted.forward(*inputs)) == 1
    report = pullback.check(rule, None, *inputs)
    assert report.verdict == "right", str(report)


class Slot:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class Summed:
    """The gradient of its bias is a single number, wherever it is kept."""

    def __init__(self, kept):
        self.kept, self.W = kept, RNG.normal(size=(5, 3))
        if kept == "attribute":
            self.b = RNG.normal(size=3)
        elif kept == "dict":
            self.params, self.grads = {"b": RNG.normal(size=3)}, {}
        else:
            self.bias = Slot(RNG.normal(size=3))

    def forward(self, x):
        self.x = x
        return (
            x @ self.W
            + {"attribute": lambda: self.b, "dict": lambda: self.params["b"]}.get(self.kept, lambda: self.bias.data)()
        )

    def backward(self, g):
        self.dW = self.x.T @ g
        if self.kept == "attribute":
            self.db = g.sum()
        elif self.kept == "dict":
            self.grads["b"] = g.sum()
        else:
            self.bias.grad = g.sum()
        return g @ self.W.T


@pytest.mark.parametrize("kept, name", [("attribute", "b"), ("dict", "params.b"), ("object", "bias.data")])
def test_a_parameter_whose_gradient_is_a_single_number_is_judged(kept, name):
    report = pullback.check(Summed(kept), None, (4, 5))
    assert {each.name: each.verdict for each in report.findings} == {"x": "right", "W": "right", name: "wrong"}
    assert "shape (), needs (3,)" in report.leading.causes[0].evidence


class Stack:
    """Layers in a tuple, as those of `*layers` are."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g):
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g


def test_layers_in_a_tuple_are_looked_into():
    report = pullback.check(Stack(Summed("attribute")), None, (4, 5))
    assert {each.name: each.verdict for each in report.findings} == {
        "x": "right", "layers.0.W": "right", "layers.0.b": "wrong"
    }  # fmt: skip
