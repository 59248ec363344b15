"""Kinds of changes with which a backward is right, each of which is found, and what is said of it holds elsewhere."""

import numpy as np
import pytest

import pullback as pb


def mends(forward, backward, *inputs):
    report = pb.check(forward, backward, *inputs)
    assert report.verdict == "wrong"
    return [finding.mend.partition(", in ")[2].partition(": ")[2] for finding in report.findings]


def test_a_letter_of_a_sum():
    forward = lambda x, a: np.einsum("ni,nij->nj", x, a)

    def back(g, x, a):
        return np.einsum("ni,nij->ni", g, a), np.einsum("nj,ni->nij", g, x)

    says, none = mends(forward, back, (2, 3), (2, 3, 3))
    assert "'nj,nij->ni' for 'ni,nij->ni'" in says and not none


def test_a_matrix_and_its_transpose():
    def back(g, x, m):
        return g[:, None] * 2 * (x @ m), (g[:, None] * x).T @ x

    says, _ = mends(lambda x, m: np.einsum("ni,ij,nj->n", x, m, x), back, (2, 3), (3, 3))
    assert says.endswith("`m` plus its transpose, halved")


def recurrent(x, w):
    h = [np.zeros_like(w)]
    for each in x:
        h.append(np.tanh(each + h[-1] * w))
    return h[-1], (h, w)


def forwards_in_time(g, cache):
    h, w = cache
    dx, dw = np.zeros((len(h) - 1, len(w))), np.zeros_like(w)
    for t in range(len(h) - 1):
        dx[t] = g * (1 - h[t + 1] ** 2)
        dw, g = dw + dx[t] * h[t], dx[t] * w
    return dx, dw


def test_a_loop_that_runs_the_wrong_way():
    report = pb.check(recurrent, forwards_in_time, (3, 2), (2,))
    assert report.cause == "bptt_time"
    assert all(each.mend.endswith("`range(len(h) - 1)` the other way round") for each in report.findings)


@pytest.mark.parametrize("way", ["dtype", "cast"])
def test_what_is_rounded_on_the_way(way):
    x, w = np.random.default_rng(1).normal(size=(60, 3)).astype("f4"), np.ones(3, "f4") / 3

    def back(g, x, w):
        if way == "dtype":
            return g * w, np.cumsum(g * x, axis=0, dtype=np.float16)[-1]
        return g * w, (g * x).astype(np.float16).sum(axis=0)

    report = pb.check(lambda x, w: x * w, back, x, w)
    assert report.cause == "low_precision_accumulation"
    assert report.findings[1].mend.endswith("without `dtype`" if way == "dtype" else "without the cast")


def test_a_missing_two_is_no_root_of_a_size():
    """Of the second input, whose numbers stand elsewhere at other sizes."""

    def back(g, x, w):
        return np.full_like(x, g), g * w

    assert mends(lambda x, w: x.sum() + (w * w).sum(), back, (4, 3), (4,)) == ["", "`g * w` times 2"]


def test_one_less_than_a_size():
    def back(g, x):
        n = len(x)
        return g * 2 * (x - x.mean(axis=0)) / n

    assert mends(lambda x: x.var(axis=0, ddof=1), back, (5, 3))[0].endswith("`x.shape[0] / (x.shape[0] - 1)`")


def test_a_number_that_is_another_at_other_shapes_is_not_said_of_them():
    std = lambda x: x.std(axis=1, ddof=1)

    def back(g, x, n):
        return (g / std(x) / n)[:, None] * (x - x.mean(axis=1, keepdims=True))

    evidence = pb.check(std, lambda g, x: back(g, x, x.shape[1] + 3), (3, 5)).causes[0].evidence
    assert "times 0.5" in evidence and "too" not in evidence
    one_less = pb.check(std, lambda g, x: back(g, x, x.shape[1]), (3, 5)).causes[0].evidence
    assert "times 0.8 = (n - 1) / n" in one_less


def test_a_number_on_the_left_in_torch():
    torch = pytest.importorskip("torch")
    scale = 3.0

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            t = torch.tanh(x)
            ctx.save_for_backward(t)
            return 2 * t * t + scale * t

        @staticmethod
        def backward(ctx, g):
            (t,) = ctx.saved_tensors
            return g * (4 * t) * (1 - t * t)

    assert "nothing comes back through `t`: `scale * t`" in pb.check(Scaled, None, (2, 3)).causes[0].evidence


def test_a_mend_of_one_of_two_gradients_says_so():
    def back(g, x, w):
        return -g * w, g * np.cosh(x) ** 3

    report = str(pb.check(lambda x, w: x * w, back, (4,), (4,)))
    assert "mend      x alone: right with line" in report and "mend      w alone: right with line" in report


def test_a_conjugate_of_what_is_complex_on_the_way():
    """The spectrum of real numbers is complex."""

    def forward(x, w):
        gain = w + 1j * w**2
        return np.fft.irfft(np.fft.rfft(x) * gain, n=len(x)), (x, w, gain)

    def back(g, cache):
        x, w, gain = cache
        spectrum, twice = np.fft.rfft(x), np.array([1, 2, 2]) / len(x)
        dgain = np.fft.rfft(g) * np.conj(spectrum) * twice
        return np.fft.irfft(np.fft.rfft(g) * gain, n=len(x)), dgain.real + 2 * w * dgain.imag

    report = pb.check(forward, back, (5,), (3,))
    assert report.findings[0].mend.endswith("in `np.fft.rfft(g) * gain`, `gain` conjugated")


def test_which_of_two_that_read_alike_on_a_line():
    def back(g, x):
        return g * np.sin(x) * np.cos(x) + g * np.sin(x) * np.sin(x)

    says = mends(lambda x: np.sin(x) ** 2, back, (4,))[0]
    assert "`np.sin(x)`" in says and says.endswith((" of 3 on that line)", " of 2 on that line)"))


def test_what_was_another_array_before():
    def back(g, x):
        t = np.tanh(x)
        t = np.sinh(t)
        return g * t

    says = mends(lambda x: np.log(np.cosh(x)), back, (4,))[0]
    assert says.startswith("in `g * t`, `t` as it was in line ")


def doubled(x):
    return x + x


def test_a_lambda_is_called_by_what_it_calls():
    assert str(pb.check(lambda x: doubled(x), lambda g, x: g, (3,))).startswith("doubled: wrong")
    assert str(pb.check(lambda x: np.sin(x), lambda g, x: g, (3,))).startswith("<lambda>: wrong")


FROM, TO = np.array([0, 1, 2, 2, 3]), np.array([1, 2, 0, 3, 1])


def messages(h):
    total = np.zeros_like(h)
    np.add.at(total, TO, h[FROM] ** 2)
    return total


def both_exchanged(g, h):
    dh = np.zeros_like(h)
    np.add.at(dh, TO, g[FROM])
    return 2 * h * dh


def one_for_the_other(g, h):
    dh = np.zeros_like(h)
    np.add.at(dh, FROM, g[FROM])
    return 2 * h * dh


def test_arrays_of_indices():
    for backward, says in ((both_exchanged, "`FROM` and `TO` exchanged"), (one_for_the_other, "`TO` in the place of")):
        report = pb.check(messages, backward, (4, 2))
        assert report.cause == "index_routing" and says in report.findings[0].mend


def test_an_index_that_is_one_too_large():
    def stacked(x, w):
        h, w_ = recurrent(x, w)[1]
        return np.stack(h[1:]), (np.stack(h), w)

    def back(g, cache):
        h, w = cache
        dx, dw, d = np.zeros_like(g), np.zeros_like(w), 0.0
        for t in reversed(range(len(g))):
            dx[t] = (g[t] + d) * (1 - h[t + 1] ** 2)
            dw += dx[t] * h[t + 1]
            d = dx[t] * w
        return dx, dw

    assert mends(stacked, back, (3, 2), (2,)) == ["", "in `h[t + 1]`, `t + 1` one less"]


def test_a_name_of_a_helper_that_is_called_several_times():
    """In each call it is another array."""

    def midpoints(y, w):
        states = [y, y + 0.5 * np.tanh(y @ w)]
        return sum(np.tanh(each @ w) for each in states), (states, w)

    def back(g, cache):
        states, w = cache
        dw = np.zeros_like(w)

        def pulled(at, s):
            nonlocal dw
            y, ds = states[0], s * (1 - np.tanh(at @ w) ** 2)
            dw = dw + y.T @ ds
            return ds @ w.T

        second = pulled(states[1], g)
        return second + pulled(states[0], g + 0.5 * second), dw

    says = mends(midpoints, back, (2, 2), (2, 2))[1]
    assert says.endswith("in `y.T @ ds`, `at.T` in the place of `y.T`, in every call")


def test_a_name_that_is_a_plain_number_in_one_call():
    """Nothing is said of it, and nothing raised."""

    def twice(x):
        return np.tanh(x) + np.tanh(0.5 * x)

    def back(g, x):
        def pulled(at, less):
            return g * (1 - np.tanh(at + less) ** 2)

        return pulled(0.3 * x, x * x) + 0.5 * pulled(x, 0.0)

    assert pb.check(twice, back, (3,)).verdict == "wrong"
