"""Causes in steps of time, at ties, and in what is kept."""

import numpy as np
from causes import named

import pullback


def decayed(x):
    y, h = [], 0
    for each in x:
        h = 0.7 * h + np.tanh(each)
        y.append(h)
    return np.array(y)


def decayed_back(g, x):
    carry, gx = 0, []
    for each in g:  # from the first step to the last
        carry = 0.7 * carry + each
        gx.append(carry)
    return np.array(gx) * (1 - np.tanh(x) ** 2)


def test_time_runs_backwards_in_the_backward():
    assert named(decayed, decayed_back, (5, 2))[0][0] == "bptt_time"


def test_of_several_that_are_equal_each_takes_all():
    nearest = lambda a, b: ((a[:, None] - b) ** 2).min(1)

    def backward(g, a, b):
        d = (a[:, None] - b) ** 2
        flow = 2 * (a[:, None] - b) * (d == d.min(1, keepdims=True)) * g[:, None]
        return flow.sum(1), -flow.sum(0)

    assert named(nearest, backward, (4,), (3,))[0][0] == "kink_convention"


def test_the_answer_of_the_first_call_is_kept():
    kept = {}

    def backward(g, x):
        places = kept.setdefault(x.shape, x.argmax(0))
        gx = np.zeros_like(x)
        gx[places, np.arange(x.shape[1])] = g
        return gx

    assert named(lambda x: x.max(0), backward, (4, 3))[0][0] == "stale_buffer"


def test_a_mask_of_booleans_that_is_not_applied():
    mask = np.array([[True, False, True], [False, True, True]])
    report = pullback.check(lambda x, mask: np.where(mask, 2 * x, 0.0), lambda g, x, mask: 2 * g, (2, 3), mask)
    assert report.verdict == "wrong" and "mask is not applied" in str(report)


def test_only_the_last_step_is_asked():
    def backward(g, x):
        only = np.zeros_like(g)
        only[-1] = g[-1]
        return decayed_back(only[::-1], x[::-1])[::-1]

    assert named(decayed, backward, (5, 3))[0][0] == "bptt_time"


def test_of_places_that_repeat_the_last_is_written():
    src, dst = np.array([0, 0, 1, 3, 2]), np.array([1, 2, 2, 2, 0])

    def backward(g, h, src, dst):
        dh = np.zeros_like(h)
        dh[src] += g * h[dst]
        dh[dst] += g * h[src]
        return dh

    causes, evidence = named(lambda h, src, dst: h[src] * h[dst], backward, (4, 3), src, dst)
    assert causes[0] == "overwrite_vs_accumulate" and "src and dst" in evidence


class History:
    """Keeps what every forward had, and goes back to one of them."""

    def __init__(self, which):
        self.kept, self.which = [], which

    def forward(self, x):
        self.kept.append(x)
        return np.tanh(x)

    def backward(self, g):
        return g * (1 - np.tanh(self.kept[self.which]) ** 2)


def test_the_first_forward_is_remembered():
    assert named(History(0), None, (4, 3))[0][0] == "stale_buffer"
    assert pullback.check(History(-1), None, (4, 3)).verdict == "right"


def test_a_border_that_is_never_written():
    """Fresh memory may hold zeros, by chance: it is filled, to see whether it comes back."""

    def backward_with(make):
        def backward(g, x):
            gx = make(x)
            gx[1:-1] = 2 * g * x[1:-1]
            return gx

        return backward

    inner = lambda x: x[1:-1] ** 2
    assert pullback.check(inner, backward_with(lambda x: np.zeros_like(x)), (6, 3)).verdict == "right"
    before = np.empty
    report = pullback.check(inner, backward_with(lambda x: np.empty(x.shape)), (6, 3))
    assert report.cause == "stale_buffer" and report.causes[0].evidence.startswith("x[0, 0] is never written")
    assert np.empty is before


def test_where_the_example_shows_nothing_nothing_is_remembered():
    """Of a gap that is zero at the example, a multiple is right there."""
    x = np.random.default_rng(0).normal(size=(4, 3))
    report = pullback.check(
        lambda x, t: np.mean((x - t) ** 2), lambda g, x, t: (2 * g * (x - t), 2 * g * (t - x)), x, x
    )
    assert report.cause == "constant_factor" and "stale_buffer" not in [cause.name for cause in report.causes]


def test_what_is_written_over_is_no_matter_of_layout():
    """Which of several comes last, is one: index arrays are gone through as they lie in memory."""

    def looked_up(x, p):
        at = np.clip(np.floor(p), 0, len(x) - 1).astype(int)
        return x[at] * p, (x, p, at)

    def back(g, cache):
        x, p, at = cache
        gx = np.zeros_like(x)
        gx[at] += g * p
        return gx, g * x[at]

    p = np.random.default_rng(0).uniform(0, 4, (3, 5))
    report = pullback.check(looked_up, back, (4,), p)
    assert report.cause == "overwrite_vs_accumulate" and "np.add.at" in report.findings[0].mend
