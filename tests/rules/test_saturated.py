"""Gates so far open or shut that s (1 - s) or 1 - g² has no digit left: recurrent cells against mpmath.

There is one unit, w is the identity and u is 0, so that x is the pre-activations, and they are not rounded. All first
and second derivatives by them and by the state are products (or sums in which one term outweighs the rest), hence all
digits are due.
"""

from typing import NamedTuple

import mpmath as mp
import numpy as np
import pytest

from pullback.discovery import find
from pullback.functions import sigmoids
from pullback.rules import gru_cell

EXAMPLES = 8
RESET = 0.75  # what the gru's reset gate acts on: a bias


def rnn(h, z):
    return (mp.tanh(z),)


def lstm(c, i, f, g, o):
    c1 = sigmoid(f) * c + sigmoid(i) * mp.tanh(g)
    return sigmoid(o) * mp.tanh(c1), c1


def gru(h, r, z, n):
    n = mp.tanh(n + sigmoid(r) * RESET)
    return (n + sigmoid(z) * (h - n),)


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


class Cell(NamedTuple):
    """The new states as mpmath sees them; how many pre-activations and states there are; parameters behind u and bw.

    `ulps` is what is allowed. Where the argument of a tanh is itself a rounded sum a, its slope e^-2|a| is off by 2|a|
    times the relative error of a.
    """

    truth: object
    blocks: int
    states: int
    more: tuple
    ulps: float


CELLS = {
    "rnn_cell": Cell(rnn, 1, 1, (), 8),
    "lstm_cell": Cell(lstm, 4, 2, (), 8 + 2 * 21),  # c1 is off by an ulp, and 20 + 1 at most
    "projected_lstm_cell": Cell(lstm, 4, 2, ([0] * 4, [[1]]), 8 + 2 * 21),
    "gru_cell": Cell(gru, 3, 1, ([0, 0, RESET],), 8 + 2 * 40),  # the candidate's sum is off by half an ulp, up to 80
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CELLS)
def test_saturated_gates_keep_their_digits(name, dtype):
    cell, rng = CELLS[name], np.random.default_rng(0)
    sizes = rng.uniform([2] + [20] * cell.blocks, [20] + [80] * cell.blocks, (EXAMPLES, 1 + cell.blocks))
    points = (sizes * rng.choice([-1, 1], sizes.shape)).astype(dtype)  # of the state, then of the pre-activations
    exact = [[mp.mpf(float(a)) for a in point] for point in points]
    apart = lambda a: (a[:, 1:], *[None] * (cell.states - 1), a[:, :1])
    together = lambda inputs: np.concatenate([inputs[cell.states], inputs[0]], -1)

    w, u = np.eye(cell.blocks, dtype=dtype), np.zeros((cell.blocks, 1), dtype)
    _, at = find(name).linearize(*apart(points), w, u, None, *(np.array(a, dtype) for a in cell.more))
    units = np.eye(1 + cell.blocks, dtype=int)
    tangents = [apart(np.broadcast_to(one, points.shape).astype(dtype)) for one in units]
    for k in range(cell.states):
        g = [np.ones((EXAMPLES, 1), dtype) if j == k else None for j in range(cell.states)]
        first = np.stack([derivatives(cell.truth, k, exact, one) for one in units], -1)
        close(together(at.vjp(*g)), first, cell.ulps, "vjp")
        pushed = [at.jvp(*t) for t in tangents]
        close(np.concatenate([t[k] if cell.states > 1 else t for t in pushed], -1), first, cell.ulps, "jvp")
        for one, t in zip(units, tangents):
            second = np.stack([derivatives(cell.truth, k, exact, one, other) for other in units], -1)
            close(together(at.hvp(g, t)), second, 2 * cell.ulps, "hvp")


def derivatives(truth, k, points, *along):
    """Of the k-th output, by one variable or by two: differences, with digits enough to lose half of them."""
    with mp.workdps(600):
        return np.array([float(difference(truth, k, np.array(point), *along)) for point in points])


def difference(truth, k, point, *along):
    if not along:
        return truth(*point)[k]
    step, (one, *others) = mp.mpf(10) ** -100, along
    up, down = (difference(truth, k, point + side * one, *others) for side in (step, -step))
    return (up - down) / (2 * step)


def close(found, due, ulps, what):
    """Relative to every element, but for those below the normal numbers: they have no digits to give."""
    info = np.finfo(found.dtype)
    np.testing.assert_array_less(abs(found - due), ulps * info.eps * abs(due) + 8 * info.tiny, what)


def from_the_value(x):
    s, _ = sigmoids(x)
    return s, 1 - s


def test_a_slope_from_the_rounded_value_is_caught(monkeypatch):
    monkeypatch.setattr(gru_cell, "sigmoids", from_the_value)
    with pytest.raises(AssertionError, match="vjp"):
        test_saturated_gates_keep_their_digits("gru_cell", np.float64)
