"""Neighbours in a Sequential that have a kernel together are one step, and nobody can tell but by the clock."""

import copy

import numpy as np
import pytest

import pullback as pb
from pullback import nn, train
from pullback.errors import OptionError, ShapeError
from pullback.nn import sequential


@pytest.fixture
def apart(monkeypatch):
    """Calls a function while every layer is a step of its own."""

    def call(function, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(sequential, "together", lambda group, x: None)
            return function(*args, **kwargs)

    return call


def places(at):
    """The names of the steps."""
    return ["-".join(names) for names in at.pieces]


X = np.random.default_rng(0).normal(size=(5, 2, 6, 7)).astype(np.float32)
NEIGHBOURS = {
    "conv, relu, pool": (lambda: (nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)), ["0-1-2"]),
    "without bias": (lambda: (nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2, 1)), ["0-1-2"]),
    "conv, relu": (lambda: (nn.Conv2d(2, 16, 3), nn.ReLU(), nn.Identity()), ["0-1", "2"]),
    "narrow": (lambda: (nn.Conv2d(2, 6, 5, padding=3), nn.ReLU(), nn.Identity()), None),  # some machines have a kernel
    "depthwise": (lambda: (nn.Conv2d(2, 2, 3, groups=2), nn.ReLU(), nn.Identity()), ["0", "1", "2"]),
    "another kink": (lambda: (nn.Conv2d(2, 4, 3), nn.ReLU(kink="torch"), nn.MaxPool2d(2)), ["0", "1", "2"]),
    "relu, pool": (lambda: (nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2)), ["0", "1-2"]),
    "linear, relu": (lambda: (nn.Linear(7, 33), nn.ReLU(), nn.Identity()), ["0-1", "2"]),
    "without bias, relu": (lambda: (nn.Identity(), nn.Linear(7, 9, bias=False), nn.ReLU()), ["0", "1-2"]),
    "gelu": (lambda: (nn.Linear(7, 33), nn.GELU(), nn.Conv2d(2, 4, 1)), ["0", "1", "2"]),
    "inside": (lambda: (nn.Sequential(nn.Conv2d(2, 16, 3), nn.ReLU()), nn.Identity(), nn.Identity()), ["0", "1", "2"]),
    "around": (lambda: (nn.Residual(nn.Linear(7, 7), nn.ReLU()), nn.Identity(), nn.Identity()), ["0", "1", "2"]),
}


def network(layers):
    """Those three layers, and three behind them."""
    features = nn.Sequential(*layers())(X, training=True)[0].size
    return nn.Sequential(*layers(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(features, 3), rng=0)


@pytest.mark.parametrize("layers, joined", NEIGHBOURS.values(), ids=list(NEIGHBOURS))
def test_as_one_step_they_give_what_they_give_one_by_one(layers, joined, apart):
    """Bit for bit: the output, every gradient, and what somebody asks who walks, or moves along a tangent."""
    model = network(layers)
    model.linearize(X, training=True, rng=1)
    model.draw(1)  # other arrays in the layers' places
    rng = np.random.default_rng(2)
    tangents = {name: rng.normal(size=p.shape).astype("f4") for name, p in model.parameters.items()}
    tangents = {name: tangents[name] for name in model.trainable}
    for training in (True, False):
        y, at = model.linearize(X, training, rng=1)
        wanted, path = apart(model.linearize, X, training, rng=1)
        assert joined is None or places(at) == [*joined, "3", "4", "5"]
        assert places(path) == ["0", "1", "2", "3", "4", "5"]
        np.testing.assert_array_equal(y, wanted)
        np.testing.assert_array_equal(model(X, training, rng=1), wanted)
        assert at.updates.keys() == path.updates.keys() and list(at.steps) == list(path.steps)
        gy = np.cos(y)
        for x in (True, False):
            (gx, found), (due, gradients) = at.vjp(gy, x), path.vjp(gy, x)
            assert found.keys() == gradients.keys() == {*model.trainable}
            assert (gx is None) == (due is None) == (not x)
            for one, other in ((gx, due), *((found[name], gradients[name]) for name in found)):
                np.testing.assert_array_equal(one, other)
            for (place, g, own), (name, due, gradients) in zip(at.walk(gy, x), path.walk(gy, x), strict=True):
                assert place == name and own.keys() == gradients.keys()
                np.testing.assert_array_equal(g, due)
        np.testing.assert_array_equal(at.jvp(X, tangents), path.jvp(X, tangents))


def test_the_derivative_of_an_inner_layer_is_there():
    """With its second derivative and its Jacobian."""
    model = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2), rng=0)
    x = X[0, 0]
    _, at = model.linearize(x)
    assert places(at) == ["0-1", "2"]
    z, w, tw = model[0](x), model[0].own["weight"], np.ones((5, 7), "f4")
    linear, relu = at.steps["0"].at, at.steps["1"].at
    np.testing.assert_array_equal(relu.jacobian() @ z, np.maximum(z, 0))
    np.testing.assert_allclose(linear.jacobian()[0] @ x, x @ w.T, rtol=1e-5)
    np.testing.assert_allclose(linear.hvp(z, (np.zeros_like(x), tw))[0], z @ tw, rtol=1e-5)  # gx = gy w


def test_the_zeros_of_a_result_have_no_sign():
    model = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), rng=0)
    y, at = model.linearize(X)
    assert places(at) == ["0", "1"] and not np.signbit(y).any() and not y.all()
    assert places(model.linearize(X, training=True)[1]) == ["0-1"]


def test_in_training_as_in_a_loop_of_ones_own():
    """The trainer's loop and README's make the same steps, bit for bit."""

    def make():
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 9), nn.ReLU(), nn.Linear(9, 3), rng=0
        )

    one, two, t = make(), make(), np.arange(5) % 3
    train.fit(one, (X, t), epochs=1, batch=5, optimizer=train.SGD(0.1))
    order = np.random.default_rng([0, 1]).permutation(5)
    y, at = two.linearize(X[order], training=True)
    _, down = pb.cross_entropy.linearize(y, t[order])
    train.SGD(0.1).step(two.parameters, at.vjp(down.vjp(1.0)[0])[1])
    for name, p in one.parameters.items():
        np.testing.assert_array_equal(two.parameters[name], p)


def test_what_no_kernel_takes_is_left_to_the_layers(apart):
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Identity(), rng=0)
    for x in (X[:0], X.astype(float), X[0].tolist()):
        own = model if np.asarray(x).dtype == np.float32 else model.astype(float)
        y, at = own.linearize(x)
        assert places(at) == ["0", "1", "2", "3"]
        np.testing.assert_array_equal(y, apart(own, x))
    with pytest.raises(ShapeError, match=r"layer 0 \(Conv2d\)"):
        model.linearize(X[:, :1])
    with pytest.raises(OptionError, match=r"layer 2 \(MaxPool2d\)"):
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(9), nn.Identity(), rng=0)(X)


def test_a_layer_of_ones_own_is_no_neighbour():
    class Doubled(nn.Layer):
        def arguments(self, x, training=False, rng=None):
            x, w, b = super().arguments(x, training, rng)
            return x, 2 * w, b

    layer = nn.Conv2d(2, 4, 3)
    layer.__class__ = Doubled
    assert places(nn.Sequential(layer, nn.ReLU(), nn.Identity()).linearize(X)[1]) == ["0", "1", "2"]


def test_neighbours_part_when_something_else_stands_there(apart):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Identity())
    assert places(model.linearize(X)[1]) == ["0-1-2", "3"]
    model.layers[2].rule = model.layers[2].learning = nn.MaxPool2d(3).rule
    np.testing.assert_array_equal(model(X), apart(model, X))
    altered = copy.copy(nn.MaxPool2d(3).rule)
    altered.__dict__["forward"] = lambda x: (np.zeros((5, 4, 1, 1), "f4"), ())
    model.layers[2].rule = model.layers[2].learning = altered
    assert not model(X).any()
    model.parts["1"] = nn.Tanh()
    model.layers[2].rule = model.layers[2].learning = nn.MaxPool2d(2).rule
    assert places(model.linearize(X)[1]) == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(model(X), apart(model, X))
