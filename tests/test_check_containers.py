"""Arrays inside of dicts, lists, tuples, records and objects: each is an input like any other, or it is said that it is
none. What is right in such a style is never accused."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pullback as pb
from pullback.check.adapters import StyleError

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3)), RNG.normal(size=3)
Named = namedtuple("Named", "w b")


@dataclass
class Data:
    w: object
    b: object


@dataclass(frozen=True)
class Frozen:
    w: object
    b: object
    name: str = "dense"
    size: tuple = (5, 3)


class Plain:
    def __init__(self, w, b):
        self.w, self.b = w, b


RECORDS = [Named, Data, Frozen, Plain, lambda w, b: SimpleNamespace(w=w, b=b)]


def verdicts(report):
    return {finding.name: finding.verdict for finding in report.findings}


def tree(scale):
    """x @ w, whose dW is so many times what it should be, in three frameworks; p["w"], or p[0]."""

    class Times(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g @ w.T, scale * x.T @ g

    def of(key, make):
        @jax.custom_vjp
        def times(p, x):
            return x @ p[key]

        times.defvjp(lambda p, x: (x @ p[key], (x, p)), lambda c, g: (make(scale * c[0].T @ g), g @ c[1][key].T))
        return times

    named, placed = lambda w: {"w": w}, lambda w: (w,)
    tensor, array = torch.tensor, jnp.asarray
    yield lambda p, x: Times.apply(x, p["w"]), named(tensor(W)), tensor(X)
    yield lambda p, x: Times.apply(x, p["w"]), named(tensor(W, requires_grad=True)), tensor(X)
    yield lambda p, x: Times.apply(x, p[0]), [tensor(W)], tensor(X)
    yield lambda p, x: Times.apply(x, p[0]["w"]), (named(tensor(W)),), tensor(X)
    yield of("w", named), named(array(W)), array(X)
    yield of(0, placed), placed(array(W)), array(X)


@pytest.mark.parametrize("k", range(6))
def test_arrays_of_a_framework_are_judged_inside_of_containers(k):
    forward, p, x = list(tree(1.0))[k]
    assert set(verdicts(pb.check(forward, None, p, x)).values()) == {"right"}
    forward, p, x = list(tree(0.5))[k]
    wrong = pb.check(forward, None, p, x)
    assert wrong.verdict == "wrong" and wrong.cause == "constant_factor"
    assert sorted(verdicts(wrong).values()) == ["right", "wrong"] and verdicts(wrong)["x"] == "right"


def test_containers_alone_say_which_framework_it_is():
    assert pb.check(lambda p: p["a"] * p["b"], None, {"a": jnp.arange(3.0), "b": jnp.ones(3)}).verdict == "right"
    assert pb.check(lambda p: p[0] * p[1], None, [torch.ones(3), torch.arange(3.0)]).verdict == "right"
    found = pb.check(lambda x, p: anp.tanh(x @ p["w"]), None, X, {"w": W})
    assert verdicts(found) == {"x": "right", "w": "right"}


def test_layers_of_pytorch_and_jax_take_their_parameters_in_containers():
    linear = torch.nn.Linear(5, 3).double()
    called = pb.check(
        lambda p, x: torch.func.functional_call(linear, p, (x,)), None, dict(linear.named_parameters()), torch.tensor(X)
    )
    assert verdicts(called) == {"weight": "right", "bias": "right", "x": "right"}
    cell = pb.check(torch.nn.LSTMCell(2, 3), None, torch.ones(4, 2), (torch.zeros(4, 3), torch.ones(4, 3)))
    assert cell.verdict == "right" and {"hx[0]", "hx[1]", "weight_hh"} <= verdicts(cell).keys()
    layers = [{"w": jnp.asarray(W), "b": jnp.asarray(B)}, {"w": jnp.ones((3, 2)), "b": jnp.ones(2)}]

    def network(layers, x):
        for layer in layers:
            x = jnp.tanh(x @ layer["w"] + layer["b"])
        return x

    found = pb.check(network, None, layers, jnp.asarray(X))
    assert list(verdicts(found)) == ["layers[0].w", "layers[0].b", "layers[1].w", "layers[1].b", "x"]
    assert found.verdict == "right"


def test_dice_of_jax_are_no_input():
    def dropped(p, x):
        return x * p["w"] * jax.random.bernoulli(p["key"], 0.5, x.shape)

    for key in (jax.random.key(0), jax.random.PRNGKey(0)):
        assert verdicts(pb.check(dropped, None, {"w": jnp.ones(3), "key": key}, jnp.ones(3))) == dict(
            w="right", x="right"
        )
    assert (
        pb.check(lambda key, x: x * jax.random.normal(key, x.shape), None, jax.random.key(1), jnp.ones(3)).verdict
        == "right"
    )


def test_what_torch_does_not_differentiate_by_is_no_fault():
    given = {"t": torch.tensor([0, 2, 1, 1]), "w": torch.tensor([1.0, 2.0, 3.0]).double()}
    loss = lambda x, p: torch.nn.functional.cross_entropy(x, p["t"], weight=p["w"])
    assert pb.check(loss, None, torch.tensor(RNG.normal(size=(4, 3))), given).verdict == "right"


def test_what_a_function_of_tensors_names_and_is_not_given_is_said():
    w, linear = torch.tensor(W, requires_grad=True), torch.nn.Linear(5, 3).double()
    named = pb.check(lambda x: torch.tanh(x @ w), None, torch.tensor(X))
    assert any(text.startswith("w: forward moves with what it is not given") for text in named.power)
    module = pb.check(lambda x: torch.tanh(linear(x)), None, torch.tensor(X))
    assert any(text.startswith("linear.weight, linear.bias: ") for text in module.power)
    given = pb.check(lambda layer, x: layer(x), None, linear, torch.tensor(X))
    assert any(text.startswith("layer.weight, layer.bias: ") for text in given.power)
    assert not pb.check(lambda x, w: torch.tanh(x @ w), None, torch.tensor(X), w).power
    assert not pb.check(linear, None, torch.tensor(X)).power


def test_what_a_function_of_tensors_gives_in_a_dict_is_judged():
    assert verdicts(pb.check(lambda x: {"a": x**2, "b": torch.sin(x)}, None, torch.arange(3.0))) == {"x": "right"}


@pytest.mark.parametrize("make", RECORDS)
def test_parameters_and_gradients_in_records(make):
    forward = lambda x, p: x @ p.w + p.b
    right = pb.check(forward, lambda g, x, p: (g @ p.w.T, make(x.T @ g, g.sum(0))), X, make(W, B))
    assert verdicts(right) == {"x": "right", "w": "right", "b": "right"}
    wrong = pb.check(forward, lambda g, x, p: (g @ p.w.T, make(x.T @ g, g.mean(0))), X, make(W, B))
    assert verdicts(wrong) == {"x": "right", "w": "right", "b": "wrong"} and wrong.cause == "constant_factor"
    assert wrong.name == "<lambda>"
    as_dict = pb.check(forward, lambda g, x, p: (g @ p.w.T, {"db": g.sum(0), "dw": x.T @ g}), X, make(W, B))
    one_by_one = pb.check(forward, lambda g, x, p: (g @ p.w.T, x.T @ g, g.sum(0)), X, make(W, B))
    first = pb.check(lambda p, x: forward(x, p), lambda g, p, x: (g @ p.w.T, x.T @ g, g.sum(0)), make(W, B), X)
    assert as_dict.verdict == one_by_one.verdict == first.verdict == "right"


@pytest.mark.parametrize("make", RECORDS)
def test_records_of_tensors(make):
    if make is Plain:
        pytest.skip("torch is never given one")
    found = pb.check(lambda x, p: x @ p.w + p.b, None, torch.tensor(X), make(torch.tensor(W), torch.tensor(B)))
    assert verdicts(found) == {"x": "right", "w": "right", "b": "right"}


def test_gradients_by_name_in_another_order_of_a_dict():
    backward = lambda g, x, p: (g @ p["w"].T, {"b": g.sum(0), "w": x.T @ g})
    assert pb.check(lambda x, p: x @ p["w"] + p["b"], backward, X, {"w": W, "b": B}).verdict == "right"

    def forward(x, net):
        return np.tanh(x @ net["one"]["w"]) @ net["two"]["w"]

    def back(g, x, net, factor=1.0):
        h = np.tanh(x @ net["one"]["w"])
        gh = g @ net["two"]["w"].T * (1 - h**2)
        return gh @ net["one"]["w"].T, {"two": {"w": factor * h.T @ g}, "one": {"w": x.T @ gh}}

    net = {"one": {"w": W}, "two": OrderedDict(w=RNG.normal(size=(3, 2)))}
    assert pb.check(forward, lambda g, x, net: back(g, x, net), X, net).verdict == "right"
    wrong = verdicts(pb.check(forward, lambda g, x, net: back(g, x, net, 2), X, net))
    assert wrong == {"x": "right", "net.one.w": "right", "net.two.w": "wrong"}


def test_gradients_in_a_named_tuple_of_another_order():
    Gradients = namedtuple("Gradients", "dw dx")
    assert pb.check(lambda x, w: x @ w, lambda g, x, w: Gradients(x.T @ g, g @ w.T), X, W).verdict == "right"


def test_the_gradient_of_an_array_is_not_that_of_what_a_container_holds():
    """Both have the same shape."""
    p, x = {"w": RNG.normal(size=(4, 4))}, RNG.normal(size=(4, 4))
    assert verdicts(pb.check(lambda p, x: x @ p["w"], lambda g, p, x: g @ p["w"].T, p, x)) == {"x": "right"}
    assert verdicts(pb.check(lambda p, x: x @ p["w"], lambda g, p, x: {"w": x.T @ g}, p, x)) == {"w": "right"}


def test_gradients_in_the_wrong_order_are_wrong():
    found = pb.check(lambda x, p: x @ p["w"], lambda g, x, p: ({"w": x.T @ g}, g @ p["w"].T), X, {"w": W})
    assert found.verdict == "wrong"


def test_settings_in_a_record_are_no_shapes():
    Window = namedtuple("Window", "stride size")
    forward = lambda x, window: x[:: window.stride] * window.size

    def backward(g, x, window):
        gx = np.zeros_like(x)
        gx[:: window.stride] = g * window.size
        return gx

    assert verdicts(pb.check(forward, backward, (6,), Window(2, 3))) == {"x": "right"}


def test_an_argument_is_named_with_all_that_it_holds():
    forward, backward = lambda x, p: x * p["w"] + p["b"], lambda g, x, p: (g * p["w"], {"w": g * x, "b": g})
    found = pb.check(forward, backward, (3,), {"w": (3,), "b": (3,)}, wrt="p")
    assert verdicts(found) == {"w": "right", "b": "right"}
    lacking = pb.check(forward, lambda g, x, p: g * p["w"], (3,), {"w": (3,), "b": (3,)}, wrt="p")
    assert lacking.verdict == "wrong" and list(verdicts(lacking)) == ["w", "b"]


def test_what_forward_leaves_in_an_object_is_there_for_backward():
    """The object stays what it is then, and the report says that nothing in it is judged."""

    def forward(x, layer):
        layer.x = x
        return x @ layer.w

    def backward(g, layer):
        layer.dw = layer.x.T @ g
        return g @ layer.w.T

    class Layer(SimpleNamespace):
        def reset(self):
            self.x = None

    for kind in (SimpleNamespace, Layer):
        found = pb.check(forward, backward, X, kind(w=W))
        assert verdicts(found) == {"x": "right"}
        assert any("w: what an object holds stays as it is" in text for text in found.power)


def test_an_object_with_methods_stays_as_it_is():
    class Layer(Plain):
        def __call__(self, x):
            return x @ self.w + self.b

    found = pb.check(lambda x, layer: layer(x), lambda g, x, layer: g @ layer.w.T, X, Layer(W, B))
    assert found.verdict == "right" and any(text.startswith("layer.w, layer.b: ") for text in found.power)
    more = pb.check(
        lambda x, layer: layer(x), lambda g, x, layer: (g @ layer.w.T, Plain(x.T @ g, g.sum(0))), X, Layer(W, B)
    )
    assert more.verdict == "cannot judge"


def powers(x):
    return x**2, x**3


def unpacked(grads, x):
    g, h = grads
    return g * 2 * x + h * 3 * x**2


def unpacked_wrong(grads, x):
    g, h = grads
    return g * 2 * x + h * 2 * x**2


def indexed(dout, x):
    return dout[0] * 2 * x + dout[1] * 3 * x**2


@pytest.mark.parametrize("shape", [(4,), (2,), (2, 3)])
def test_gradients_of_several_outputs_in_one_tuple(shape):
    assert pb.check(powers, unpacked, shape).verdict == pb.check(powers, indexed, shape).verdict == "right"
    assert pb.check(powers, unpacked_wrong, shape).verdict == "wrong"


def test_the_gradient_of_the_first_output_alone():
    assert pb.check(powers, lambda g, x: g * 2 * x, (4,)).verdict == "right"
    assert pb.check(powers, lambda g, x: g * 3 * x, (4,)).verdict == "wrong"


def back_in_one(douts, cache, factor=1.0):
    g, h = douts
    x, w = cache
    return g @ w.T + h, factor * x.T @ g


@pytest.mark.parametrize("forward", [
    lambda x, w: (x @ w, x.sum(0), (x, w)), lambda x, w: ((x @ w, x.sum(0)), (x, w)),
])  # fmt: skip
def test_one_tuple_of_gradients_and_a_cache(forward):
    assert pb.check(forward, back_in_one, X, W).verdict == "right"
    wrong = pb.check(forward, lambda douts, cache: back_in_one(douts, cache, 2.0), X, W)
    assert verdicts(wrong) == {"x": "right", "w": "wrong"}


def closures(factor):
    def back(x, w):
        def inner(grads):
            g, h = grads
            return g @ w.T + h, factor * x.T @ g

        return inner

    yield lambda x, w: ((x @ w, x.sum(0)), back(x, w))
    yield lambda x, w: (x @ w, x.sum(0), back(x, w))
    yield lambda x, w: (x @ w, x.sum(0), lambda g, h: back(x, w)((g, h)))


@pytest.mark.parametrize("k", range(3))
def test_closures_take_gradients_one_by_one_or_together(k):
    assert pb.check(list(closures(1.0))[k], None, X, W).verdict == "right"
    assert verdicts(pb.check(list(closures(2.0))[k], None, X, W)) == {"x": "right", "w": "wrong"}


def test_a_closure_for_the_first_output_alone():
    assert pb.check(lambda x, w: (x @ w, x.sum(0), lambda g: (g @ w.T, x.T @ g)), None, X, W).verdict == "right"


class Two:
    def __init__(self):
        self.w = W.copy()

    def forward(self, x):
        self.x = x
        return x @ self.w, x.sum(0)

    def backward(self, grads):
        g, h = grads
        self.dw = self.x.T @ g
        return g @ self.w.T + h


class First(Two):
    def backward(self, dy):
        self.dw = self.x.T @ dy
        return dy @ self.w.T


class Faulty(Two):
    def backward(self, grads):
        return super().backward(grads) / 2


def test_objects_take_them_together_or_for_the_first_output():
    assert pb.check(Two(), None, X).verdict == pb.check(First(), None, X).verdict == "right"
    assert verdicts(pb.check(Faulty(), None, X)) == {"x": "wrong", "w": "right"}


def test_a_pair_draws_one_mask():
    """Backward comes after forward, and goes on drawing where that has stopped."""
    x = np.arange(1.0, 9.0)
    dropout = lambda x: 2 * x * (np.random.rand(*x.shape) > 0.5)
    assert pb.check(dropout, lambda g, x, y: g * y / x, x).verdict == "right"
    assert pb.check(dropout, lambda g, x, y: g * y / x / 2, x).verdict == "wrong"
    assert pb.check(dropout, lambda g, x: 2 * g * (np.random.rand(*x.shape) > 0.5), x).verdict == "wrong"
    kept = {}

    def forward(x):
        kept["mask"] = np.random.rand(*x.shape) > 0.5
        return x * kept["mask"]

    assert pb.check(forward, lambda g, x: g * kept["mask"], x).verdict == "right"
    assert pb.check(lambda x: x * anp.random.rand(*x.shape), None, x).verdict == "right"
    own = pb.check(lambda x: x * np.random.default_rng().random(x.shape), lambda g, x: g, x)
    assert own.verdict == "cannot judge"


def test_what_is_no_style_says_so():
    with pytest.raises(StyleError, match="mode='jvp' is for arrays, and p holds some"):
        pb.check(lambda x, p: x * p["w"], lambda tx, tp, x, p: tx * p["w"] + x * tp["w"], (3,), {"w": (3,)}, mode="jvp")
    with pytest.raises(StyleError, match="raises AttributeError"):
        pb.check(lambda x, p: x @ p.w, lambda g, x, p: g @ p.w.T, X, {"w": W})
