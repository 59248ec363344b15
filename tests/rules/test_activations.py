"""What is special to elementwise rules, prelu and glu: their twins in PyTorch, kinks, edges, hyperparameters."""

import pickle

import numpy as np
import pytest
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.discovery import every, find
from pullback.errors import OptionError
from pullback.kinks import WORDS
from pullback.rules.elementwise import Elementwise, Kinked

F = torch.nn.functional
ELEMENTWISE = {name: rule for name, rule in every().items() if isinstance(rule, Elementwise)}
KINKED = [name for name, rule in ELEMENTWISE.items() if isinstance(rule, Kinked)]
EVERYWHERE = np.concatenate([normal(40), 10 * normal(40, seed=1), [-30.0, 30.0]])

# PyTorch's function, and hyperparameters to try.
TWINS = {
    "identity": (lambda x: x * 1, {}),
    "relu": (F.relu, {}),
    "relu6": (F.relu6, {}),
    "leaky_relu": (F.leaky_relu, dict(negative_slope=[0.01, 0.0, -0.5, 2.0])),
    "hardtanh": (F.hardtanh, dict(min_val=[-1.0, -0.25, -3.0], max_val=[1.0, 0.5, -0.25])),
    "clamp": (torch.clamp, dict(min=[-1.0, -0.25, -np.inf], max=[1.0, 0.5, np.inf])),
    "hardsigmoid": (lambda x: F.relu6(x + 3) / 6, {}),  # F.hardsigmoid takes 1/6 in float32 even for float64
    "hardswish": (F.hardswish, {}),
    "softshrink": (F.softshrink, dict(lambd=[0.5, 0.1, 2.0])),
    "hardshrink": (F.hardshrink, dict(lambd=[0.5, 0.0, 2.0])),
    "threshold": (F.threshold, dict(threshold=[0.0, 0.5, -1.0], value=[0.0, 2.0, -1.0])),
    "abs": (torch.abs, {}),
    "square": (torch.square, {}),
    "exp": (torch.exp, {}),
    "log": (torch.log, {}),
    "sqrt": (torch.sqrt, {}),
    "sin": (torch.sin, {}),
    "cos": (torch.cos, {}),
    "sigmoid": (torch.sigmoid, {}),
    "tanh": (torch.tanh, {}),
    "logsigmoid": (F.logsigmoid, {}),
    "softplus": (F.softplus, dict(beta=[1.0, 0.5, 3.0], threshold=[20.0, 2.0, 7.0])),
    "softsign": (F.softsign, {}),
    "tanhshrink": (F.tanhshrink, {}),
    "elu": (F.elu, dict(alpha=[1.0, 0.5, 2.0])),
    "selu": (F.selu, {}),
    "celu": (F.celu, dict(alpha=[1.0, 0.5, 2.0])),
    "silu": (F.silu, {}),
    "mish": (F.mish, {}),
    "gelu": (F.gelu, dict(approximate=["none", "tanh"])),
}
CASES = [(name, options) for name, (_, choices) in TWINS.items() for options in (pairs(**choices) if choices else [{}])]


def test_every_elementwise_rule_has_its_twin():
    assert TWINS.keys() == ELEMENTWISE.keys()


@pytest.mark.parametrize("name, options", CASES)
def test_as_in_pytorch_kinks_included(name, options):
    word = dict(kink="torch") if name in KINKED else {}
    rule = find(name).linearize(1.0, **options, **word)[1].rule
    x = np.concatenate([EVERYWHERE, rule.kinks if name != "softplus" else []])  # rounding decides at threshold / beta
    if name in ("log", "sqrt"):
        x = abs(x) + 0.1
    if name in ("exp", "square"):
        x = x / 4
    same(name, lambda v: TWINS[name][0](v, **options), [x], **options, **word)


JAX = {
    "relu": lambda jax: jax.nn.relu,
    "relu6": lambda jax: jax.nn.relu6,
    "leaky_relu": lambda jax: jax.nn.leaky_relu,
    "hardtanh": lambda jax: jax.nn.hard_tanh,
    "clamp": lambda jax: lambda x: jax.numpy.clip(x, -1, 2),
    "hardsigmoid": lambda jax: jax.nn.hard_sigmoid,
    "hardswish": lambda jax: jax.nn.hard_swish,
    "abs": lambda jax: jax.numpy.abs,
    "elu": lambda jax: lambda x: jax.nn.elu(x, 2.0),
    "selu": lambda jax: jax.nn.selu,
}
JAX_OPTIONS = {"clamp": dict(min=-1, max=2), "elu": dict(alpha=2.0)}


def test_only_softshrink_has_no_twin_in_jax():
    assert set(KINKED) - {"softshrink"} == JAX.keys()


@pytest.mark.parametrize("name", JAX)
def test_kinks_as_in_jax(name):
    jax = pytest.importorskip("jax")
    options = JAX_OPTIONS.get(name, {})
    rule = find(name).linearize(1.0, kink="jax", **options)[1].rule
    for place in rule.kinks:
        theirs = jax.grad(JAX[name](jax))(float(place))
        assert slope(name, place, kink="jax", **options) == pytest.approx(float(theirs), abs=1e-6), place


def slope(name, x, **options):
    return float(find(name).linearize(np.array(x, float), **options)[1].vjp(np.array(1.0)))


@pytest.mark.parametrize(
    "name, place, left, right, options",
    [
        ("relu", 0, 0, 1, {}),
        ("hardswish", -3, 0, -0.5, {}),
        ("hardswish", 3, 1.5, 1, {}),
        ("abs", 0, -1, 1, {}),
        ("elu", 0, 2, 1, dict(alpha=2.0)),
        ("clamp", 0.25, 1, 0, dict(max=0.25)),
        ("leaky_relu", 0, -0.5, 1, dict(negative_slope=-0.5)),
    ],
)
def test_the_words_for_kinks(name, place, left, right, options):
    low, high = min(left, right), max(left, right)
    assert slope(name, place, **options) == right
    assert slope(name, place, kink="right", **options) == right
    assert slope(name, place, kink="left", **options) == left
    near = pytest.approx((left + right) / 2, abs=1e-15), pytest.approx(max(left, right, key=np.abs), abs=1e-15)
    assert (slope(name, place, kink="mean", **options), slope(name, place, kink="max_norm", **options)) == near
    assert slope(name, place, kink="min_norm", **options) == (0 if low <= 0 <= high else min(left, right, key=np.abs))


def test_the_derivative_of_relu_at_0():
    assert slope("relu", 0) == 1
    assert slope("relu", -0.0) == 1
    assert slope("relu", 0, kink="torch") == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, bound", [("clamp", "max"), ("hardtanh", "max_val"), ("softshrink", "lambd")])
def test_a_kink_is_met_in_the_dtype_of_x(name, bound, dtype):
    x = np.array([0.1], dtype)
    slope = lambda word: find(name).linearize(x, kink=word, **{bound: 0.1})[1].vjp(np.ones_like(x))[0]
    assert (slope("left"), slope("right")) == ((0, 1) if name == "softshrink" else (1, 0))


# Edges.

INF = np.inf


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("identity", -INF, INF), ("relu", 0, INF), ("relu6", 0, 6), ("leaky_relu", -INF, INF), ("hardtanh", -1, 1),
        ("clamp", -INF, INF), ("hardsigmoid", 0, 1), ("hardswish", 0, INF), ("softshrink", -INF, INF),
        ("hardshrink", -INF, INF), ("threshold", 0, INF), ("abs", INF, INF), ("square", INF, INF), ("exp", 0, INF),
        ("sigmoid", 0, 1), ("tanh", -1, 1), ("logsigmoid", -INF, 0), ("softplus", 0, INF), ("softsign", -1, 1),
        ("tanhshrink", -INF, INF), ("elu", -1, INF), ("selu", -1.7580993408473766, INF), ("celu", -1, INF),
        ("silu", 0, INF), ("mish", 0, INF), ("gelu", 0, INF),
    ],
)  # fmt: skip
def test_at_infinity_a_rule_takes_its_limit_and_so_does_its_derivative(name, low, high):
    with np.errstate(all="raise", under="ignore"):
        y, at = find(name).linearize(np.array([-INF, INF]))
        slope = at.vjp(np.ones(2))
    np.testing.assert_allclose(y, [low, high], rtol=1e-15)
    if name not in ("square", "exp"):
        far = find(name).linearize(np.array([-1e200, 1e200]))[1].vjp(np.ones(2))
        np.testing.assert_allclose(slope, far, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_gives_nan(name, dtype):
    y, at = find(name).linearize(np.array([np.nan, 1], dtype))
    assert np.isnan(y).tolist() == [True, False]
    pieces = isinstance(ELEMENTWISE[name], Kinked) or name in ("identity", "hardshrink", "threshold", "celu")
    assert np.isnan(at.vjp(np.ones(2, dtype))).tolist() == [not pieces, False]


OVERFLOWS = {"exp": 88, "square": 1e18, "leaky_relu": 1e38}  # from where the true value does, in float32


@pytest.mark.parametrize("name, options", CASES)
def test_no_finite_number_gives_nan_or_warns(name, options):
    """Not even in the second derivative, which PyTorch gives as nan for mish(89) in float32."""
    patterns = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 4000).view(float)
    x = np.concatenate([patterns[np.isfinite(patterns)], np.linspace(-800, 800, 1601)])
    x = x[abs(x) < OVERFLOWS.get(name, INF)]
    if name in ("log", "sqrt"):
        x = abs(x) + 1e-10
    for a in (x, x[abs(x) < 1e38].astype(np.float32)):
        with np.errstate(all="raise", under="ignore"):
            y, at = find(name).linearize(a, **options)
            one = np.ones_like(y)
            assert np.isfinite(y).all() and np.isfinite(at.vjp(one)).all() and np.isfinite(at.hvp(one, one)).all()


def test_infinite_derivatives():
    with np.errstate(divide="ignore", invalid="ignore"):
        assert slope("sqrt", 0) == slope("log", 0) == INF
        assert pb.log(0.0) == -INF
        assert np.isnan([pb.log(-1.0), pb.sqrt(-1.0), slope("log", -1), slope("sqrt", -1)]).all()


# Hyperparameters.


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("relu", dict(kink="middle"), "needs kink in ('right',"), ("softplus", dict(beta=0.0), "needs beta > 0"),
        ("celu", dict(alpha=0.0), "needs alpha > 0, with alpha=0.0"),
        ("clamp", dict(min=1.0, max=0.0), "needs min <= max, with max=0.0, min=1.0"),
        ("hardtanh", dict(min_val=1.0, max_val=0.0), "needs min_val <= max_val, with max_val=0.0, min_val=1.0"),
        ("softshrink", dict(lambd=-1.0), "needs lambd >= 0"), ("hardshrink", dict(lambd=-1.0), "needs lambd >= 0"),
        ("gelu", dict(approximate="sigmoid"), "needs approximate in ('none', 'tanh')"),
        ("silu", dict(kink="left"), "silu has no 'kink'"), ("relu", dict(alpha=1.0), "relu has no 'alpha'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(name, options, message):
    with pytest.raises(OptionError) as error:
        find(name)(np.ones(1), **options)
    assert str(error.value).startswith(name) and message in str(error.value)


@pytest.mark.parametrize("name, options", CASES)
def test_a_hyperparameter_does_not_widen_float32(name, options):
    options = {k: v if isinstance(v, str) else np.float64(v) for k, v in options.items()}
    y, at = find(name).linearize(np.ones(3, np.float32), **options)
    assert y.dtype == at.vjp(y).dtype == at.hvp(y, y).dtype == np.float32


@pytest.mark.parametrize("name, options", CASES)
def test_pickled_and_back(name, options):
    rule = find(name).linearize(1.0, **options)[1].rule
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_row_explains_itself(name):
    assert vars(type(ELEMENTWISE[name]))["__doc__"].strip()


def test_identity_gives_a_copy():
    x = np.ones(3)
    assert not np.shares_memory(pb.identity(x), x)


# prelu and glu.


@pytest.mark.parametrize("shape, p", [((3, 4), 4), ((3, 4), 1), ((2, 3, 5), 3), ((2, 3, 2, 2), 3), ((0, 3), 3)])
def test_prelu_as_in_pytorch(shape, p):
    same("prelu", F.prelu, [normal(*shape), normal(p)], kink="torch")


@pytest.mark.parametrize("w", [[0.25], [0.25, -2.0]])
def test_prelu_at_its_kink(w):
    x, w = np.zeros((1, 2)), np.array(w)
    gx = lambda word: pb.prelu.linearize(x, w, kink=word)[1].vjp(np.ones((1, 2)))[0][0]
    both = np.broadcast_to(w, 2)
    np.testing.assert_array_equal(gx("right"), 1)
    np.testing.assert_array_equal(gx("left"), both)
    np.testing.assert_array_equal(gx("mean"), (both + 1) / 2)
    np.testing.assert_array_equal(gx("min_norm"), np.maximum(both, 0))
    theirs = torch.tensor(x, requires_grad=True)
    F.prelu(theirs, torch.tensor(w)).sum().backward()
    np.testing.assert_array_equal(gx("torch"), theirs.grad.numpy()[0])


@pytest.mark.parametrize("kink", WORDS)
@pytest.mark.parametrize("w", [[0.25], [0.25, -2.0], [-0.5, 1.5]])
def test_the_slope_of_prelu_at_its_kink_moves_with_w(w, kink):
    """And with it gx, along a straight line: a quotient is the derivative. The Hessian stays symmetric."""
    x, w, gy = np.zeros((1, 2)), np.array(w), np.array([[1.0, 2.0]])
    tx, tw = np.array([[3.0, -1.0]]), np.linspace(1, 2, len(w))
    gx = lambda w: pb.prelu.linearize(x, w, kink=kink)[1].vjp(gy)[0]
    at = pb.prelu.linearize(x, w, kink=kink)[1]
    hx, _ = at.hvp(gy, (None, tw))
    np.testing.assert_allclose(hx, (gx(w + tw / 64) - gx(w - tw / 64)) * 32, atol=1e-13)
    _, hw = at.hvp(gy, (tx, None))
    assert (hx * tx).sum() == (hw * tw).sum()


@pytest.mark.parametrize("p", [1, 3])
def test_the_jacobian_of_prelu_is_a_diagonal_and_a_column_per_slope(p):
    x, w = normal(2, 3, 4), normal(p)
    jx, jw = pb.prelu.linearize(x, w)[1].jacobian()
    assert (type(jx.a).__name__, jw.nnz) == ("Diagonal", 12)
    want = torch.autograd.functional.jacobian(F.prelu, (torch.tensor(x[:1]), torch.tensor(w)))
    np.testing.assert_allclose(jx.dense()[0], want[0].reshape(12, 12), atol=1e-15)
    np.testing.assert_allclose(jw.dense()[0], want[1].reshape(12, p), atol=1e-15)


def test_what_prelu_refuses():
    with pytest.raises(OptionError, match=r"prelu: needs p in \(1, c\), with c=3, p=2"):
        pb.prelu(np.ones((2, 3)), np.ones(2))
    with pytest.raises(OptionError, match=r"prelu: needs kink in \('right', 'left',"):
        pb.prelu(np.ones((2, 3)), np.ones(3), kink="middle")


def test_prelu_of_infinite_numbers():
    with np.errstate(all="raise"):
        y = pb.prelu(np.array([[-INF, INF]]), np.array([0.25]))
    assert y.tolist() == [[-INF, INF]]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_glu_as_in_pytorch(axis):
    same("glu", lambda x: F.glu(x, axis), [3 * normal(2, 4, 6)], axis=axis)


def test_the_jacobian_of_glu_is_two_diagonals():
    x = normal(6)
    found = pb.glu.linearize(x)[1].jacobian()
    assert found.nnz == 6
    a, b = torch.tensor(x).chunk(2)
    want = torch.autograd.functional.jacobian(lambda v: F.glu(v), torch.cat([a, b]))
    np.testing.assert_allclose(found.dense(), want.numpy(), atol=1e-15)


def test_glu_needs_two_halves():
    with pytest.raises(OptionError, match="n % 2 == 0"):
        pb.glu(np.ones(3))
