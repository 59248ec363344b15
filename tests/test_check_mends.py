"""The one change of backward with which it is right is found, and told in the words of the code."""

import numpy as np
import pytest

import pullback as pb

X, W, B, S = (4, 3), (3, 2), (2,), (4, 3)


def mend(forward, backward, *inputs, of=0):
    report = pb.check(forward, backward, *inputs)
    assert report.verdict == "wrong"
    return report.findings[of].mend


def tanh(x):
    return np.tanh(x)


def dense(x, w, b):
    return np.tanh(x @ w + b)


def smooth(x):
    return np.where(x > 1, x - 0.5, 0.5 * x * x)


def cumulated(x):
    return np.cumsum(x * x, axis=0)


def saved_input(g, x):
    y = np.tanh(x)
    return g * (1 - x * y)


def slope_forgotten(g, x, w, b):
    y = np.tanh(x @ w + b)
    dz = g * (1 - y)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


def mean_for_sum(g, x, w, b):
    dz = g * (1 - np.tanh(x @ w + b) ** 2)
    return dz @ w.T, x.T @ dz, dz.mean(axis=0)


def above_forgotten(g, x, w, b):
    dz = g * (1 - np.tanh(x @ w + b) ** 2)
    return dz @ w.T, x.T @ g, dz.sum(axis=0)


def plus_for_minus(g, x, w, b):
    dz = g * (1 + np.tanh(x @ w + b) ** 2)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


def other_side(g, x):
    return g * np.where(x < 1, 1.0, x)


def forwards(g, x):
    return 2 * x * np.cumsum(g, axis=0)


def cube(x):
    return x**3


def power_kept(g, x):
    return 3 * g * x**3


def windows(x, w):
    return np.array([(x[i : i + 3] * w).sum() for i in range(5)])


def written_over(g, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(5):
        dx[i : i + 3] = g[i] * w
        dw += g[i] * x[i : i + 3]
    return dx, dw


@pytest.mark.parametrize(
    "forward, backward, inputs, of, says",
    [
        (tanh, saved_input, [S], 0, "in `x * y`, the output of forward in the place of `x`"),
        (dense, slope_forgotten, [X, W, B], 0, "in `g * (1 - y)`, the slope of `np.tanh(x @ w + b)` (line"),
        (dense, mean_for_sum, [X, W, B], 2, "`dz.mean(axis=0)`: a sum, not a mean"),
        (dense, above_forgotten, [X, W, B], 1, "in `x.T @ g`, `dz` (line"),
        (dense, plus_for_minus, [X, W, B], 0, "times -1"),
        (smooth, other_side, [S], 0, "in `x < 1`, greater for less"),
        (cube, power_kept, [S], 0, "in `x ** 3`, 2 for 3"),
        (windows, written_over, [(7,), (3,)], 0, "`dx[i:i + 3]`: += for ="),
    ],
)
def test_the_change_is_told(forward, backward, inputs, of, says):
    rng = np.random.default_rng(5)
    found = mend(forward, backward, *[2 * rng.normal(size=shape) for shape in inputs], of=of)
    assert says in found and f", in {backward.__name__}: " in found


def test_of_an_lstm():
    def step(x, c, wi, wo):
        i, o = 1 / (1 + np.exp(-(x @ wi))), 1 / (1 + np.exp(-(x @ wo)))
        new = c + i * x
        return o * np.tanh(new), new, (x, i, o, new, wi, wo)

    def back(dh, dnew, cache):
        x, i, o, new, wi, wo = cache
        d = dh * o * (1 - np.tanh(new) ** 2)
        zi, zo = d * x * i * (1 - i), dh * np.tanh(new) * o * (1 - o)
        return d * i + zi @ wi.T + zo @ wo.T, d, x.T @ zi, x.T @ zo

    report = pb.check(step, back, (4, 3), (4, 3), (3, 3), (3, 3))
    for finding in report.findings[:3]:
        assert finding.mend.endswith("`dh * o * (1 - np.tanh(new) ** 2)` plus the gradient of y1 from above")
    assert report.findings[3].mend == ""  # it is right
    assert "mend " in str(report) and "plus the gradient of y1" in report.to_json()


def test_of_a_loss_that_gives_its_gradient():
    def softmax_loss(x, t):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p = p / p.sum(axis=1, keepdims=True)
        loss = -(t * np.log(p)).sum() / len(x)
        return loss, p - t

    t = np.eye(3)[[0, 2, 1, 1]]
    report = pb.check(softmax_loss, None, np.random.default_rng(1).normal(size=(4, 3)), t, wrt="x")
    assert ", in softmax_loss: `p - t` divided by `len(x)` (line " in report.findings[0].mend


def attention(q, k):
    d = q.shape[-1]
    return q @ k.T / np.sqrt(d)


def without_scale(g, q, k):
    return g @ k, g.T @ q


def halved(g, q, k):
    return g @ k / np.sqrt(q.shape[-1]) / 2, g.T @ q / np.sqrt(q.shape[-1])


def averaged(x):
    return x.mean(axis=1)


def repeated(g, x):
    return np.repeat(g[:, None], x.shape[1], axis=1)


@pytest.mark.parametrize("d", [4, 9])
def test_a_number_is_said_in_the_words_of_forward(d):
    """The root of 4 is 2, and 2 is no such thing at other sizes."""
    found = mend(attention, without_scale, (3, d), (5, d))
    assert "`g @ k` divided by `np.sqrt(d)` (line" in found and found.endswith(", in attention)")
    assert "times 2" in mend(attention, halved, (3, d), (5, d))


def test_a_number_that_is_a_size_is_said_to_be_that():
    assert mend(averaged, repeated, (5, 4)).endswith("divided by `x.shape[1]`")
    assert mend(averaged, repeated, (4, 4)).endswith("divided by `x.shape[0]` or divided by `x.shape[1]`")
    scaled = lambda g, x: repeated(g, x) / 2 / x.shape[1]
    assert "times 2" in mend(averaged, scaled, (5, 2))


def test_where_other_sizes_do_not_run_it_is_said_of_these():
    def fixed(g, x):
        return np.repeat(g[:, None], {(5, 3): 3}[x.shape], axis=1)

    assert mend(averaged, fixed, (5, 3)).endswith("times 1/3, at these sizes")


def test_without_the_source():
    scope = {"np": np}
    exec("def f(x): return np.exp(x)\ndef back(g, x):\n    return g * x", scope)
    assert (
        mend(scope["f"], scope["back"], (5,)) == "line 3, in back: in multiply, the output of forward in the place of x"
    )


def test_two_faults_have_two_changes():
    def back(g, x, w, b):
        dz = g * (1 - np.tanh(x @ w + b) ** 2)
        return dz @ w.T * 2, x.T @ dz, -dz.sum(axis=0)

    report = pb.check(dense, back, (4, 5), (5, 3), (3,))
    x, w, b = (finding.mend.partition(", in back: ")[2] for finding in report.findings)
    assert (x, w, b) == ("`dz @ w.T` times 1/2", "", "`dz.sum(axis=0)` times -1")


def test_where_no_single_change_helps():
    def back(g, x):
        return np.sin(g) * np.cosh(x) ** 3

    assert mend(tanh, back, (5,)) == ""


def test_a_change_that_breaks_another_gradient_is_none():
    """x.T @ dz is right, and would not be, if dz were changed for dx."""

    def back(g, x, w, b):
        dz = g * (1 - np.tanh(x @ w + b) ** 2)
        return 2 * dz @ w.T, x.T @ dz, dz.sum(axis=0)

    report = pb.check(dense, back, X, W, B)
    assert "`2 * dz` times 1/2" in report.findings[0].mend or "1 for 2" in report.findings[0].mend


def test_of_torch():
    torch = pytest.importorskip("torch")

    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * torch.tanh(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            t = torch.tanh(x)
            return g * (t + (1 - t * t))

    for layer in (Gate, Gate.apply):
        (finding,) = pb.check(layer, None, (4, 3)).findings
        assert finding.mend.partition(", in backward: ")[2] == f"`1 - t * t` times {finding.name}"


def test_the_arrays_of_the_user_are_as_they_were():
    kept = np.arange(1.0, 7)

    def back(g, x):
        kept[...] = g * x
        return kept * 1.0

    before = kept.copy()
    pb.check(np.exp, back, np.linspace(0.1, 1, 6))
    assert type(kept) is np.ndarray and not np.array_equal(kept, before)


def test_what_fits_these_numbers_alone_is_none():
    """2 x and x² are alike at 2."""
    assert mend(cube, lambda g, x: 3 * g * x, np.full(4, 2.0)).endswith("`3 * g` times x")


def test_a_sum_over_the_other_axis():
    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def back(g, x):
        p = softmax(x)
        return p * (g - (g * p).sum(axis=0, keepdims=True))

    found = mend(softmax, back, (4, 3))
    assert found.endswith(", in back: `(g * p).sum(axis=0, keepdims=True)` over axes (1,)")


def test_operands_are_told_from_numbers_and_words():
    def outer(x, w):
        return np.einsum("i,j->ij", np.tanh(x), w)

    def back(g, x, w):
        y = np.tanh(x)
        return np.einsum("ij,j->i", g, w) * (1 - y * y), np.einsum("ij,i->j", g, x)

    found = mend(outer, back, (4,), (3,), of=1)
    assert "in `np.einsum('ij,i->j', g, x)`, `np.tanh(x)` (line" in found and found.endswith("in the place of `x`")


def test_a_helper_is_told_with_its_call():
    def times(a, b):
        return a * b

    def gate(x, w):
        return np.tanh(x) * w

    def back(g, x, w):
        y = np.tanh(x)
        return times(times(g, w), 1 - y * y), times(g, x)

    assert ", as called in line" in mend(gate, back, (4,), (4,), of=1)


def test_numbers_in_a_loop_are_numbers():
    """old stays what it was, when s becomes another number: three times it, in all, for the two that are right."""

    def back(g, x):
        found = np.empty_like(x)
        for i in range(len(x)):
            s = x[i]
            old = s
            s *= 2.0
            found[i] = g[i] * (s + old)
        return found

    found = mend(np.square, back, (5,))
    assert found.endswith(("`s *= 2.0` times 1/2", "0 for `old`", "1 for 2", "in `s *= 2.0`, 1 for 2"))


def test_a_class_method_of_a_function_is_no_apply():
    torch = pytest.importorskip("torch")

    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(torch.tanh(x))
            return torch.tanh(x)

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * (1 - y * y)

        @classmethod
        def doubled(cls, x):
            return 2 * cls.apply(x)

    assert pb.check(Tanh.doubled, None, (4, 3)).verdict == "right"


def test_of_a_loop_that_runs_back():
    """The slope is taken at the step before."""

    def rnn(x, first, u):
        h = [first]
        for row in x:
            h.append(np.tanh(row + h[-1] @ u))
        return h[-1], (h, u)

    def back(g, cache):
        h, u = cache
        dx, du = [], np.zeros_like(u)
        for t in reversed(range(len(h) - 1)):
            d = g * (1 - h[t] ** 2)
            dx.append(d)
            du += np.outer(h[t], d)
            g = u @ d
        return np.stack(dx[::-1]), g, du

    for finding in pb.check(rnn, back, (4, 3), (3,), (3, 3)).findings:
        assert "in `h[t] ** 2`, `np.tanh(row + h[-1] @ u)` (line" in finding.mend


def recurrent(x, w):
    h, found = np.zeros(w.shape[0]), []
    for each in x:
        h = np.tanh(each + h @ w)
        found.append(h)
    return np.stack(found)


def written_over_in_every_turn(g, x, w):
    y, dh, dx = recurrent(x, w), 0.0, np.zeros_like(x)
    dw = np.zeros_like(w)
    for t in reversed(range(len(x))):
        dx[t] = dz = (g[t] + dh) * (1 - y[t] ** 2)
        dw = np.outer(y[t - 1] if t else np.zeros(len(w)), dz)
        dh = dz @ w.T
    return dx, dw


def test_what_every_turn_of_a_loop_writes_over():
    report = pb.check(recurrent, written_over_in_every_turn, (4, 3), (3, 3))
    assert report.cause == "overwrite_vs_accumulate"
    assert report.findings[1].mend.endswith("added up over the turns of the loop, += for =")


def test_indices_that_repeat():
    rows = np.array([1, 0, 1, 3, 1])

    def written(g, x):
        gx = np.zeros_like(x)
        gx[rows] += 2 * g * x[rows]
        return gx

    assert mend(lambda x: x[rows] ** 2, written, (4, 3)).endswith("`gx[rows]`: np.add.at, since indices repeat")


def sliding(x, w):
    y = np.zeros((x.shape[0] - 2, x.shape[1] - 2))
    for i, j in np.ndindex(*y.shape):
        y[i, j] = (x[i : i + 3, j : j + 3] * w).sum()
    return y


def written_over_where_windows_meet(g, x, w):
    gx, gw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(*g.shape):
        gx[i : i + 3, j : j + 3] = g[i, j] * w
        gw += g[i, j] * x[i : i + 3, j : j + 3]
    return gx, gw


def test_of_a_large_layer_made_smaller():
    report = pb.check(sliding, written_over_where_windows_meet, (20, 21), (3, 3))
    assert report.cause == "overwrite_vs_accumulate"
    assert "`gx[i:i + 3, j:j + 3]`: += for = (at x (" in report.findings[0].mend


def test_a_factor_of_one_operand_of_several():
    """The reset gate of a GRU stands before what comes from h alone."""

    def gates(h, u):
        a, b = np.split(h @ u, 2, 1)
        r = 1 / (1 + np.exp(-a))
        return np.tanh(r * b), (h, u, r, b)

    def back(g, cache):
        h, u, r, b = cache
        db = g * (1 - np.tanh(r * b) ** 2)
        da = db * b * r * (1 - r)
        d = np.concatenate([da, db], 1)
        return d @ u.T, h.T @ d

    assert "in `np.concatenate([da, db], 1)`, `db` times `r` (line" in mend(gates, back, (3, 2), (2, 4))


def test_a_mend_is_one_for_other_numbers_in_the_place_of_defaults():
    """With a = 1 it would do to leave something out that has to be multiplied by a."""
    elu = lambda x, a=1.0: np.where(x > 0, x, a * (np.exp(x) - 1))
    more = lambda x, a=1.0: np.where(x > 0, 1, np.exp(x) + 2 * a)
    assert not mend(elu, more, (4, 5))
    negated = lambda x, a=1.0: np.where(x > 0, 1, -a * np.exp(x))
    assert "times -1" in mend(elu, negated, (4, 5))


def test_what_is_written_into_zeros_number_by_number():
    def back(g, t):
        dt = np.zeros(2)
        dt[0] += 3 * np.cos(t[0]) * g[1]
        dt[0] = g[0]
        return dt

    report = pb.check(lambda t: np.array([t[0], 3 * np.sin(t[0])]), back, (2,))
    assert report.cause == "overwrite_vs_accumulate"
    assert "+= for =" in report.findings[0].mend


def test_numbers_that_each_turn_of_a_loop_binds_anew():
    def back(g, y):
        for i in range(3):
            dy = g[i] * (i + 1) * np.cos(y)
        return dy

    report = pb.check(lambda y: np.arange(1, 4) * np.sin(y), back, np.array(0.7))
    assert report.cause == "overwrite_vs_accumulate"
    assert "added up over the turns of the loop" in report.findings[0].mend


def test_a_factor_that_is_right_at_the_example_alone_is_no_mend():
    """Where forward takes positive numbers only, it has to be tried at others of them."""
    f = lambda p: -(p[0] ** 2) / 50 - np.log(p[1]) - 0.5 * ((p[2] - p[0]) / p[1]) ** 2

    def back(g, p):
        m, t, x = p
        r = x - m
        return g * np.array([-m / 25, -1 / t + r * r / t**3, -r / t**2])  # lacks r / t**2

    assert not mend(f, back, np.array([1.0, 2.0, 3.0]))


def test_a_slope_of_a_hidden_layer_that_is_taken_at_its_output():
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    slope = lambda z: sigmoid(z) * (1 - sigmoid(z))
    x = np.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.2]])
    report = pb.check(lambda w: sigmoid(x @ w), lambda g, w: x.T @ (g * slope(sigmoid(x @ w))), (2,))
    assert report.cause == "saved_wrong_tensor"
    assert "the slope of" in report.findings[0].mend
