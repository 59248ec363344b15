"""Right code as people write it: none of it is accused, and nothing false is said of it."""

import numpy as np
import pytest
import torch

import pullback
from pullback.check.files.command import outcome
from pullback.check.files.targets import targets

X = np.random.default_rng(0).normal(size=(5, 4))


def single_forward(x, w):
    x, w = x.astype("f4"), w.astype("f4")
    return x @ w, (x, w)


def single_backward(dy, cache):
    x, w = cache
    return (dy @ w.T).astype("f4"), (x.T @ dy).astype("f4")


def test_a_gradient_has_the_precision_that_forward_keeps():
    """float64 came from us: only shapes were given."""
    report = pullback.check(single_forward, single_backward, (5, 4), (4, 3))
    assert report.verdict == "right" and "in the precision of its output" in report.notes[0].evidence
    double = lambda x, w: x @ w
    narrow = lambda dy, x, w: ((dy @ w.T).astype("f4"), x.T @ dy)
    assert pullback.check(double, narrow, (5, 4), (4, 3)).cause == "contract_shape_dtype"


def halved(x):
    return np.float16(x)


def test_what_is_not_judged_is_not_called_right():
    report = pullback.check(halved, lambda g, x: g, X)
    assert report.verdict == "cannot judge" and "half precision" in report.reason
    assert [finding.verdict for finding in report.findings] == ["cannot judge"]


def test_a_gradient_for_each_row_in_a_list():
    largest = lambda rows: (np.stack([row.max(0) for row in rows]), [row.argmax(0) for row in rows])

    def backward(dy, cache):
        gradients = []
        for g, k in zip(dy, cache):
            gradients.append(np.zeros((5, 3)))
            gradients[-1][k, np.arange(3)] = g
        return gradients

    assert pullback.check(largest, backward, (4, 5, 3)).verdict == "right"


def test_more_results_than_inputs_are_nobodys_fault():
    class Dense:
        def __init__(self):
            self.W = X[:4].copy()

        def forward(self, x):
            self.x = x
            return x @ self.W

        def backward(self, g):
            return g @ self.W.T, [(self.W, self.x.T @ g)]

    report = pullback.check(Dense(), None, X)
    assert report.verdict == "cannot judge" and "3 results for 1 input:" in report.reason


class Node:
    def __init__(self, data, *before):
        self.data, self.grad, self.before, self.back = data, 0.0, before, lambda: None

    def times(self, other):
        out = Node(self.data * other.data, self, other)

        def back():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.back = back
        return out

    def backward(self):
        self.grad = 1.0
        node = self
        while node.before:
            node.back()
            node = node.before[0]


def product_forward(x):
    leaves = [Node(float(each)) for each in x]
    y = leaves[0]
    for each in leaves[1:]:
        y = y.times(each)
    return y.data, (leaves, y)


def product_backward(dy, cache):
    leaves, y = cache
    for leaf in leaves:
        leaf.grad = 0.0
    y.backward()
    return dy * np.array([leaf.grad for leaf in leaves])


def test_an_engine_that_adds_up_gradients_goes_back_once():
    """What lies between inputs and output has its gradient twice after a second time."""
    assert pullback.check(product_forward, product_backward, X[0]).verdict == "right"

    def spoiling(dy, cache):
        gradient = product_backward(dy, cache)
        cache[1].before[0].data *= 2
        cache[0][0].data *= 2
        return gradient

    assert pullback.check(product_forward, spoiling, X[0]).cause == "aliasing_inplace"


def test_a_complex_gradient_of_a_real_input_has_no_imaginary_part_that_could_differ():
    """Its imaginary part is left out of every comparison, that of a second call included."""
    forward = lambda x, w: ((x * w).sum(), (x, w))
    report = pullback.check(forward, lambda g, cache: (g * cache[1] + 1j, g * cache[0] + 0j), X, X + 1)
    assert report.verdict == "right"


def settled(x, w):
    """Two hundred turns are just too few where w is -3."""
    z = np.zeros_like(x)
    for _ in range(200):
        z = np.tanh(0.3 * z @ w + x)
    return z, (z, w)


def settled_backward(g, cache):
    z, w = cache
    d, v = 1 - z * z, g
    for _ in range(200):
        v = g + 0.3 * (v * d) @ w.T
    return v * d, 0.3 * z.T @ (v * d)


def test_a_small_error_that_comes_little_by_little_too():
    report = pullback.check(settled, settled_backward, (3, 4), (4, 4))
    assert report.verdict == "right" and any("little by little" in text for text in report.power)


def features(x, b):
    z = 2 * np.pi * x @ b.T
    return np.concatenate([np.cos(z), np.sin(z)], -1), (x, b, z)


def features_backward(dy, cache):
    x, b, z = cache
    dc, ds = np.split(dy, 2, -1)
    dz = 2 * np.pi * (np.cos(z) * ds - np.sin(z) * dc)
    return dz @ b, dz.T @ x


def test_what_turns_within_a_step_has_no_kinks():
    report = pullback.check(features, features_backward, (4, 3), (5, 3))
    assert report.verdict == "right" and not [note for note in report.notes if note.name == "kink_convention"]
    folded = pullback.check(np.abs, lambda g, x: g * np.sign(x), X)
    assert {note.name for note in folded.notes} == {"kink_convention"}


class Slots:
    __slots__ = "w", "dw", "x"

    def __init__(self):
        self.w = X[:4, :3].copy()

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, g):
        self.dw = 2 * self.x.T @ g
        return g @ self.w.T


class Underscored:
    def __init__(self):
        self._w, self._grads = X[:4, :3].copy(), {}

    def forward(self, x):
        self._x = x
        return x @ self._w

    def backward(self, g):
        self._grads["w"] = 2 * self._x.T @ g
        return g @ self._w.T


@pytest.mark.parametrize("layer", [Slots, Underscored])
def test_parameters_are_judged_wherever_an_object_keeps_them(layer):
    report = pullback.check(layer(), None, X)
    assert [finding.verdict for finding in report.findings] == ["right", "wrong"]


def test_a_name_with_an_underscore_takes_no_gradient_from_another():
    class Two(Underscored):
        """coef_ is a copy for users, of which nobody computes a gradient."""

        def __init__(self):
            self.coef, self.coef_ = X[:4, :3].copy(), X[:4, :3] * 1.0

        def forward(self, x):
            self.x = x
            return x @ self.coef + 0 * self.coef_.sum()

        def backward(self, g):
            self.dcoef = self.x.T @ g
            return g @ self.coef.T

    report = pullback.check(Two(), None, X)
    assert report.verdict == "right" and [each.name for each in report.findings] == ["x", "coef"]


def test_a_layer_that_holds_a_generator():
    class Silu:
        def walk(self, x):
            s = 1 / (1 + np.exp(-x))
            g = yield x * s
            yield g * (s + x * s * (1 - s))

        def forward(self, x):
            self.walking = self.walk(x)
            return next(self.walking)

        def backward(self, g):
            return self.walking.send(g)

    assert pullback.check(Silu(), None, X).verdict == "right"


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w.T, x.T @ g


def test_apply_has_the_names_of_its_function():
    report = pullback.check(Linear.apply, None, torch.tensor(X), torch.tensor(X[:4]))
    assert report.name == "Linear" and [finding.name for finding in report.findings] == ["x", "w"]


def test_a_weight_is_no_batch():
    """That forward takes one axis more of it is of no use to anybody."""

    def forward(params, x):
        return params["w"] @ x, (params, x)

    def backward(dy, cache):
        params, x = cache
        return {"w": dy @ x.T}, params["w"].T @ dy

    report = pullback.check(forward, backward, {"w": X}, (4, 3))
    assert report.verdict == "right" and not report.notes


# Of files.

GUESSED = '''
import numpy as np
def tweedie_loss(eta, y, p=1.5):
    mu = np.exp(eta)
    loss = np.mean(-y * mu ** (1 - p) / (1 - p) + mu ** (2 - p) / (2 - p))
    return loss, (-y * mu ** (1 - p) + mu ** (2 - p)) / len(y)
def vae_kl_forward(mu, logvar, eps):
    std = np.exp(0.5 * logvar)
    kl = -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(1).mean()
    return mu + std * eps, kl, (mu, logvar, eps, std)
def vae_kl_backward(dz, dkl, cache):
    mu, logvar, eps, std = cache
    dlogvar = dz * eps * std * 0.5 + dkl * 0.5 * (np.exp(logvar) - 1) / len(mu)
    return dz + dkl * mu / len(mu), dlogvar, dz * std
def masked_mean_forward(x, lengths):
    m = np.arange(x.shape[1])[None] < lengths[:, None]
    return (x * m[..., None]).sum(1) / lengths[:, None], m
def masked_mean_backward(g, m):
    return g[:, None] * m[..., None] / m.sum(1)[:, None, None], None
class Ragged:
    """Its rows end somewhere; where forward does not fit, it has no parameters."""
    def __init__(self):
        self.params = {"w": np.random.default_rng(0).normal(size=(3, 2))}
        self.grads = {"w": np.zeros((3, 2))}
    def forward(self, x, lengths):
        self.x, self.m = x, (np.arange(x.shape[1])[None] < lengths[:, None])[..., None]
        return self.m * (x @ self.params["w"])
    def backward(self, g):
        self.grads["w"] = np.einsum("ntd,nto->do", self.x, g * self.m)
        return (g * self.m) @ self.params["w"].T
'''


@pytest.mark.parametrize("name, verdict", [
    ("tweedie_loss", "cannot judge"), ("vae_kl_backward", "right"), ("masked_mean_backward", "right"),
    ("Ragged", "right"),
])  # fmt: skip
def test_no_guess_accuses_them(name, verdict, tmp_path):
    """tweedie_loss is that of one number for each example, and wrong for more."""
    path = tmp_path / "guessed.py"
    path.write_text(GUESSED)
    (exercise,) = (each for each in targets(str(path)) if each.name == name)
    found = outcome(exercise)
    assert found.verdict == verdict, found.line


def test_a_backward_that_gives_another_number_of_gradients_at_other_sizes():
    """Nothing is known there."""

    def backward(g, x, w):
        found = -g * w, (g * x).sum(0)
        return found if len(x) == 5 else found[:1]

    assert pullback.check(lambda x, w: x * w, backward, X, X[0]).cause == "sign"


class Gate:
    """Of equal scores it takes the first two, and jumps there."""

    def __init__(self):
        self.w = X.copy().T
        self.dw = None

    def forward(self, x):
        z = x @ self.w
        mask = np.zeros_like(z)
        np.put_along_axis(mask, np.argpartition(-z, 1, axis=1)[:, :2], 1.0, 1)
        e = np.exp(z - z.max(1, keepdims=True)) * mask
        p = e / e.sum(1, keepdims=True)
        self.cache = x, p
        return p, p.sum(0).var()

    def backward(self, g, load):
        x, p = self.cache
        g = g + load * 2 * (p.sum(0) - p.sum(0).mean()) / p.shape[1]
        dz = p * (g - (g * p).sum(1, keepdims=True))
        self.dw = x.T @ dz
        return dz @ self.w.T


def test_where_forward_jumps_it_has_no_derivative():
    report = pullback.check(Gate(), None, (3, 4))
    assert report.verdict == "right", str(report)


class Grouped:
    def __init__(self, bias):
        self.fc = {"W": X[:4, :3].copy()}
        self.grad_fc = {"W": np.zeros((4, 3))}
        self.bias = bias

    def forward(self, x):
        self.x = x
        return x @ self.fc["W"] + self.bias

    def backward(self, g):
        self.grad_fc = {"W": self.x.T @ g}
        return g @ self.fc["W"].T


def test_a_parameter_that_is_not_judged_is_said_to_be_none():
    report = pullback.check(Grouped(np.ones(3)), None, X)
    assert report.verdict == "right" and [each.name for each in report.findings] == ["x", "fc.W"]
    assert any("forward moves with bias" in text for text in report.power)
    plain = pullback.check(Grouped(0), None, X)
    assert not [text for text in plain.power if "not judged" in text]


# Networks that bring the gradients of their parameters.


class Net:
    """`factor` is a mistake, if it is not 2."""

    def __init__(self, factor=2):
        rng = np.random.default_rng(1)
        self.params, self.factor = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}, factor

    def loss(self, x, t):
        return ((np.tanh(x @ self.params["W"] + self.params["b"]) - t) ** 2).mean()

    def gradient(self, x, t):
        y = np.tanh(x @ self.params["W"] + self.params["b"])
        da = self.factor * (y - t) / t.size * (1 - y**2)
        return {"W": x.T @ da, "b": da.sum(0)}

    def both(self, x, t):
        return self.loss(x, t), self.gradient(x, t)


@pytest.mark.parametrize("factor, verdict", [(2, "right"), (1, "wrong")])
def test_the_gradients_of_a_network_are_those_of_its_parameters(factor, verdict):
    net = Net(factor)
    for pair in ((net.both, None), (net.loss, net.gradient)):
        report = pullback.check(*pair, X, (5, 3))
        assert report.verdict == verdict
        assert [finding.name for finding in report.findings] == ["params.W", "params.b"]


def test_the_gradient_of_a_classifier_is_that_of_its_only_weights():
    class Classifier:
        def __init__(self):
            self.W = X[:4, :3].copy()

        def loss(self, x, y, reg=0.1):
            scores = x @ self.W
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            rows = np.arange(len(y))
            loss = -np.log(p[rows, y]).mean() + reg * (self.W**2).sum()
            p[rows, y] -= 1
            return loss, x.T @ p / len(y) + 2 * reg * self.W

    report = pullback.check(Classifier().loss, None, X, np.array([0, 2, 1, 1, 0]))
    assert report.verdict == "right" and [finding.name for finding in report.findings] == ["W"]


# What is said of wrong code.


def test_a_path_within_a_step_is_none_through_time():
    """gate is made anew in every turn; what the turn leaves to the next does come back."""

    def forward(x, w):
        h, kept = np.zeros(4), []
        for row in x:
            gate = np.tanh(row * w)
            kept.append((row, h, gate))
            h = 0.5 * h + gate * np.exp(gate)
        return h, (kept, w)

    def backward(g, cache):
        kept, w = cache
        gx, gw = np.zeros((len(kept), 4)), np.zeros(4)
        for t in reversed(range(len(kept))):
            row, _, gate = kept[t]
            slope = g * np.exp(gate) * (1 - gate**2)  # and gate e^gate is missing
            gx[t], gw = slope * w, gw + slope * row
            g = 0.5 * g
        return gx, gw

    report = pullback.check(forward, backward, (3, 4), (4,))
    assert report.cause == "missing_jacobian_term" and "nothing comes back through `gate`" in report.causes[0].evidence


def test_the_operand_is_named_that_has_another_factor():
    def forward(x):
        low, high = x.min(1, keepdims=True), x.max(1, keepdims=True)
        y = (x - low) / (high - low)
        return y, (x, y, high - low)

    def backward(g, cache):
        x, y, width = cache
        rows, gx, up, all_ = np.arange(len(x)), g / width, (g * y).sum(1) / width[:, 0], g.sum(1) / width[:, 0]
        gx[rows, x.argmax(1)] -= up
        gx[rows, x.argmin(1)] += up + all_  # - all_
        return gx

    evidence = pullback.check(forward, backward, X).causes[0].evidence
    assert "what comes back through `low` is -1 times what it should be: `x - low`" in evidence


def test_an_option_of_a_slope_is_no_output_whatever_its_letter():
    elu = lambda x, a=1.0: np.where(x > 0, x, a * (np.exp(x) - 1))
    for slope in (lambda x, a=1.0: np.where(x > 0, 1, a * np.exp(x)), lambda x, s=1.0: np.where(x > 0, 1, np.exp(x))):
        assert pullback.check(elu, slope, (4, 5)).verdict == "right"
    above = lambda g, x, a=1.0: g * np.where(x > 0, 1, a * np.exp(x))
    assert pullback.check(elu, above, (4, 5)).verdict == "right"


DRAWN = {
    "dropout": torch.nn.Dropout(),
    "alpha_dropout": torch.nn.AlphaDropout(),
    "dropout behind relu": lambda x: torch.nn.functional.dropout(torch.relu(x)),
    "rand_like": lambda x: x * torch.rand_like(x),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mask_that_is_drawn_in_the_order_of_memory_is_no_fault(name, dtype):
    assert pullback.check(DRAWN[name], None, torch.tensor(X, dtype=dtype)).verdict == "right"
