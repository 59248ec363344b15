"""`order=2`: the derivative of the backward is judged where there is one; nothing is claimed where there is none."""

import numpy as np
import pytest

import pullback
from pullback.errors import OptionError

X = np.random.default_rng(0).normal(size=(3, 4))


def of_torch(double_backward=lambda x, g, u: (u * 3 * x**2, 6 * x * g * u)):
    """x³ with a backward that is itself a Function."""
    torch = pytest.importorskip("torch")

    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, x):
            ctx.save_for_backward(g, x)
            return 3 * x**2 * g

        @staticmethod
        def backward(ctx, u):
            g, x = ctx.saved_tensors
            return double_backward(x, g, u)

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return Slope.apply(g, *ctx.saved_tensors)

    return Cube


def test_double_backward_of_torch():
    assert pullback.check(of_torch(), None, X, order=2).verdict == "right"
    wrong = of_torch(lambda x, g, u: (u * 3 * x**2, 3 * x * g * u))
    assert pullback.check(wrong, None, X).verdict == "right"
    report = pullback.check(wrong, None, X, order=2)
    assert report.verdict == "wrong" and report.cause == "higher_order"
    assert [finding.name for finding in report.findings if finding.verdict == "wrong"] == ["x, second"]
    assert report.causes[1].name == "constant_factor"
    assert pullback.check(of_torch(lambda x, g, u: (u, 6 * x * g * u)), None, X, order=2).leading.name == "gy, second"


def test_what_is_not_twice_differentiable_cannot_be_judged():
    torch = pytest.importorskip("torch")

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    report = pullback.check(Once, None, X, order=2)
    assert report.verdict == "cannot judge" and "once_differentiable" in report.reason
    report = pullback.check(lambda x: x**3, lambda g, x: 3 * x**2 * g, X, order=2)
    assert report.verdict == "cannot judge" and "no second one" in report.reason
    assert pullback.check(lambda x: x**3, lambda g, x: x**2 * g, X, order=2).verdict == "wrong"


def test_custom_vjp_of_jax():
    jax = pytest.importorskip("jax")

    def with_slope(slope):
        cube = jax.custom_vjp(lambda x, w: w * x**3)
        back = lambda kept, g: (slope(kept[0]) * kept[1] * g, jax.numpy.sum(g * kept[0] ** 3))
        cube.defvjp(lambda x, w: (w * x**3, (x, w)), back)
        return cube

    w = np.array(0.7)
    assert pullback.check(with_slope(lambda x: 3 * x**2), None, X, w, order=2).verdict == "right"
    stopped = with_slope(lambda x: 3 * jax.lax.stop_gradient(x) ** 2)
    assert pullback.check(stopped, None, X, w).verdict == "right"
    assert pullback.check(stopped, None, X, w, order=2).cause == "higher_order"


def test_functions_of_autograd():
    anp = pytest.importorskip("autograd.numpy")
    smooth = lambda x, w: anp.tanh(anp.dot(x, w))
    assert pullback.check(smooth, None, X, X.T[:, :2], order=2).verdict == "right"


@pytest.mark.parametrize("name, shapes", [("softmax", [(2, 3)]), ("layer_norm", [(2, 4), (4,), (4,)])])
def test_rules_bring_their_hvp(name, shapes):
    assert pullback.check(getattr(pullback, name), None, *shapes, order=2).verdict == "right"


def test_a_wrong_hvp_is_found(monkeypatch):
    kind = type(pullback.softmax)
    right = kind.hvp
    monkeypatch.setattr(kind, "hvp", lambda self, *arrays: 2 * right(self, *arrays))
    report = pullback.check(pullback.softmax, None, (2, 3), order=2)
    assert report.cause == "higher_order" and report.leading.name == "x, second"


def test_orders_that_make_no_sense():
    for options in (dict(order=3), dict(order=2, mode="jvp")):
        with pytest.raises(OptionError, match="it is 1, or 2"):
            pullback.check(lambda x: x, lambda g, x: g, X, **options)
