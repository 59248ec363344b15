"""Gradients of parameters under names that nobody knows: judged where shapes, names, numbers or order tell whose they
are, and said not to be judged elsewhere."""

import numpy as np
import pytest

import pullback as pb

RNG = np.random.default_rng(0)
SHAPES = {"weight": (5, 3), "bias": (3,)}


class Layer:
    """How it keeps its gradients is said by `keep`; `factor` is a mistake, if it is not 1."""

    def __init__(self, keep, factor=1):
        self.weight, self.bias = RNG.normal(size=(5, 3)), RNG.normal(size=3)
        self.keep, self.factor = keep, factor

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.weight + self.bias)

    def backward(self, g):
        dz = g * (1 - np.tanh(self.x @ self.weight + self.bias) ** 2)
        self.keep(self, self.factor * self.x.T @ dz, dz.sum(0))
        return dz @ self.weight.T


def attributes(layer, dw, db):
    layer.g_w, layer.g_b = dw, db


def other_words(layer, dw, db):
    layer.change, layer.shift = dw, db


def a_list(layer, dw, db):
    layer.grads = [dw, db]


def a_tuple(layer, dw, db):
    layer.grads = (dw, db)


def a_dict(layer, dw, db):
    layer.of_parameters = {"first": dw, "second": db[None]}


@pytest.mark.parametrize("keep", [attributes, other_words, a_list, a_tuple, a_dict])
def test_shapes_tell_whose_gradients_they_are(keep):
    assert verdicts(pb.check(Layer(keep), None, (4, 5))) == {"x": "right", "weight": "right", "bias": "right"}
    report = pb.check(Layer(keep, factor=3), None, (4, 5))
    assert verdicts(report) == {"x": "right", "weight": "wrong", "bias": "right"}
    assert report.cause == "constant_factor" and not any("not judged" in text for text in report.power)


def verdicts(report):
    return {finding.name: finding.verdict for finding in report.findings}


class Square:
    """Two matrices of one shape."""

    def __init__(self, keep, mistake=1):
        self.query, self.key = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
        self.keep, self.mistake = keep, mistake

    def forward(self, x):
        self.x = x
        return (x @ self.query) * np.tanh(x @ self.key)

    def backward(self, g):
        q, t = self.x @ self.query, np.tanh(self.x @ self.key)
        dq, dk = g * t, g * q * (1 - t**2)
        self.keep(self, self.x.T @ dq, self.mistake * self.x.T @ dk)
        return dq @ self.query.T + dk @ self.key.T


def named(layer, dq, dk):
    layer.k_update, layer.q_update = dk, dq


def swapped(layer, dq, dk):
    layer.k_update, layer.q_update = dq, dk


def in_order(layer, dq, dk):
    layer.updates = [dq, dk]


def from_the_last(layer, dq, dk):
    layer.updates = [dk, dq]


def without_order(layer, dq, dk):
    layer.one, layer.another = dk, dq


BOTH = {"x": "right", "query": "right", "key": "right"}


@pytest.mark.parametrize("keep", [named, in_order, from_the_last, without_order])
def test_of_one_shape_what_is_right_is_so(keep):
    assert verdicts(pb.check(Square(keep), None, (4, 3))) == BOTH


@pytest.mark.parametrize("keep", [named, in_order])
def test_of_one_shape_names_and_the_order_of_a_list_tell(keep):
    assert verdicts(pb.check(Square(keep, mistake=2), None, (4, 3))) == BOTH | {"key": "wrong"}


def test_gradients_under_the_name_of_the_other_are_wrong():
    report = pb.check(Square(swapped), None, (4, 3))
    assert verdicts(report) == {"x": "right", "query": "wrong", "key": "wrong"} and report.cause == "index_routing"


def test_where_nothing_tells_it_is_said_and_how_to_say_it():
    report = pb.check(Square(without_order, mistake=2), None, (4, 3))
    assert report.verdict == "right" and verdicts(report) == {"x": "right"}
    (text,) = [text for text in report.power if "not judged" in text]
    assert "forward moves with query, key" in text and "keep it as dquery, say, or return it behind those" in text


class Scaled:
    """The scale is a constant of the shape of one batch; backward keeps the gradient before it."""

    def __init__(self):
        self.scale, self.weight = RNG.uniform(1, 2, (4, 3)), RNG.normal(size=(5, 3))

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.weight) * self.scale

    def backward(self, g):
        self.between = g * self.scale
        dz = self.between * (1 - np.tanh(self.x @ self.weight) ** 2)
        self.dweight = self.x.T @ dz
        return dz @ self.weight.T


def test_a_gradient_on_the_way_is_nobodys():
    report = pb.check(Scaled(), None, (4, 5))
    assert verdicts(report) == {"x": "right", "weight": "right"}
    assert any("forward moves with scale" in text for text in report.power)


class Moving(Layer):
    """It moves its parameters itself, and keeps by how much."""

    def backward(self, g):
        dx = super().backward(g)
        self.weight = self.weight - 0.1 * self.change
        self.change = 0.1 * self.change
        return dx


def test_a_step_that_is_kept_is_no_gradient():
    report = pb.check(Moving(other_words), None, (4, 5))
    assert verdicts(report) == {"x": "right", "bias": "right"}
