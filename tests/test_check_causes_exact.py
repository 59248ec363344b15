"""Evidence that is exact leads, and what cannot be is not said."""

import numpy as np

import pullback as pb
from pullback.check.adapters import adapt
from pullback.check.gathering import gathered
from pullback.check.hypotheses import symmetric, terms
from pullback.check.problem import Problem
from pullback.check.resizing import resized
from pullback.check.steps.carried import hands_on
from pullback.check.steps.tape import ALONE, ran
from pullback.check.structure import windowed

RNG = np.random.default_rng(0)


def leading(forward, backward, *inputs):
    report = pb.check(forward, backward, *inputs)
    assert report.verdict == "wrong"
    return report.causes[0]


def problem_of(forward, backward, *inputs):
    return Problem(adapt(forward, backward, inputs), None, 0, "vjp", None)


def evidence(forward, backward, *inputs):
    """On the first input."""
    problem = problem_of(forward, backward, *inputs)
    return gathered(problem, problem.example, problem.inputs[0])


def test_minus_one_times_all_is_a_sign_whatever_else_it_is():
    back = lambda g, u, v: (np.cross(v, g), np.cross(u, g))
    assert leading(np.cross, back, (4, 3), (4, 3)).name == "sign"


def test_a_deviation_that_counts_one_more():
    forward = lambda x: x.std(1, ddof=1)
    wrong = lambda g, x: (x - x.mean(1, keepdims=True)) * (g / x.std(1, ddof=1) / x.shape[1])[:, None]
    cause = leading(forward, wrong, (3, 5))
    assert cause.name == "constant_factor" and "= (n - 1) / n for n = the size of axis 1" in cause.evidence


LABELS = np.array([0, 3, -1, 2, -1])


def cross_entropy(x, labels):
    valid = labels >= 0
    shifted = x - x.max(1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -(logp[np.arange(len(x)), np.where(valid, labels, 0)] * valid).sum()


def test_a_label_to_ignore_stays_one_at_other_sizes():
    problem = problem_of(cross_entropy, lambda g, x, t: x, RNG.normal(size=(5, 4)), LABELS)
    assert resized(problem, {5: 7, 4: 3}).arrays[1].tolist() == [0, 0, -1, 2, -1, 0, 0]

    def all_rows(g, x, labels):
        p = np.exp(x - x.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return g * (p - np.eye(x.shape[1])[labels] * (labels >= 0)[:, None]), None

    cause = leading(cross_entropy, all_rows, (5, 4), LABELS)
    assert cause.name == "mode_mismatch" and "all others are right" in cause.evidence


def test_a_gradient_that_is_moved_along_an_axis():
    back = lambda g, x: np.pad(2 * x * g, ((0, 0), (2, 0)))[:, :-2]
    cause = leading(lambda x: np.cumsum(x**2, 1), lambda g, x: back(np.cumsum(g[:, ::-1], 1)[:, ::-1], x), (3, 6))
    assert cause.name == "index_routing" and "moved by 2 along axis 1" in cause.evidence


def test_numbers_of_half_precision():
    forward = lambda gamma, x: x * gamma
    wrong = lambda g, gamma, x: ((g * x).astype(np.float16).sum(0).astype(np.float32), g * gamma)
    gamma, x = RNG.normal(size=5).astype(np.float32), RNG.normal(size=(40, 5)).astype(np.float32)
    cause = leading(forward, wrong, gamma, x)
    assert cause.name == "low_precision_accumulation" and "float16" in cause.evidence


def test_what_one_input_lacks_another_has_too_much():
    def clamp(x, low, high):
        return np.minimum(np.maximum(x, low), high)

    def wrong(g, x, low, high):
        return g * ((x > low) & (x < high)), g * ((x < low) & (x < high)), g * (x > high)

    low, high = RNG.normal(size=(2, 3, 4))
    cause = leading(clamp, wrong, 2 * RNG.normal(size=(3, 4)), low, high)
    assert cause.name == "index_routing" and "has too much" in cause.evidence


def test_the_gradient_from_above_of_its_own_place():
    def forward(x):
        return np.log(np.cumsum(np.exp(x), 1))

    def wrong(g, x):
        share = np.exp(x)[:, None, :] / np.cumsum(np.exp(x), 1)[:, :, None] * np.tri(x.shape[1])
        return np.einsum("bj,bij->bj", g, share)

    assert leading(forward, wrong, (2, 4)).name == "index_routing"


def test_right_where_a_matrix_is_symmetric():
    form = lambda x, m: np.einsum("bi,ij,bj->b", x, m, x)
    wrong = lambda g, x, m: (2 * g[:, None] * (x @ m), np.einsum("b,bi,bj->ij", g, x, x))
    cause = leading(form, wrong, (4, 3), (3, 3))
    assert cause.name == "transpose_or_adjoint" and "m is symmetric" in cause.evidence

    gram = lambda x: x.T @ np.tanh(x)
    turned = lambda g, x: np.tanh(x) @ g + x @ g.T * (1 - np.tanh(x) ** 2)
    assert leading(gram, turned, (4, 3)).name == "transpose_or_adjoint"
    half = evidence(lambda x: x.T @ x, lambda g, x: x @ g, RNG.normal(size=(4, 3)))
    assert "added to its transpose" in symmetric.half_above(half)


def test_what_is_missing_is_a_multiple_of_the_input():
    def distance(u, v):
        a, b = (np.sqrt(1 + (w**2).sum(1)) for w in (u, v))
        return np.arccosh(a * b - (u * v).sum(1))

    def wrong(g, u, v):
        """Of u without what comes through a."""
        a, b = (np.sqrt(1 + (w**2).sum(1)) for w in (u, v))
        s = (g / np.sqrt((a * b - (u * v).sum(1)) ** 2 - 1))[:, None]
        return -s * v, s * ((a / b)[:, None] * v - u)

    assert "row by row, a multiple of u" in terms.parallel(evidence(distance, wrong, *RNG.normal(size=(2, 4, 3))))


def test_sources_for_destinations():
    come, go = np.array([0, 1, 2, 3, 1]), np.array([1, 2, 0, 2, 0])

    def spread(h, w):
        found = h.copy()
        np.add.at(found, go, h[come] @ w)
        return np.maximum(found, 0)

    def wrong(g, h, w):
        g = g * (spread(h, w) > 0)
        dh, dw = g.copy(), h[come].T @ g[go]
        np.add.at(dh, go, g[come] @ w.T)
        return dh, dw

    cause = leading(spread, wrong, (4, 3), (3, 3))
    assert cause.name == "index_routing" and "those that they act on" in cause.evidence


def test_written_over_where_an_index_repeats():
    places = np.array([0, 2, 2, 3, 0])
    forward = lambda x, w, at: np.add.reduceat(w * x[at], [0, 3])  # of the first three, two are one place

    def wrong(g, x, w, at):
        above, dx = np.repeat(g, [3, 2]), np.zeros_like(x)
        dx[at] = above * w
        return dx, above * x[at], None

    assert leading(forward, wrong, (5,), (5,), places).name == "overwrite_vs_accumulate"


def test_a_sum_over_all_for_one_by_groups():
    group = np.array([0, 0, 1, 1, 1, 2, 2])
    same = group[:, None] == group

    def forward(x):
        return np.exp(x) / (same @ np.exp(x))

    assert leading(forward, lambda g, x: forward(x) * (g - (g * forward(x)).sum()), (7,)).name == "reduction_broadcast"


class Scaled:
    """By what it has seen so far, as of a mean that moves."""

    def __init__(self):
        self.seen = 1.0

    def forward(self, x):
        self.size = np.sqrt((x**2).mean())
        self.seen = 0.9 * self.seen + 0.1 * self.size
        self.x = x
        return x * self.size

    def backward(self, g):
        return g * self.seen + self.x * (g * self.x).sum() / (self.x.size * self.size)


def test_what_the_first_call_gets_wrong_is_not_left_behind():
    assert "stale_buffer" not in [each.name for each in pb.check(Scaled(), None, (3, 4)).causes]


def rows(x, w):
    return np.stack([x[k] @ w for k in range(len(x))])


def test_turns_that_hand_nothing_on_are_no_steps_of_time():
    cause = leading(rows, lambda g, x, w: (g @ w.T, x[:-1].T @ g[:-1]), (4, 3), (3, 2))
    assert cause.name != "bptt_time"

    def recurrent(x, w):
        h = np.zeros(x.shape[1])
        for row in x:
            h = np.tanh(row + h @ w)
        return h

    def total(x, w):
        found = np.zeros(w.shape[1])
        for row in x:
            found = found + row @ w
        return found

    inputs = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3))
    tape = lambda problem: ran(problem, problem.example, depth=ALONE)[1]
    handed = [hands_on(tape(problem_of(f, lambda g, *x: x, *inputs))) for f in (recurrent, total, rows)]
    assert handed == [True, False, False]


def test_blocks_of_several_examples_are_no_windows():
    pair = np.array([[0.5, -0.5], [-0.5, 0.5]])
    J = np.zeros((8, 8))
    J[:2, :2] = J[6:, 6:] = pair  # of the first example the first two, of the second the last two
    assert not windowed(J, (2, 4), (2, 4))


def test_the_name_goes_with_the_change_that_mends_it():
    scores = lambda a, b: np.exp(a @ b.T)
    wrong = lambda g, a, b: ((g * np.exp(a @ b.T)) @ b, (g * np.exp(a @ b.T)) @ a)
    report = pb.check(scores, wrong, (4, 3), (4, 3))
    assert report.cause == "transpose_or_adjoint" and "transposed" in report.leading.mend

    def huber(u, v):
        w = u * v
        return np.where(abs(w) <= 1, w**2 / 2, abs(w) - 0.5).sum(1)

    def slope(g, u, v):
        w = u * v
        s = np.where(w <= 1, w, np.sign(w)) * g[:, None]
        return s * v, s * u

    assert leading(huber, slope, 2 * RNG.normal(size=(4, 5)), RNG.normal(size=(4, 5))).name == "wrong_local_derivative"


def test_where_nothing_is_known_nothing_is_said():
    mix = lambda x, w: np.tanh(x @ w) @ np.cos(w.T @ w)
    cause = leading(mix, lambda g, x, w: (np.sin(x) * (g**1 @ w.T), np.zeros_like(w)), (4, 5), (5, 3))
    assert cause.name != "mode_mismatch" or cause.hint == ""


def test_a_tie_is_no_eps():
    pairs = np.array([[1.0, 1.0, 0.5], [2.0, 0.3, 2.0]])
    report = pb.check(lambda x: x.max(1), lambda g, x: g[:, None] * (x == x.max(1, keepdims=True)), pairs)
    assert report.cause == "kink_convention" and not any("no more" in each.evidence for each in report.causes)
