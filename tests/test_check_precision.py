"""What ordinary differences are too rough for: steps that are much smaller, and long double."""

import re

import numpy as np
import pytest

import pullback
from pullback.check.adapters import adapt
from pullback.check.precision import takes_long_double
from pullback.check.problem import Problem

X = np.random.default_rng(0).normal(size=(3, 4))
LONG = np.finfo(np.longdouble).eps < 1e-18
needs_long_double = pytest.mark.skipif(not LONG, reason="long double is double here")


def norm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)


def norm_backward(g, x):
    centred = x - x.mean(-1, keepdims=True)
    r = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    u = centred * r
    return r * (g - g.mean(-1, keepdims=True) - u * (u * g).mean(-1, keepdims=True))


STEEP = {
    "a wave": (lambda x: np.sin(1e3 * x), lambda g, x: 1e3 * g * np.cos(1e3 * x), X),
    "a steep tanh": (
        lambda x: np.tanh(3e3 * x), lambda g, x: 3e3 * g * (1 - np.tanh(3e3 * x) ** 2), 1e-3 * X
    ),
    "a logarithm next to 0": (np.log, lambda g, x: g / x, 1e-6 * (abs(X) + 0.1)),
    "a norm of small numbers": (norm, norm_backward, 1e-3 * X),
    "a norm of tiny numbers": (norm, norm_backward, 1e-5 * X),
}  # fmt: skip
FAR = {
    "beside a large value": (lambda x: 1e9 + np.tanh(x), lambda g, x: g * (1 - np.tanh(x) ** 2), X),
}


@pytest.mark.parametrize("name", STEEP)
def test_what_turns_within_a_step(name):
    forward, backward, x = STEEP[name]
    assert pullback.check(forward, backward, x).verdict == "right"
    for factor in (1.001, 1.5):
        assert pullback.check(forward, lambda g, x, factor=factor: factor * backward(g, x), x).verdict == "wrong"


@needs_long_double
@pytest.mark.parametrize("name", FAR)
def test_what_only_long_double_sees(name, monkeypatch):
    forward, backward, x = FAR[name]
    wrong = lambda g, x: 1.001 * backward(g, x)
    assert pullback.check(forward, backward, x).verdict == "right"
    assert pullback.check(forward, wrong, x).verdict == "wrong"
    monkeypatch.setattr("pullback.check.precision.takes_long_double", lambda problem: False)
    assert pullback.check(forward, wrong, x).verdict != "wrong"


def test_where_nothing_can_be_seen_the_report_says_so():
    report = pullback.check(lambda x: 1e12 + np.tanh(x), lambda g, x: g, X)
    assert report.verdict == "cannot judge" and "too rough to judge the gradient of x" in report.reason


@pytest.mark.parametrize("forward", [lambda x: np.round(x * 300) / 300])
@pytest.mark.parametrize("backward", [lambda g, x: g, lambda g, x: 0 * g])
def test_jumps_close_together_accuse_nobody(forward, backward):
    assert pullback.check(forward, backward, X).verdict != "wrong"


def double(x):
    return np.asarray(x, np.float64)


@needs_long_double
@pytest.mark.parametrize(
    "forward, takes",
    [
        (np.tanh, True), (norm, True), (lambda x: x @ x.T, True), (lambda x: 1e9 + np.exp(x), True),
        (lambda x: np.tanh(double(x)), False), (lambda x: np.tanh(double(x)).astype(x.dtype), False),
        (lambda x: x * np.tanh(double(x)), False), (lambda x: np.exp(x) + 10 * np.sin(double(x)), False),
        (lambda x: np.linalg.inv(np.eye(3) + x @ x.T), False), (lambda x: np.float32(3) * np.round(x), False),
    ],
)  # fmt: skip
def test_who_computes_in_long_double(forward, takes):
    """Of one that casts a part of its numbers inside, the smallest steps show that part missing."""
    assert takes_long_double(Problem(adapt(forward, lambda g, x: g, [X]), None, 0, "vjp", None)) == takes


# Far from the example.


def softplus(x):
    return np.logaddexp(x, 0)


DIGITS = {
    "1 - sigmoid": (softplus, lambda g, x: g / (1 + np.exp(-x)), lambda g, x: g * (1 - 1 / (1 + np.exp(x)))),
    "log sigmoid": (
        lambda x: -softplus(-x), lambda g, x: g / (1 + np.exp(x)), lambda g, x: g * (1 - 1 / (1 + np.exp(-x)))
    ),
    "of one input": (
        lambda x, w: softplus(x) * w, lambda g, x, w: (g * w / (1 + np.exp(-x)), (g * softplus(x)).sum()),
        lambda g, x, w: (g * w * (1 - 1 / (1 + np.exp(x))), (g * softplus(x)).sum())
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIGITS)
def test_digits_lost_far_from_the_example(name):
    forward, right, wrong = DIGITS[name]
    inputs = [X, np.array(1.3)] if name == "of one input" else [X]
    assert not pullback.check(forward, right, *inputs).notes
    report = pullback.check(forward, wrong, *inputs)
    assert report.verdict == "right" and [note.name for note in report.notes] == ["cancellation"]
    assert re.search(r"x at -?3[46]", str(report))


LABELS = np.round(abs(np.sin(X)))


@pytest.mark.parametrize("forward, backward", [
    (lambda x: softplus(x) - LABELS * x, lambda g, x: g * (1 / (1 + np.exp(-x)) - LABELS)),
    (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)),
    (lambda x: 1 / (1 + np.exp(-x)), lambda g, x: g / (1 + np.exp(-x)) * (1 - 1 / (1 + np.exp(-x)))),
    (lambda x: np.exp(-x * x), lambda g, x: -2 * g * x * np.exp(-x * x)),
    (lambda x: x * np.exp(x), lambda g, x: g * (np.exp(x) + x * np.exp(x))),
])  # fmt: skip
def test_what_forward_has_lost_itself_is_asked_of_nobody(forward, backward):
    report = pullback.check(forward, backward, X)
    assert report.verdict == "right" and {note.name for note in report.notes} <= {"low_precision_accumulation"}


def batch_norm(x, w, b):
    """Its statistics are in single precision, whatever x is in."""
    mean, variance = x.mean(0, dtype="f4"), x.var(0, dtype="f4")
    return w * (x - mean) / np.sqrt(variance + 1e-5, dtype="f4") + b


def batch_norm_backward(g, x, w, b, through_mean=1.0):
    r = 1 / np.sqrt(x.var(0) + 1e-5)
    u = (x - x.mean(0)) * r
    gx = w * r * (g - through_mean * g.mean(0) - u * (u * g).mean(0))
    return gx, (u * g).sum(0), g.sum(0)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_forward_that_rounds_inside_has_no_kinks(dtype):
    x, w, b = (np.random.default_rng(0).normal(size=shape).astype(dtype) for shape in ((6, 4), (4,), (4,)))
    report = pullback.check(batch_norm, batch_norm_backward, x, w, b)
    assert report.verdict == "right" and {note.name for note in report.notes} <= {"low_precision_accumulation"}
    assert any("less than double precision" in text for text in report.power)
    report = pullback.check(batch_norm, lambda *arrays: batch_norm_backward(*arrays, through_mean=0.9), x, w, b)
    assert report.verdict == "wrong" and report.cause == "missing_jacobian_term"


def rounds_to(forward, x):
    return Problem(adapt(forward, lambda g, x: g, [x]), None, 0, "vjp", None).grain


SHARP = {
    "tanh": (np.tanh, X), "a wave": (lambda x: np.sin(1e5 * x), X), "a steep tanh": (lambda x: np.tanh(1e5 * x), X),
    "a kink": (lambda x: abs(x - X), X), "a cube root": (np.cbrt, [0.0, 1, 2]),
    "a root": (lambda x: np.sqrt(abs(x)), [0.0, 1, -2]), "a power": (lambda x: abs(x) ** 1.2, [[0.0, 0, 0], [1, 2, 3]]),
    "an entropy": (lambda x: -(x * np.log(np.maximum(x, 1e-300))).sum(-1), [[0.0, 0.5, 0.5], [0.2, 0.3, 0.5]]),
    "a direction": (lambda x: x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-8), [[0.0, 0, 0], [1, 2, 3]]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARP)
def test_what_is_sharp_is_not_rounded(name):
    forward, x = SHARP[name]
    assert rounds_to(forward, np.array(x)) == 0


def test_how_coarsely_forward_rounds():
    single = lambda f: lambda x: np.float64(np.float32(f(x)))
    for forward in np.tanh, np.exp, np.sum, lambda x: np.tanh(30 * x):
        assert 3e-9 < rounds_to(single(forward), X) < 3e-7
    if LONG:
        assert rounds_to(lambda x: (1e9 + np.tanh(x)) - 1e9, X) == 0, "in long double it is exact enough"


ROOTS = {
    "a cube root": (np.cbrt, lambda g, x: g / (3 * np.cbrt(x**2)), np.array([0.0, 1, 2])),
    "a power": (
        lambda x: (abs(x) ** 1.2).sum(-1), lambda g, x: g[:, None] * 1.2 * np.sign(x) * abs(x) ** 0.2,
        np.array([[0.0, 0, 0], [1, 2, 3]]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROOTS)
def test_what_is_sharp_is_judged(name):
    forward, backward, x = ROOTS[name]
    assert pullback.check(forward, backward, x).verdict == "right"
    assert pullback.check(forward, lambda *arrays: 1.01 * backward(*arrays), x).verdict == "wrong"


def test_nan_is_wrong_where_forward_rounds_too():
    """The derivative is 0 there, as far as single precision can tell."""
    single = lambda x: np.exp(-x, dtype="f4")

    def backward(g, x):
        e = single(x)
        return g * (1 + e + x * e) / (1 + e) ** 2

    x = X.astype("f4")
    with np.errstate(all="ignore"):
        report = pullback.check(lambda x: x / (1 + single(x)), backward, x)
    assert report.verdict == "wrong" and report.cause == "overflow_large_input"


def square_back(factor):
    return lambda g, x: 2 * x * g * (factor() if x.dtype == np.float32 else 1)


def test_single_precision_is_tried():
    report = pullback.check(np.square, square_back(lambda: np.float32(1.1)), X)
    assert report.verdict == "wrong" and report.leading.where == "your example in single precision"
    assert pullback.check(np.square, square_back(lambda: np.float32(1)), X).verdict == "right"


def test_what_raises_in_single_precision_is_worth_a_note():
    report = pullback.check(np.square, square_back(lambda: 1 // 0), X)
    assert report.verdict == "right" and any(
        "backward raises ZeroDivisionError" in each.evidence for each in report.notes
    )
