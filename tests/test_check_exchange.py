"""What forward leaves for backward is exchanged: where that makes the gradient right, it is the cause."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from causes import named

import pullback as pb
from pullback.check.adapters.handing import exchanged, ways


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def pulled(g, p):
    return p * (g - (g * p).sum(-1, keepdims=True))


class Softmax:
    """Its backward reads self.x, where it should read self.y."""

    def forward(self, x):
        self.x, self.y = x, softmax(x)
        return self.y

    def backward(self, g):
        return pulled(g, self.x)


class TorchSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.softmax(x, -1)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(-1, keepdim=True))


class TorchAttribute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return torch.softmax(x, -1)

    @staticmethod
    def backward(ctx, g):
        return ctx.x * (g - (g * ctx.x).sum(-1, keepdim=True))


@jax.custom_vjp
def jax_softmax(x):
    return jax.nn.softmax(x)


jax_softmax.defvjp(
    lambda x: (jax.nn.softmax(x), {"kept": (x,)}),
    lambda kept, g: (kept["kept"][0] * (g - (g * kept["kept"][0]).sum(-1, keepdims=True)),),
)


def closed(x):
    return softmax(x), lambda g: pulled(g, x)


@pytest.mark.parametrize(
    "layer",
    [
        (lambda x: (softmax(x), x), pulled),
        (lambda x: (softmax(x), {"numbers": [x]}), lambda g, cache: pulled(g, cache["numbers"][0])),
        (softmax, lambda g, x: pulled(g, x)),
        (closed, None),
        (Softmax(), None),
        (TorchSoftmax, None),
        (TorchAttribute, None),
        (jax_softmax, None),
    ],
    ids=["cache", "dict", "inputs", "closure", "object", "torch", "torch attribute", "jax"],
)
def test_the_input_is_kept_where_the_output_is_needed(layer):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x = jnp.asarray(x) if layer[0] is jax_softmax else x
    with jax.enable_x64(True):
        report = pb.check(*layer, x)
    assert report.cause == "saved_wrong_tensor"
    assert report.causes[0].evidence.startswith("right once the output y stands where x is kept")


def test_every_step_of_time_keeps_the_wrong_one():
    def forward(x, w):
        h, cache = np.zeros(w.shape[0]), []
        for row in x:
            before, h = h, np.tanh(row + h @ w)
            cache.append((before, h, row))
        return h, (cache, w)

    def backward(dh, cache):
        steps, w = cache
        dx, dw = np.zeros((len(steps), len(w))), np.zeros_like(w)
        for t in reversed(range(len(steps))):
            _, h, row = steps[t]
            da = dh * (1 - h**2)
            dx[t], dw, dh = da, dw + np.outer(row, da), da @ w.T
        return dx, dw

    causes, evidence = named(forward, backward, (4, 3), (3, 3))
    assert causes[0] == "saved_wrong_tensor"
    assert "right once cache[0][t][0] stands where cache[0][t][2] is kept" in evidence


class Scale:
    def __init__(self):
        self.w, self.b = np.linspace(0.5, 2, 12).reshape(3, 4), np.ones((3, 4))


def by_cache(scale):
    forward = lambda x: (softmax(x * scale.w), (scale, x))
    return forward, lambda g, cache: cache[0].w * pulled(g, cache[1])


def by_closure(scale):
    def layer(x):
        return softmax(x * scale.w), lambda g: scale.w * pulled(g, x)

    return layer, None


@pytest.mark.parametrize("layer", [by_cache, by_closure])
def test_what_was_there_is_there_again(layer):
    """The user's own objects, in caches and in cells, are not written to, nor are the arrays in them."""
    scale = Scale()
    w, b = scale.w, scale.b
    report = pb.check(*layer(scale), (3, 4))
    assert report.cause == "saved_wrong_tensor"
    assert scale.w is w and scale.b is b
    assert np.array_equal(w, np.linspace(0.5, 2, 12).reshape(3, 4)) and np.array_equal(b, np.ones((3, 4)))


def test_ways_and_back():
    kept = ({"a": [np.ones(2), np.zeros(2)]}, np.arange(3), 1.0)
    (first, _), (second, _) = ways(kept)
    assert first == (0, "a", 0) and second == (0, "a", 1)
    other = exchanged(kept, second, np.full(2, 7.0))
    assert np.array_equal(other[0]["a"][1], [7, 7]) and not kept[0]["a"][1].any()


def test_cells_hold_what_they_held():
    """Another weight may stand in a cell for a while; the same function has its own one afterwards."""
    weight = np.full((3, 4), 2.0)

    def layer(x):
        return softmax(x * weight), lambda g: weight * pulled(g, x)

    pb.check(layer, None, (3, 4))
    assert np.array_equal(layer(np.ones((3, 4)))[0], softmax(np.full((3, 4), 2.0)))
    assert layer.__closure__[0].cell_contents is weight


def test_what_backward_leaves_in_a_cell_shows_in_its_next_run():
    kept = None

    def layer(x):
        def back(g):
            nonlocal kept
            kept = 2 * g * x if kept is None else kept
            return kept

        return x**2, back

    report = pb.check(layer, None, (3, 4))
    assert report.verdict == "wrong" and report.cause == "stale_buffer"
