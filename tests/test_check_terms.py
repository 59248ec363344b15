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


# Layers whose gradients are sums of more than one input's: written here once more, apart from the rules.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step(x, h, c, w, u, bw, bu):
    i, f, g, o = np.split(x @ w.T + bw + h @ u.T + bu, 4, axis=1)
    c1 = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c1), c1


def lstm_step_backward(gh1, gc1, x, h, c, w, u, bw, bu, from_c1=1, input_gate=1, candidate=lambda g: 1 - g**2):
    i, f, g, o = np.split(x @ w.T + bw + h @ u.T + bu, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    t = np.tanh(f * c + i * g)
    gm = from_c1 * gc1 + gh1 * o * (1 - t**2)
    gates = input_gate * gm * g * i * (1 - i), gm * c * f * (1 - f), gm * i * candidate(g), gh1 * t * o * (1 - o)
    gz = np.concatenate(gates, axis=1)
    return gz @ w, gz @ u, gm * f, gz.T @ x, gz.T @ h, gz.sum(0), gz.sum(0)


LSTM_SHAPES = (6, 5), (6, 3), (6, 3), (12, 5), (12, 3), (12,), (12,)


def notes(report):
    return [note.evidence for note in report.notes if "term by term" in note.evidence]


def test_the_gates_of_an_lstm_and_where_they_get_it_from():
    def backward(*arrays):
        return lstm_step_backward(*arrays, from_c1=0)

    dropped = notes(pullback.check(lstm_step, backward, *LSTM_SHAPES, like="lstm_cell"))
    gates, memory = sorted(dropped, key=len, reverse=True)
    assert gates.startswith("the gradient of x, h, w, u, bw, bu, term by term: ")
    assert gates.endswith("gate i from c1, gate f from c1, gate g from c1: missing; the others: right")
    assert memory.endswith("c, term by term: from c1, σ(f) gc1: missing; from h1, σ(f) σ(o) tanh'(c1) gh1: right")


def test_one_gate_of_an_lstm_with_the_wrong_sign():
    def backward(*arrays):
        return lstm_step_backward(*arrays, input_gate=-1)

    (note,) = notes(pullback.check(lstm_step, backward, *LSTM_SHAPES, like="lstm_cell"))
    assert note.endswith("gate i from c1, gate i from h1: with the wrong sign; the others: right")


def test_one_gate_of_an_lstm_with_the_wrong_slope():
    def backward(*arrays):
        return lstm_step_backward(*arrays, candidate=lambda g: g * (1 - g))

    report = pullback.check(lstm_step, backward, *LSTM_SHAPES, like="lstm_cell")
    (note,) = notes(report)
    assert note.startswith("the gradient of w, u, bw, bu, term by term: gate g from c1, gate g from h1: off by no")
    assert note.endswith("; the others: right")


def gru_step(x, h, w, u, bw, bu):
    (ar, az, an), (vr, vz, vn) = np.split(x @ w.T + bw, 3, axis=1), np.split(h @ u.T + bu, 3, axis=1)
    z, n = sigmoid(az + vz), np.tanh(an + sigmoid(ar + vr) * vn)
    return n + z * (h - n)


def test_the_paths_of_a_gru():
    def backward(g, x, h, w, u, bw, bu):
        (ar, az, an), (vr, vz, vn) = np.split(x @ w.T + bw, 3, axis=1), np.split(h @ u.T + bu, 3, axis=1)
        r, z = sigmoid(ar + vr), sigmoid(az + vz)
        n = np.tanh(an + r * vn)
        gn, gz = g * (1 - z) * (1 - n**2), g * (h - n) * z * (1 - z)
        gr = gn * vn * r * (1 - r) * 0  # nothing goes through the reset gate
        ga, gv = np.concatenate([gr, gz, gn], axis=1), np.concatenate([gr, gz, gn * r], axis=1)
        return ga @ w, gv @ u, ga.T @ x, gv.T @ h, ga.sum(0), gv.sum(0)  # the straight path is missing in that of h

    shapes = (6, 5), (6, 3), (9, 5), (9, 3), (9,), (9,)
    told = notes(pullback.check(gru_step, backward, *shapes, like="gru_cell"))
    assert any("of h," in note and "reset gate r: missing" in note and "z gh1: missing" in note for note in told)
    rest = "reset gate r: missing; update gate z: right; candidate n: right"
    assert any("of x, w, " in note and note.endswith(rest) for note in told)


def test_one_gate_of_a_gru_with_the_wrong_slope():
    def backward(g, x, h, w, u, bw, bu):
        (ar, az, an), (vr, vz, vn) = np.split(x @ w.T + bw, 3, axis=1), np.split(h @ u.T + bu, 3, axis=1)
        r, z = sigmoid(ar + vr), sigmoid(az + vz)
        n = np.tanh(an + r * vn)
        gn, gz = g * (1 - z) * (1 - n**2), g * (h - n) * (1 - z**2)  # as if z were a tanh
        gr = gn * vn * r * (1 - r)
        ga, gv = np.concatenate([gr, gz, gn], axis=1), np.concatenate([gr, gz, gn * r], axis=1)
        return ga @ w, gv @ u + z * g, ga.T @ x, gv.T @ h, ga.sum(0), gv.sum(0)

    shapes = (6, 5), (6, 3), (9, 5), (9, 3), (9,), (9,)
    (note,) = notes(pullback.check(gru_step, backward, *shapes, like="gru_cell"))
    assert note.startswith("the gradient of w, u, bw, bu, term by term: reset gate r: right; update gate z: off by no ")
    assert note.endswith("; candidate n: right")


def rnn(x, h, w, u, bw, bu):
    states = [h[0]]
    for xt in x:
        states.append(np.tanh(xt @ w.T + bw + states[-1] @ u.T + bu))
    return np.stack(states[1:]), states[-1][None]


def rnn_backward(gy, gh1, x, h, w, u, bw, bu, steps=slice(None), carry=1):
    y, back, found = rnn(x, h, w, u, bw, bu)[0], gh1[0], []
    before = np.concatenate([h, y[:-1]])
    for t in reversed(range(len(x))):
        gz = (gy[t] + back) * (1 - y[t] ** 2)
        back = carry * gz @ u
        found.insert(0, gz)
    gz = np.stack(found)
    gw, gu = np.einsum("tbm,tbn->mn", gz[steps], x[steps]), np.einsum("tbm,tbn->mn", gz[steps], before[steps])
    return gz @ w, gz[0] @ u[None], gw, gu, gz[steps].sum((0, 1)), gz[steps].sum((0, 1))


RNN_SHAPES = (5, 2, 4), (1, 2, 3), (3, 4), (3, 3), (3,), (3,)


def test_the_steps_of_an_rnn():
    def backward(*arrays):
        return rnn_backward(*arrays, steps=slice(-1, None))

    (note,) = notes(pullback.check(rnn, backward, *RNN_SHAPES, like="rnn"))
    assert note.startswith("the gradient of w, u")
    assert note.endswith("step 0, step 1, step 2, step 3: missing; the others: right")


def test_what_comes_back_from_later_steps():
    def backward(*arrays):
        return rnn_backward(*arrays, carry=0)

    told = notes(pullback.check(rnn, backward, *RNN_SHAPES, like="rnn"))
    assert any("through the output of its own step: right; back from later steps: missing" in note for note in told)


def attention(q, k, v):
    return softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])) @ v


def test_the_paths_of_attention():
    def backward(g, q, k, v):
        p = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
        gs = p * (g @ v.swapaxes(-1, -2)) / np.sqrt(q.shape[-1])
        return gs @ k, gs.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g

    shapes = (2, 3, 4), (2, 5, 4), (2, 5, 6)
    (note,) = notes(pullback.check(attention, backward, *shapes, like="scaled_dot_product_attention"))
    assert note.startswith("the gradient of q, k, term by term: the direct path, p gp: right; ")
    assert note.endswith("softmax's sum, - p Σ p gp: missing")


LABELS = np.array([0, 2, 1, 2])
SHARES = np.random.default_rng(1).dirichlet(np.ones(3), 4)
PROBABILITIES = np.random.default_rng(2).uniform(0.2, 0.8, (4, 3))
ONES = np.random.default_rng(3).uniform(0.1, 0.9, (4, 3))


@pytest.mark.parametrize(
    "forward, backward, inputs, like, says",
    [
        (lambda x, t: -np.log(softmax(x))[np.arange(4), t].mean(), lambda g, x, t: (g * softmax(x) / 4, None),
         [(4, 3), LABELS], "cross_entropy", "p: right; the target's 1: missing"),
        (lambda x, t: -(t * np.log(softmax(x))).sum(1).mean(),
         lambda g, x, t: (g * (softmax(x) + t) / 4, -g * np.log(softmax(x)) / 4),
         [(4, 3), SHARES], "cross_entropy", "p Σ q: right; - q, the targets: with the wrong sign"),
        (lambda x, t: -(t * np.log(x) + (1 - t) * np.log(1 - x)).mean(), lambda g, x, t: (-g * t / x / x.size, None),
         [PROBABILITIES, ONES], "binary_cross_entropy", "of the ones: right; (1 - t) / (1 - x), of the zeros: missing"),
        (lambda x, t: (np.logaddexp(0, x) - t * x).mean(),
         lambda g, x, t: (g * ((1 - t) * sigmoid(x) - 2 * t * (1 - sigmoid(x))) / x.size, None),
         [(4, 3), ONES], "binary_cross_entropy_with_logits", "of the ones: times 2; (1 - t) σ, of the zeros: right"),
        (lambda x, t: (t * (np.log(t) - x)).mean(), lambda g, x, t: (-g * t / x.size, g * (np.log(t) - x) / x.size),
         [(4, 3), PROBABILITIES], "kl_div", "log t: right; 1, of the t in front: missing; - x: right"),
    ],
)  # fmt: skip
def test_the_terms_of_losses(forward, backward, inputs, like, says):
    (note,) = notes(pullback.check(forward, backward, *inputs, like=like))
    assert note.endswith(says)


def test_a_rule_by_its_name_alone_is_tried_in_its_other_modes():
    """In training batch_norm has other inputs than in evaluation, which is its default."""

    def batch_norm(x, w, b):
        return w * standardised(x, 0)[0] + b

    def backward(power):
        def backward(g, x, w, b):
            u, _ = standardised(x, 0)
            gu = w * g
            gx = (gu - gu.mean(0) - u * (u * gu).mean(0)) / (x.var(0) + EPS) ** power
            return gx, (g * u).sum(0), g.sum(0)

        return backward

    arrays = (5, 4), (4,), (4,)
    report = pullback.check(batch_norm, backward(1 / 2), *arrays, like="batch_norm")
    assert report.verdict == "right" and "batch_norm(training=True)" in str(report)
    report = pullback.check(batch_norm, backward(1), *arrays, like="batch_norm")
    assert report.cause == "missing_chain_factor" and "in the place of 1 / sqrt(var)" in str(report)
