"""With `like=`, a report says which term of the derivative is wrong."""

import numpy as np
import pytest

import pullback

EPS = 1e-5


def standardised(x, axis):
    r = 1 / np.sqrt(x.var(axis, keepdims=True) + EPS)
    return (x - x.mean(axis, keepdims=True)) * r, r


def norm_forward(axis):
    def forward(x, w, b):
        return w * standardised(x, axis)[0] + b

    return forward


def norm_backward(axis, direct, of_mean, of_variance):
    def backward(g, x, w, b):
        u, r = standardised(x, axis)
        gu = w * g
        mean, variance = gu.mean(axis, keepdims=True), u * (u * gu).mean(axis, keepdims=True)
        return r * (direct * gu - of_mean * mean - of_variance * variance), (g * u).sum(0), g.sum(0)

    return backward


@pytest.mark.parametrize("axis, like", [(-1, "layer_norm"), (0, "batch_norm(training=True)")])
@pytest.mark.parametrize(
    "factors, says",
    [
        ((1, 1, 0), ["right", "right", "missing"]), ((1, 0, 1), ["right", "missing", "right"]),
        ((1, 1, -1), ["right", "right", "with the wrong sign"]), ((0.5, 1, 1), ["times 0.5", "right", "right"]),
        ((1, 3, 4), ["right", "times 3", "times 4"]),
    ],
)  # fmt: skip
def test_the_paths_of_a_norm(axis, like, factors, says):
    report = pullback.check(norm_forward(axis), norm_backward(axis, *factors), (4, 5), (5,), (5,), like=like)
    (note,) = [note.evidence for note in report.notes if "term by term" in note.evidence]
    paths = note.partition("term by term: ")[2].split("; ")
    assert [path.partition(": ")[2] for path in paths] == says
    assert paths[1].startswith("the mean's path") and paths[2].startswith("the variance's path")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "forward, backward, like, says",
    [
        (softmax, lambda g, x: softmax(x) * g, "softmax", "- y Σ y gy: missing"),
        (silu, lambda g, x: g / (1 + np.exp(-x)), "silu", "x σ' gy: missing"),
        (lambda x: np.log(softmax(x)), lambda g, x: g, "log_softmax", "Σ gy: missing"),
    ],
)
def test_other_sums(forward, backward, like, says):
    report = pullback.check(forward, backward, (3, 4), like=like)
    assert any(says in note.evidence for note in report.notes)


def test_nothing_is_told_of_what_is_no_sum_of_the_terms():
    report = pullback.check(softmax, lambda g, x: np.cos(x) * g, (3, 4), like="softmax")
    assert report.verdict == "wrong" and not any("term by term" in note.evidence for note in report.notes)
