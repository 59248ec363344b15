"""What makes a gradient right, and the cause that goes with it: counts, turns of a loop, paths, conditions."""

import numpy as np
import pytest

import pullback as pb


def wrong(forward, backward, *inputs, of=0):
    """The cause, and the change of one of the gradients."""
    report = pb.check(forward, backward, *inputs)
    assert report.verdict == "wrong"
    return report.findings[of].cause, report.findings[of].mend.partition(": ")[2]


def cumulated(x):
    return np.cumsum(x * x, axis=0)


def test_a_running_sum_goes_back_from_the_last():
    forwards = lambda g, x: 2 * x * np.cumsum(g, axis=0)
    assert wrong(cumulated, forwards, (4, 3))[1] == "`np.cumsum(g, axis=0)` from the other end of axis 0"

    def cox(risk):
        at_risk = np.cumsum(np.exp(risk))
        loss = np.log(at_risk).sum() - risk.sum()
        return loss, np.exp(risk) * np.cumsum(1 / at_risk) - 1

    cause, change = wrong(cox, None, (6,))
    assert cause == "transpose_or_adjoint" and change == "`np.cumsum(1 / at_risk)` from the other end"


def norm(x, groups=2):
    """Of groups of channels."""
    some = x.reshape(len(x), groups, -1)
    std = np.sqrt(some.var(2, keepdims=True) + 1e-5)
    return ((some - some.mean(2, keepdims=True)) / std).reshape(x.shape), (some, std)


def test_a_count_is_told_by_what_is_counted():
    """No input has as many numbers along any of its axes."""

    def of_pixels(g, cache):
        some, std = cache
        pixels = g.shape[2] * g.shape[3]
        up, u = g.reshape(some.shape), (some - some.mean(2, keepdims=True)) / std
        back = up - up.sum(2, keepdims=True) / pixels - u * (up * u).sum(2, keepdims=True) / pixels
        return (back / std).reshape(g.shape)

    report = pb.check(norm, of_pixels, (2, 6, 3, 5))
    assert {each.name for each in report.causes[:2]} == {"missing_jacobian_term", "constant_factor"}
    assert "where 45 numbers are counted, not 15" in report.causes[0].evidence
    assert "45 for 15" in report.leading.mend and report.leading.mend.endswith(".shape[2]`)")


def test_a_sum_in_the_place_of_a_mean_is_no_other_option():
    def rms(x):
        return x * (1 / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6))

    def summed(g, x):
        r = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        return r * g - r**3 * x * (g * x).sum(-1, keepdims=True)

    cause, change = wrong(rms, summed, (2, 3, 7))
    assert cause == "constant_factor" and change.endswith("a mean, not a sum")


def test_numbers_in_pytorch_are_changed_too():
    torch = pytest.importorskip("torch")

    class Norm(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            std = (x.var((0, 2), unbiased=False, keepdims=True) + 1e-5).sqrt()
            u = (x - x.mean((0, 2), keepdims=True)) / std
            ctx.save_for_backward(u, std)
            return u

        @staticmethod
        def backward(ctx, g):
            u, std = ctx.saved_tensors
            m = g.shape[0]
            return (m * g - g.sum((0, 2), keepdims=True) - u * (g * u).sum((0, 2), keepdims=True)) / m / std

    report = pb.check(Norm, None, (3, 2, 5))
    assert "constant_factor" in [each.name for each in report.causes[:2]]
    assert "15 for 3" in report.leading.mend and report.leading.mend.endswith("`x.shape[0] * x.shape[2]`)")

    class Less(torch.autograd.Function):
        """What stands before an operator is the second argument of its function."""

        @staticmethod
        def forward(ctx, x):
            y = torch.tanh(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * (2 - y * y)

    assert "in `2 - y * y`, 1 for 2" in pb.check(Less, None, (4, 3)).leading.mend


def doubled(x, w, v):
    """x is data, and goes two ways."""
    p = np.exp(x @ v)
    return (x @ w) * p / p.sum(1, keepdims=True)


def test_a_path_of_data_is_forgotten_and_not_written_over():
    def back(g, x, w, v):
        p = np.exp(x @ v)
        p /= p.sum(1, keepdims=True)
        a, b = g * p, g * (x @ w)
        return a @ w.T, x.T @ a, x.T @ (p * (b - (b * p).sum(1, keepdims=True)))

    assert wrong(doubled, back, (4, 3), (3, 2), (3, 2))[0] == "missing_jacobian_term"


def test_a_condition_on_another_array_is_no_factor():
    """Of a part of a layer: the whole is no function of single numbers."""

    def gate(x, w):
        e = x @ w
        p = np.exp(e - e.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return p * np.where(e > 0, e, 0.2 * e), (x, w, e, p)

    def back(g, cache):
        x, w, e, p = cache
        a = np.where(e > 0, e, 0.2 * e)
        de = g * p * np.where(p > 0, 1, 0.2) + p * (g * a - (g * a * p).sum(1, keepdims=True))
        return de @ w.T, x.T @ de

    cause, change = wrong(gate, back, (4, 3), (3, 5))
    assert cause == "saved_wrong_tensor"
    assert change.startswith("in `p > 0`, ") and change.endswith("in the place of `p`")


def test_what_stands_there_has_axes_of_one():
    """As `num[:, None]` has them, of arrays that have two names in one line."""

    def dice(x, t):
        p = 1 / (1 + np.exp(-x))
        common = (p * t).sum(1)
        num, den = 2 * common + 1, p.sum(1) + t.sum(1)
        dp = -(2 * t * den[:, None] - common[:, None]) / den[:, None] ** 2
        return -(num / den).sum(), dp * p * (1 - p)

    t = np.random.default_rng(3).uniform(size=(4, 3))
    cause, change = wrong(dice, None, (4, 3), t)
    assert cause == "saved_wrong_tensor"
    assert "`num` (line" in change and change.endswith("in the place of `common[:, None]`")


def test_what_is_transposed_may_be_square():
    def mixed(m):
        return np.einsum("ji,ij->ij", np.tanh(m), np.cos(m))

    def back(g, m):
        n = np.tanh(m)
        return (g * np.cos(m)).T * (1 - n * n) - g * m * np.sin(m)

    cause, change = wrong(mixed, back, (4, 4))
    assert cause == "saved_wrong_tensor" and "in `g * m`, `np.tanh(m)` (line" in change
    assert change.endswith(", transposed, in the place of `m`")


def test_a_logarithm_less_is_a_factor_less():
    def laplace(x, s):
        z = x * np.exp(-s)
        return z * z, (z, s)

    def back(g, cache):
        z, s = cache
        return 2 * g * z * np.exp(-s), -2 * g * z * z * np.exp(-s)

    cause, change = wrong(laplace, back, (4, 3), (4, 3), of=1)
    assert (
        cause == "missing_chain_factor" and change == "without the factor `np.exp(-s)` (the second of 2 on that line)"
    )


def chain(x, w):
    """All pairs of neighbours."""
    return sum(np.tanh(x[t] * w * x[t + 1]).sum() + (x[t] ** 2 * w).sum() for t in range(len(x) - 1))


def of_pairs(turns):
    def back(g, x, w):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for t in turns(len(x)):
            d = g * (1 - np.tanh(x[t] * w * x[t + 1]) ** 2)
            dw += d * x[t] * x[t + 1] + g * x[t] ** 2
        for t in range(len(x) - 1):
            d = g * (1 - np.tanh(x[t] * w * x[t + 1]) ** 2)
            dx[t] += d * w * x[t + 1] + 2 * g * x[t] * w
            dx[t + 1] += d * w * x[t]
        return dx, dw

    return back


@pytest.mark.parametrize(
    "turns, says",
    [
        (lambda n: range(1, n - 1), "`range(1, n - 1)` begins at 0, not at 1"),
        (lambda n: range(n - 2), "`range(n - 2)` ends at 4, not at 3"),
        (lambda n: range(n - 2, 0, -1), "`range(n - 2, 0, -1)` ends at -1, not at 0"),
    ],
)
def test_a_turn_of_a_loop_that_is_left_out(turns, says):
    cause, change = wrong(chain, of_pairs(turns), (5, 3), (3,), of=1)
    assert cause == "missing_jacobian_term" and change == says
    assert "range" not in globals()
