"""What is special about losses: integer targets, PyTorch's conventions, tails, infinities, what counts for nothing."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.check.contract import assert_rule
from pullback.errors import DtypeError, OptionError, PullbackError, RangeError, ShapeError
from pullback.rules.class_cross_entropy import ClassCrossEntropy
from pullback.rules.cross_entropy import SmoothedCrossEntropy

F = torch.nn.functional
INF = math.inf
REDUCTIONS = "none", "mean", "sum"


@pytest.fixture(autouse=True)
def no_floating_point_error_goes_unseen():
    with np.errstate(all="raise", under="ignore"):
        yield


def values(*shape, seed=0):
    """Numbers between 0 and 1."""
    return np.random.default_rng([seed, *shape]).uniform(0.02, 0.98, size=shape)


def distribution(*shape, axis=1):
    p = values(*shape)
    return p / p.sum(axis, keepdims=True)


def labels(*shape, most):
    return np.random.default_rng([most, *shape]).integers(0, most, size=shape)


# Integer targets: the rules that cross_entropy hands over to keep the contract.

CLASSES = [
    dict(n=4, c=3, d=()), dict(n=4, c=3, d=(), without=("w",)), dict(n=2, c=3, d=(2, 2)), dict(n=0, c=3, d=()),
    dict(c=4, d=(), axis=0), dict(c=3, d=(2,), axis=0), dict(c=3, d=(2, 2), axis=-1), dict(n=2, c=3, d=(2,), axis=-2),
    dict(n=2, n1=2, c=3, d=(), axis=2), dict(n=2, c=1, d=()), dict(n=3, c=1, d=(), ignore_index=0),
    dict(n=3, c=2, d=(), ignore_index=1), dict(n=2, c=3, d=(0,)),
]  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CLASSES, ids=str)
@pytest.mark.parametrize(
    "rule", [ClassCrossEntropy(), SmoothedCrossEntropy(label_smoothing=0.2)], ids=["sharp", "smooth"]
)
def test_class_targets_keep_the_contract(rule, case, reduction):
    assert_rule(rule, **case, reduction=reduction)


@pytest.mark.parametrize("rule", [pb.cross_entropy, pb.nll_loss], ids=lambda rule: rule.name)
@pytest.mark.parametrize("case", CLASSES, ids=str)
def test_any_axis_and_reduction_keeps_the_contract(rule, case):
    for reduction in REDUCTIONS:
        assert_rule(rule, **case, reduction=reduction)


# PyTorch.

SHAPES = (4, 3), (5, 3, 2), (2, 3, 2, 2), (3,)


def class_case(shape):
    """Scores of three classes, a target each, and weights; ignore_index 1 leaves some targets over."""
    t = labels(*shape[:1], *shape[2:], most=3) if len(shape) > 1 else np.array(2)
    return normal(*shape), t, np.array([0.5, 2.0, 0.25])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "o",
    pairs(reduction=REDUCTIONS, label_smoothing=(0.0, 0.1), ignore_index=(-100, 1), weighted=(False, True)),
    ids=str,
)
def test_cross_entropy_of_classes_as_torch(shape, o):
    x, t, w = class_case(shape)
    o, w = dict(o), w if o["weighted"] else None
    del o["weighted"]
    same("cross_entropy", lambda x, t, w: F.cross_entropy(x, t, w, **o), [x, t, w], **o)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("o", pairs(reduction=REDUCTIONS, label_smoothing=(0.0, 0.1), weighted=(False, True)), ids=str)
def test_cross_entropy_of_probabilities_as_torch(shape, o):
    x, w = normal(*shape), np.array([0.5, 2.0, 0.25]) if o["weighted"] else None
    t = distribution(*shape, axis=min(1, len(shape) - 1))
    o = {name: o[name] for name in ("reduction", "label_smoothing")}
    same("cross_entropy", lambda x, t, w: F.cross_entropy(x, t, w, **o), [x, t, w], **o)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("o", pairs(reduction=REDUCTIONS, ignore_index=(-100, 1), weighted=(False, True)), ids=str)
def test_nll_loss_as_torch(shape, o):
    x, t, w = class_case(shape)
    w, o = w if o["weighted"] else None, {name: o[name] for name in ("reduction", "ignore_index")}
    same("nll_loss", lambda x, t, w: F.nll_loss(x, t, w, **o), [x, t, w], **o)


@pytest.mark.parametrize("o", pairs(reduction=REDUCTIONS, w=(None, (3,), (4, 1), (4, 3))), ids=str)
def test_binary_cross_entropy_as_torch(o):
    w = o["w"] and values(*o["w"], seed=2)
    theirs = lambda x, t, w: F.binary_cross_entropy(x, t, w, reduction=o["reduction"])
    same("binary_cross_entropy", theirs, [values(4, 3), values(4, 3, seed=1), w], reduction=o["reduction"])


@pytest.mark.parametrize("o", pairs(reduction=REDUCTIONS, w=(None, (3,), (4, 3)), v=(None, (), (3,), (4, 1))), ids=str)
def test_binary_cross_entropy_with_logits_as_torch(o):
    w, v = (None if o[name] is None else values(*o[name], seed=2) * 3 for name in "wv")
    theirs = lambda x, t, w, v: F.binary_cross_entropy_with_logits(x, t, w, reduction=o["reduction"], pos_weight=v)
    inputs = [3 * normal(4, 3), values(4, 3), w, v]
    same("binary_cross_entropy_with_logits", theirs, inputs, reduction=o["reduction"])


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # PyTorch would rather have batchmean
@pytest.mark.parametrize("o", pairs(reduction=(*REDUCTIONS, "batchmean"), log_target=(False, True)), ids=str)
@pytest.mark.parametrize("shape", [(4, 3), (5,), (2, 3, 2)], ids=str)
def test_kl_div_as_torch(o, shape):
    t = values(*shape)
    same("kl_div", lambda x, t: F.kl_div(x, t, **o), [normal(*shape), np.log(t) if o["log_target"] else t], **o)


DIFFERENCES = [
    ("mse_loss", dict()), ("l1_loss", dict()), ("smooth_l1_loss", dict(beta=0.7)), ("smooth_l1_loss", dict(beta=0)),
    ("smooth_l1_loss", dict()), ("huber_loss", dict()), ("huber_loss", dict(delta=0.3)), ("huber_loss", dict(delta=4)),
]  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name, o", DIFFERENCES, ids=str)
def test_losses_of_a_difference_as_torch(name, o, reduction):
    """Ties of x and t among them: where the loss has a kink, kink="torch" gives PyTorch's slope."""
    x, t = normal(5, 4), normal(5, 4, seed=1)
    x[:2] = t[:2]
    kink = dict(kink="torch") if "kink" in getattr(pb, name).options else {}
    theirs = lambda x, t: getattr(F, name)(x, t, reduction=reduction, **o)
    same(name, theirs, [x, t], reduction=reduction, **o, **kink)


def test_infinite_scores_as_torch():
    """Where PyTorch has no nan, the edges are the same."""
    x, t = np.array([[0.5, -INF, 2.0], [-INF, 1.0, 0.0]]), np.array([2, 0])
    y, at = pb.cross_entropy.linearize(x, t, reduction="none")
    live = torch.tensor(x, requires_grad=True)
    theirs = F.cross_entropy(live, torch.tensor(t), reduction="none")
    np.testing.assert_allclose(y, theirs.detach())
    np.testing.assert_allclose(at.vjp(np.ones(2))[0], torch.autograd.grad(theirs.sum(), live)[0], atol=1e-15)


@pytest.mark.parametrize("o", pairs(reduction=REDUCTIONS, w=((), (3, 2))), ids=str)
def test_binary_cross_entropy_at_0_and_1_as_torch(o):
    """The value is PyTorch's there; the gradient is not, see below."""
    p, t, w = (a.reshape(3, 2) for a in (np.array([0, 0, 1, 1, 0, 1.0]), np.array([0, 1, 0, 1, 0.25, 0.25]), values(6)))
    w = w if o["w"] else w[0, 0]
    theirs = F.binary_cross_entropy(*map(torch.tensor, (p, t, w)), reduction=o["reduction"])
    np.testing.assert_allclose(pb.binary_cross_entropy(p, t, w, reduction=o["reduction"]), theirs, rtol=1e-14)


# The note's: the losses are compositions, and their gradients are p - y.


def test_binary_cross_entropy_in_numbers():
    """p = sigmoid(0, log 4, -log 4) = 1/2, 4/5, 1/5; the loss is -log of what the target got."""
    x, t = np.log([1.0, 4.0, 0.25]), np.array([1.0, 1.0, 1.0])
    y, at = pb.binary_cross_entropy_with_logits.linearize(x, t, reduction="none")
    np.testing.assert_allclose(y, [math.log(2), math.log(5 / 4), math.log(5)], rtol=1e-15)
    np.testing.assert_allclose(at.vjp(np.ones(3))[0], [1 / 2 - 1, 4 / 5 - 1, 1 / 5 - 1], rtol=1e-15)
    assert pb.binary_cross_entropy(0.25, 1.0) == pytest.approx(math.log(4), rel=1e-15)


def test_cross_entropy_in_numbers():
    """p = softmax(0, log 2, log 5) = 1/8, 2/8, 5/8; of two rows, each has half the gradient."""
    x = np.log([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]])
    y, at = pb.cross_entropy.linearize(x, np.array([2, 0]))
    np.testing.assert_allclose(y, (math.log(8 / 5) + math.log(8)) / 2, rtol=1e-15)
    np.testing.assert_allclose(at.vjp(1.0)[0], np.array([[1, 2, -3], [-7, 2, 5]]) / 16, rtol=1e-14)
    _, at = pb.cross_entropy.linearize(x, np.array([2, 0]), w=np.array([3.0, 0.0, 1.0]))
    np.testing.assert_allclose(at.vjp(1.0)[0], np.array([[1, 2, -3], [-21, 6, 15]]) / 32, rtol=1e-14)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_sigmoid_and_binary_cross_entropy_are_the_fused_loss(reduction):
    x, t = 4 * normal(4, 3), values(4, 3)
    p, sigmoid = pb.sigmoid.linearize(x)
    y, loss = pb.binary_cross_entropy.linearize(p, t, reduction=reduction)
    fused, at = pb.binary_cross_entropy_with_logits.linearize(x, t, reduction=reduction)
    g = np.ones(np.shape(y))
    np.testing.assert_allclose(fused, y, rtol=1e-12)
    np.testing.assert_allclose(at.vjp(g)[0], sigmoid.vjp(loss.vjp(g)[0]), atol=1e-13)
    np.testing.assert_allclose(at.vjp(g)[1], loss.vjp(g)[1], atol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_softmax_log_and_nll_are_the_fused_loss(reduction):
    x, t = 3 * normal(5, 4), labels(5, most=4)
    p, softmax = pb.softmax.linearize(x)
    y, loss = pb.nll_loss.linearize(np.log(p), t, reduction=reduction)
    g = np.ones(np.shape(y))
    for targets in (t, np.eye(4)[t]):
        fused, at = pb.cross_entropy.linearize(x, targets, reduction=reduction)
        np.testing.assert_allclose(fused, y, rtol=1e-12)
        np.testing.assert_allclose(at.vjp(g, wrt="x")[0], softmax.vjp(loss.vjp(g)[0] / p), atol=1e-13)


def test_classes_are_probabilities_that_are_0_or_1():
    x, t = normal(6, 4), labels(6, most=4)
    for o in (dict(), dict(label_smoothing=0.3)):
        a, b = (pb.cross_entropy.linearize(x, targets, **o) for targets in (t, np.eye(4)[t]))
        np.testing.assert_allclose(a[0], b[0], rtol=1e-13)
        np.testing.assert_allclose(a[1].vjp(1.0)[0], b[1].vjp(1.0)[0], atol=1e-15)


def test_a_loss_ends_a_chain():
    x, w, t = normal(4, 2), normal(3, 2), labels(4, most=3)
    y, at = pb.Chain((pb.linear, pb.cross_entropy)).linearize(x, w, None, t)
    scores, linear = pb.linear.linearize(x, w)
    loss, entropy = pb.cross_entropy.linearize(scores, t)
    assert y == loss
    np.testing.assert_array_equal(at.vjp(1.0)[0], linear.vjp(entropy.vjp(1.0)[0])[0])


# Tails: digits, in units in the last place. (A difference of scores is rounded once, to half a unit of its size.)


def ulps(found, wanted, dtype):
    """Distance in units in the last place; 0 where the true value is no normal number."""
    nearest = dtype(float(wanted))
    if abs(nearest) < np.finfo(dtype).tiny:
        return 0
    return float(abs(mpmath.mpf(float(found)) - wanted) / mpmath.mpf(float(np.spacing(abs(nearest)))))


def margins(dtype):
    """From one sure class to the other, to where numbers end."""
    end = 80 if dtype is np.float32 else 700
    return np.concatenate([np.linspace(-end, end, 161), [17, 20, 1e-3, -1e-3]]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_keeps_its_digits(dtype):
    """[m, 0] with target 0, m >= 17 in float32: PyTorch's loss and gradient are 0; the truth is e⁻ᵐ."""
    for m in margins(dtype):
        with mpmath.workdps(400):
            e = mpmath.exp(-mpmath.mpf(float(m)))
            loss, rest = mpmath.log1p(e), e / (1 + e)
        for t, bound in ((np.array([0]), 3), (np.array([[1, 0]], dtype), 12)):
            y, at = pb.cross_entropy.linearize(np.array([[m, 0]], dtype), t)
            gx = at.vjp(1.0)[0][0]
            assert ulps(y, loss, dtype) <= 3
            assert max(ulps(gx[0], -rest, dtype), ulps(gx[1], rest, dtype)) <= bound


@pytest.mark.parametrize("t", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_with_logits_keeps_its_digits(dtype, t):
    for m in margins(dtype):
        with mpmath.workdps(400):
            e = mpmath.exp(mpmath.mpf(float(-m if t else m)))
            loss, slope = mpmath.log1p(e), (1 - 2 * t) * e / (1 + e)
        y, at = pb.binary_cross_entropy_with_logits.linearize(np.array([m]), np.array([t], dtype))
        gx, gt, *_ = at.vjp(1.0)
        assert max(ulps(y, loss, dtype), ulps(gx[0], slope, dtype)) <= 3
        assert gt[0] == -m


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_keeps_its_digits(dtype):
    tiny = 10.0 ** -np.arange(1, 31)
    for x in np.concatenate([tiny, 1 - tiny[:7], [0.3, 0.5 + 1e-6, 0.5 - 1e-4, 0.7]]).astype(dtype):
        for t in (0.0, 0.25, 1.0):
            with mpmath.workdps(60):
                p = mpmath.mpf(float(x))
                loss, slope = -t * mpmath.log(p) - (1 - t) * mpmath.log(1 - p), (p - t) / (p * (1 - p))
                odds = mpmath.log(1 - p) - mpmath.log(p)
            y, at = pb.binary_cross_entropy.linearize(np.array([x]), np.array([t], dtype))
            gx, gt, *_ = at.vjp(1.0)
            assert max(ulps(y, loss, dtype), ulps(gx[0], slope, dtype), ulps(gt[0], odds, dtype)) <= 4


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("t", [0, 1, [0.25, 0.75]])
def test_the_second_derivative_of_cross_entropy_keeps_its_digits(t, label_smoothing):
    """Whatever the targets are, it is diag(p) - p pᵀ; the entries of p are 1 - e and e."""
    with mpmath.workdps(60):
        e = 1 / (1 + mpmath.exp(40))
        bent = float(e * (1 - e))
    _, at = pb.cross_entropy.linearize(np.array([0.0, -40.0]), np.array(t), label_smoothing=label_smoothing)
    for sign, tx in ((1, [1.0, 0.0]), (-1, [0.0, 1.0])):
        hx, *_ = at.hvp(1.0, (np.array(tx), None))
        np.testing.assert_allclose(hx, [sign * bent, -sign * bent], rtol=1e-14)


def test_rows_of_the_gradient_sum_to_0_where_one_class_is_sure():
    x = np.array([[30.0, 0.0, 1.0]], np.float32)
    for t in (np.array([0]), np.array([[1, 0, 0]], np.float32)):
        gx = pb.cross_entropy.linearize(x, t)[1].vjp(1.0)[0][0]
        assert gx[0] == -(gx[1] + gx[2]) < 0


# Infinities: value and gradient agree.


@pytest.mark.parametrize("soft", [False, True])
def test_infinite_scores(soft):
    x = np.array([[-INF, 0, 0], [-INF, 0, 0], [INF, 5, 0], [INF, 5, 0], [INF, INF, 0], [-INF, -INF, -INF]])
    t = np.array([1, 0, 0, 1, 1, 2])
    y, at = pb.cross_entropy.linearize(x, np.eye(3)[t] if soft else t, reduction="none")
    np.testing.assert_allclose(y, [math.log(2), INF, 0, INF, math.log(2), INF])
    gx = [[0, -0.5, 0.5], [-1, 0.5, 0.5], [0, 0, 0], [1, -1, 0], [0.5, -0.5, 0], [0, 0, -1]]
    np.testing.assert_allclose(at.vjp(np.ones(6), wrt="x")[0], gx, atol=1e-15)
    np.testing.assert_allclose(at.jvp(np.ones((6, 3))), [0, 0, 0, 0, 0, -1], atol=1e-15)
    assert np.isfinite(at.hvp(np.ones(6), (np.ones((6, 3)), None))[0]).all()


def test_smoothed_targets_at_infinite_scores():
    """A class that cannot be still gets its share of the target: the loss is inf, its slope -label_smoothing / C."""
    x = np.array([[-INF, 0.0, 0.0]])
    for t in (np.array([1]), np.array([[0.0, 1.0, 0.0]])):
        y, at = pb.cross_entropy.linearize(x, t, label_smoothing=0.3)
        assert y == INF
        np.testing.assert_allclose(at.vjp(1.0, wrt="x")[0], [[-0.1, 0.5 - 0.8, 0.5 - 0.1]], atol=1e-15)
        assert pb.cross_entropy(x, t, np.array([0.0, 1.0, 1.0]), label_smoothing=0.3) < INF


def test_soft_targets_of_impossible_classes():
    """0 times -inf is 0; the slope along that target is inf, and does no harm where the target stays."""
    x, t = np.array([[-INF, 0.0]]), np.array([[0.0, 1.0]])
    y, at = pb.cross_entropy.linearize(x, t)
    assert y == 0
    np.testing.assert_array_equal(at.vjp(1.0)[1], [[INF, 0]])
    assert at.jvp(np.ones((1, 2)), None) == 0
    assert at.jvp(None, np.array([[0.0, 3.0]])) == 0


def test_infinite_logits():
    x, t = np.array([INF, INF, INF, -INF, -INF, -INF]), np.array([1, 0, 0.25, 0, 1, 0.25])
    y, at = pb.binary_cross_entropy_with_logits.linearize(x, t, reduction="none", pos_weight=np.array(2.0))
    np.testing.assert_array_equal(y, [0, INF, INF, 0, INF, INF])
    np.testing.assert_array_equal(at.vjp(np.ones(6))[0], [0, 1, 0.75, 0, -2, -0.5])
    np.testing.assert_array_equal(at.vjp(np.ones(6))[1], [-INF, -INF, -INF, INF, INF, INF])
    np.testing.assert_array_equal(at.jvp(np.ones(6), None), [0, 1, 0.75, 0, -2, -0.5])
    none = pb.binary_cross_entropy_with_logits(x, t, np.zeros(6), reduction="none")
    np.testing.assert_array_equal(none, np.zeros(6))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_0_and_1(dtype):
    """A logarithm that has reached -100 moves no more: the gradient is that of the other one alone."""
    x, t = np.array([0, 0, 1, 1, 0, 1], dtype), np.array([0, 1, 0, 1, 0.25, 0.25], dtype)
    y, at = pb.binary_cross_entropy.linearize(x, t, reduction="none")
    np.testing.assert_array_equal(y, [0, 100, 100, 0, 25, 75])
    gx, gt, _ = at.vjp(np.ones(6, dtype))
    np.testing.assert_array_equal(gx, [1, 0, 0, -1, 0.75, -0.25])
    np.testing.assert_array_equal(gt, [100, 100, -100, -100, 100, -100])


def test_the_gradient_at_0_is_that_of_the_value():
    """One-sided differences with a step below e⁻¹⁰⁰, which is where the loss has become flat."""
    f = lambda x, t: pb.binary_cross_entropy(np.array(x), np.array(t))
    slope = lambda t: pb.binary_cross_entropy.linearize(np.array(0.0), np.array(t))[1].vjp(1.0)[0]
    assert (f(1e-50, 1.0) - f(0.0, 1.0)) / 1e-50 == slope(1.0) == 0
    assert (f(1e-50, 0.0) - f(0.0, 0.0)) / 1e-50 == slope(0.0) == 1


def test_divergence_from_targets_of_0():
    x, t = np.array([-1.0, -INF, -INF, -1.0]), np.array([0.0, 0.0, 0.5, 1.0])
    y, at = pb.kl_div.linearize(x, t, reduction="none")
    np.testing.assert_array_equal(y, [0, 0, INF, 1])
    gx, gt = at.vjp(np.ones(4))
    np.testing.assert_array_equal(gx, [0, 0, -0.5, -1])
    np.testing.assert_array_equal(gt, [-INF, INF, INF, 2])
    np.testing.assert_array_equal(at.jvp(np.ones(4), None), gx)
    np.testing.assert_array_equal(at.hvp(np.ones(4), (None, np.array([0, 0, 1, 1.0])))[1], [0, 0, 2, 1])


def test_divergence_from_logarithms_of_0():
    x, t = np.array([-1.0, -INF, -INF]), np.array([-INF, -INF, math.log(0.5)])
    y, at = pb.kl_div.linearize(x, t, reduction="none", log_target=True)
    np.testing.assert_array_equal(y, [0, 0, INF])
    gx, gt = at.vjp(np.ones(3))
    np.testing.assert_allclose(gx, [0, 0, -0.5])
    np.testing.assert_array_equal(gt, [0, 0, INF])


def test_nll_of_the_impossible():
    x = np.array([[-INF, 0.0], [-INF, 0.0]])
    assert pb.nll_loss(x, np.array([0, 1])) == INF
    assert pb.nll_loss(x, np.array([0, 1]), np.array([0.0, 1.0])) == 0
    assert pb.nll_loss(x, np.array([0, 1]), ignore_index=0) == 0


# Kinks.

SLOPES = dict(right=1, left=-1, mean=0, min_norm=0, torch=0, jax=1, tf=0)


@pytest.mark.parametrize("kink", SLOPES)
@pytest.mark.parametrize("name, o", [("l1_loss", {}), ("smooth_l1_loss", dict(beta=0))])
def test_the_kink_of_the_absolute_error(name, o, kink):
    x, t = np.array([2.0, 1.0, 0.0], np.float32), np.array([2.0, 0.0, 1.0], np.float32)
    _, at = getattr(pb, name).linearize(x, t, reduction="none", kink=kink, **o)
    gx, gt = at.vjp(np.ones(3, np.float32))
    assert gx.tolist() == [SLOPES[kink], 1, -1]
    assert gt.tolist() == [-SLOPES[kink], -1, 1]
    assert gx.dtype == np.float32
    assert getattr(pb, name).linearize(x, t, **o)[1].vjp(3.0)[0].tolist() == [1, 1, -1], "the default is the right one"


def test_the_seams_of_huber_and_smooth_l1():
    """Value and slope are continuous at |d| = delta; the numbers are exact."""
    x, t = np.array([-3.0, -2.0, 0.0, 2.0, 3.0]), np.zeros(5)
    y, at = pb.huber_loss.linearize(x, t, reduction="none", delta=2)
    assert y.tolist() == [4, 2, 0, 2, 4]
    assert at.vjp(np.ones(5))[0].tolist() == [-2, -2, 0, 2, 2]
    y, at = pb.smooth_l1_loss.linearize(x, t, reduction="none", beta=2)
    assert y.tolist() == [2, 1, 0, 1, 2]
    assert at.vjp(np.ones(5))[0].tolist() == [-1, -1, 0, 1, 1]
    assert at.hvp(np.ones(5), (np.ones(5), None))[0].tolist() == [0, 0, 0.5, 0, 0]


# What counts for nothing.


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("o", [dict(), dict(label_smoothing=0.1)], ids=str)
def test_all_targets_ignored(o, reduction):
    """PyTorch's mean is nan here."""
    x, t = normal(3, 4), np.full(3, -100)
    for rule in (pb.cross_entropy, pb.nll_loss) if not o else (pb.cross_entropy,):
        y, at = rule.linearize(x, t, reduction=reduction, **o)
        assert not np.any(y)
        assert not at.vjp(np.ones(np.shape(y)))[0].any()


def test_an_ignored_row_may_hold_anything():
    x = np.array([[1.0, 2.0], [math.nan, INF], [-INF, -INF]])
    t = np.array([1, -100, -100])
    for o in (dict(), dict(label_smoothing=0.1)):
        y, at = pb.cross_entropy.linearize(x, t, **o)
        alone, there = pb.cross_entropy.linearize(x[:1], t[:1], **o)
        assert y == pytest.approx(alone, rel=1e-15)
        np.testing.assert_allclose(at.vjp(1.0)[0], [*there.vjp(1.0)[0], [0, 0], [0, 0]], rtol=1e-15)
    assert pb.nll_loss(x, t) == -2


def test_no_weight_at_all():
    y, at = pb.cross_entropy.linearize(normal(2, 3), np.array([1, 1]), w=np.array([1.0, 0.0, 1.0]))
    assert y == 0 and not at.vjp(1.0)[0].any()


NOTHING, NO_LABELS = np.zeros((0, 3)), np.zeros(0, int)
EMPTY = [
    ("cross_entropy", (NOTHING, NO_LABELS), {}), ("cross_entropy", (NOTHING, NOTHING), {}),
    ("cross_entropy", (NOTHING, NO_LABELS), dict(label_smoothing=0.1)), ("nll_loss", (NOTHING, NO_LABELS), {}),
    ("binary_cross_entropy", (NOTHING, NOTHING), {}), ("binary_cross_entropy_with_logits", (NOTHING, NOTHING), {}),
    ("kl_div", (NOTHING, NOTHING), {}), ("kl_div", (NOTHING, NOTHING), dict(log_target=True, reduction="batchmean")),
    *((name, (NOTHING, NOTHING), {}) for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")),
]  # fmt: skip


@pytest.mark.parametrize("name, inputs, o", EMPTY)
def test_an_empty_batch(name, inputs, o):
    y, at = getattr(pb, name).linearize(*inputs, **o)
    assert y == 0
    assert at.vjp(1.0)[0].shape == (0, 3)


# Shapes.


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_axis_is_torch_with_the_classes_moved(data):
    rest = data.draw(st.lists(st.integers(1, 3), max_size=3))
    axis = data.draw(st.integers(-len(rest) - 1, len(rest)))
    soft, reduction = data.draw(st.booleans()), data.draw(st.sampled_from(REDUCTIONS))
    smoothing = data.draw(st.sampled_from([0.0, 0.1]))
    x = normal(*rest, 4, seed=data.draw(st.integers(0, 99)))
    t = distribution(*rest, 4, axis=-1) if soft else labels(*rest, most=4)
    place = min(1, len(rest))
    want = F.cross_entropy(
        torch.tensor(np.moveaxis(x, -1, place)),
        torch.tensor(np.moveaxis(t, -1, place) if soft else t),
        reduction=reduction,
        label_smoothing=smoothing,
    )
    moved = lambda a: np.moveaxis(a, -1, axis)
    o = dict(axis=axis, reduction=reduction, label_smoothing=smoothing)
    np.testing.assert_allclose(pb.cross_entropy(moved(x), moved(t) if soft else t, **o), want, rtol=1e-12, atol=1e-14)
    if not soft and not smoothing:
        logp = np.log(pb.softmax(x))
        np.testing.assert_allclose(
            pb.nll_loss(moved(logp), t, axis=axis, reduction=reduction), want, rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("t, y, slope", [(0, 0, 0), (1, INF, 1)])
def test_scores_farther_apart_than_the_largest_number(t, y, slope, dtype):
    """inf is the difference of the two; no floating-point error is to be seen (the fixture above looks)."""
    x = np.array([1, -1], dtype) * np.finfo(dtype).max
    for target in (t, np.eye(2, dtype=dtype)[t]):
        found, at = pb.cross_entropy.linearize(x, target)
        assert found == y
        np.testing.assert_array_equal(at.vjp(1.0)[0], [slope, -slope])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_smallest_beta(dtype):
    """It is l1_loss to the last digit, and no part of it overflows; a smaller beta would round to 0 in float32."""
    x, t = np.array([-30, -1, 0, 2e30], dtype), np.zeros(4, dtype)
    y, at = pb.smooth_l1_loss.linearize(x, t, beta=1e-36, reduction="none")
    np.testing.assert_allclose(y, abs(x), rtol=1e-6)
    np.testing.assert_allclose(at.vjp(np.ones(4, dtype))[0], np.sign(x), rtol=1e-6)
    assert np.isfinite(at.hvp(np.ones(4, dtype), (np.ones(4, dtype), None))[0]).all()


@pytest.mark.parametrize("x", [1.5, -0.5, np.nan])
@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_binary_cross_entropy_of_no_probability_is_nan_and_so_is_all_of_its_derivatives(x, t):
    with np.errstate(invalid="ignore"):
        y, at = pb.binary_cross_entropy.linearize(np.array(x), np.array(t))
        gx, gt, _ = at.vjp(1.0)
        hx, ht, _ = at.hvp(1.0, (np.array(1.0), np.array(1.0)))
    assert np.isnan([y, gx, gt, hx, ht]).all()


def test_a_bare_vector_of_scores():
    x = np.log([1.0, 2.0, 5.0])
    for t in (2, np.array(2), np.uint8(2), np.array([0.0, 0.0, 1.0])):
        y, at = pb.cross_entropy.linearize(x, t)
        assert y == pytest.approx(math.log(8 / 5), rel=1e-15)
        np.testing.assert_allclose(at.vjp(1.0, wrt="x")[0], [1 / 8, 2 / 8, -3 / 8], atol=1e-15)
    assert pb.nll_loss(x, 2) == -math.log(5)


def test_any_integers_are_labels():
    x = normal(3, 200)
    for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
        t = np.array([0, 5, 120], kind)
        assert pb.cross_entropy(x, t) == pb.cross_entropy(x, [0, 5, 120])
        assert pb.nll_loss(x, t) == -x[[0, 1, 2], [0, 5, 120]].sum() / 3


def test_torch_names():
    x, t, w = normal(4, 3), labels(4, most=3), np.array([1.0, 2.0, 3.0])
    assert pb.cross_entropy(input=x, target=t, weight=w) == pb.cross_entropy(x, t, w)
    assert pb.nll_loss(input=x, target=t, weight=w) == pb.nll_loss(x, t, w)
    bce = pb.binary_cross_entropy_with_logits
    hit = (x > 0).astype(float)
    assert bce(input=x, target=hit, weight=w, pos_weight=2 * w) == bce(x, hit, w, 2 * w)


# Errors.

X, T = np.zeros((4, 3)), np.zeros(4, int)
FIT = "needs broadcast(w_shape, x_shape) == x_shape"
REFUSED = [
    ("cross_entropy", (X, T + 3), {}, RangeError, "t[n *d] must lie in 0 .. 2 or -100, got 3"),
    ("cross_entropy", (X, T - 1), {}, RangeError, "t[n *d] must lie in 0 .. 2 or -100, got -1"),
    ("cross_entropy", (X, T + 3), dict(label_smoothing=0.1), RangeError, "t[n *d] must lie in 0 .. 2 or -100, got 3"),
    ("nll_loss", (X, T + 3), dict(ignore_index=7), RangeError, "t[n *d] must lie in 0 .. 2 or 7, got 3"),
    ("cross_entropy", (X, T[:3]), {}, ShapeError, "t has shape (3,), needs t[n *d] with n=4, c=3"),
    ("cross_entropy", (X, X[:, :2]), {}, ShapeError, "t has shape (4, 2), needs t[n c *d] with n=4, c=3"),
    ("cross_entropy", (X, T, X[0, :2]), {}, ShapeError, "w has shape (2,), needs w[c] with n=4, c=3"),
    ("cross_entropy", (X,), {}, ShapeError, "t[n *d] is missing"),
    ("cross_entropy", (1.0, 0), {}, ShapeError, "axis=1 is out of range for x of shape ()"),
    ("cross_entropy", (X, T == 0), {}, DtypeError, "t must be integers, got bool"),
    ("cross_entropy", (X, T.astype(float)), {}, DtypeError, "t must be integers, got float64; convert it, as with t"),
    ("cross_entropy", (X[0], 1.0), dict(label_smoothing=0.1), DtypeError, "t must be integers, got float64"),
    ("cross_entropy", (X, X.astype("f4")), {}, DtypeError, "one for all; x is float64, t is float32"),
    ("nll_loss", (X, X[:, 0]), {}, DtypeError, "t must be integers, got float64"),
    ("cross_entropy", (X, T), dict(label_smoothing=2), OptionError, "needs 0 <= label_smoothing <= 1, with"),
    ("cross_entropy", (X, T), dict(reduction="avg"), OptionError, "needs reduction in ('none', 'mean', 'sum'), with"),
    ("cross_entropy", (X[:, :0], T), {}, OptionError, "needs c > 0, with c=0"),
    ("mse_loss", (X, X[0]), {}, ShapeError, "t has shape (3,), needs t[...]"),
    ("mse_loss", (X, X), dict(reduction="batchmean"), OptionError, "needs reduction in ('none', 'mean', 'sum'), with"),
    ("l1_loss", (X, X), dict(kink="up"), OptionError, "needs kink in ('right', 'left'"),
    ("smooth_l1_loss", (X, X), dict(beta=-1), OptionError, "needs beta == 0 or beta >= 1e-36, with beta=-1"),
    ("smooth_l1_loss", (X, X), dict(beta=1e-50), OptionError, "needs beta == 0 or beta >= 1e-36, with beta=1e-50"),
    ("smooth_l1_loss", (X, X), dict(beta=0, kink="up"), OptionError, "needs kink in ('right', 'left'"),
    ("huber_loss", (X, X), dict(delta=0), OptionError, "needs delta > 0, with delta=0"),
    ("kl_div", (X, X), dict(reduction="avg"), OptionError, "needs reduction in ('none', 'mean', 'sum', 'batchmean')"),
    ("binary_cross_entropy", (X, X, X[:, 0]), {}, OptionError, f"{FIT}, with w_shape=(4,), x_shape=(4, 3)"),
    ("binary_cross_entropy", (X[0], X[0], X), {}, OptionError, f"{FIT}, with w_shape=(4, 3), x_shape=(3,)"),
    ("binary_cross_entropy_with_logits", (X, X), dict(pos_weight=X[:, 0]), OptionError, FIT.replace("w", "v")),
]  # fmt: skip


@pytest.mark.parametrize("name, inputs, options, kind, message", REFUSED)
def test_refused(name, inputs, options, kind, message):
    with pytest.raises(PullbackError) as error:
        getattr(pb, name)(*inputs, **options)
    assert type(error.value) is kind
    assert str(error.value).startswith(f"{name}: ") and message in str(error.value)


@pytest.mark.parametrize("axis, shown", [
    (0, "x[c *d], int t[*d]<c, const w[c]=1 -> y[*d]"), (1, "x[n c *d], int t[n *d]<c, const w[c]=1 -> y[n *d]"),
    (-1, "x[*d c], int t[*d]<c, const w[c]=1 -> y[*d]"), (-2, "x[*d c n], int t[*d n]<c, const w[c]=1 -> y[*d n]"),
])  # fmt: skip
@pytest.mark.parametrize("rule", [ClassCrossEntropy, type(pb.nll_loss)])
def test_the_signature_shows_the_axis_of_classes(rule, axis, shown):
    """Without a blank where no axis stands."""
    assert rule(axis=axis, reduction="none").signature == shown
