"""Steps of the optimisers: parameters, gradients and memory are read once and written once.

`sgd` and `adam` are handed an optimiser and flat arrays; the formulas are those of its `move`. Compiled code calls
`advance` with what `rates` says, and two arrays to remember in; who remembers one hands it in twice.
"""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel

f = np.float32
SHARE = 1 << 14  # parameters in a chunk
SGD, ADAM = range(2)


def rates(optimiser):
    """Which formula, and its nine numbers (Python's own: compiled code takes them sooner than NumPy's)."""
    if optimiser.twin == "sgd":
        numbers = optimiser.lr, optimiser.momentum, optimiser.nesterov, optimiser.weight_decay
        return SGD, (*map(float, numbers), 0.0, 0.0, 0.0, 0.0, 0.0)
    (b1, b2), t, (added, left) = optimiser.betas, optimiser.steps, optimiser.decay
    rate, root = optimiser.lr / (1 - b1**t), (1 - b2**t) ** -0.5
    return ADAM, tuple(map(float, (rate, b1, 1 - b1, b2, 1 - b2, root, optimiser.eps, added, left)))


@part
def advance(formula, p, g, first, second, rates):
    chunks = (p.size + SHARE - 1) // SHARE
    if formula == SGD:
        lr, momentum, nesterov, decay = rates[:4]
        parallel(sgd_chunks, chunks, 1, (p, g, first, f(lr), f(momentum), nesterov != 0, f(decay)))
    else:
        rate, b1, rest1, b2, rest2, root, eps, added, left = rates
        numbers = f(rate), f(b1), f(rest1), f(b2), f(rest2), f(root), f(eps), f(added), f(left)
        parallel(adam_chunks, chunks, 1, (p, g, first, second, *numbers))


@part
def sgd_chunks(lo, hi, p, g, v, lr, momentum, nesterov, decay):
    for k in range(lo, hi):
        here = slice(k * SHARE, min((k + 1) * SHARE, p.size))
        if momentum == 0:
            plain_chunk(p[here], g[here], lr, decay)
        else:
            sgd_chunk(p[here], g[here], v[here], lr, momentum, nesterov, decay)


@part
def plain_chunk(p, g, lr, decay):
    """Without momentum there is nothing to remember: a third of the traffic less."""
    for j in range(p.size):
        p[j] -= lr * (g[j] + decay * p[j])


@part
def sgd_chunk(p, g, v, lr, momentum, nesterov, decay):
    for j in range(p.size):
        slope = g[j] + decay * p[j]
        v[j] = momentum * v[j] + slope
        p[j] -= lr * (slope + momentum * v[j] if nesterov else v[j])


@part
def adam_chunks(lo, hi, p, g, m, v, rate, b1, rest1, b2, rest2, root, eps, added, left):
    for k in range(lo, hi):
        here = slice(k * SHARE, min((k + 1) * SHARE, p.size))
        adam_chunk(p[here], g[here], m[here], v[here], rate, b1, rest1, b2, rest2, root, eps, added, left)


@part
def adam_chunk(p, g, m, v, rate, b1, rest1, b2, rest2, root, eps, added, left):
    for j in range(p.size):
        slope = g[j] + added * p[j]
        m[j] = b1 * m[j] + rest1 * slope
        v[j] = b2 * v[j] + rest2 * slope * slope
        p[j] = left * p[j] - rate * m[j] / (np.sqrt(v[j]) * root + eps)


@kernel
def step(formula, p, g, first, second, rates):
    advance(formula, p, g, first, second, rates)


def sgd(optimiser, p, g, v):
    formula, numbers = rates(optimiser)
    step(formula, p, g, v, v, numbers)


def adam(optimiser, p, g, m, v):
    formula, numbers = rates(optimiser)
    step(formula, p, g, m, v, numbers)
