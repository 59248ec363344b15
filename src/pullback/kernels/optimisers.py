"""Steps of the optimisers: parameters, gradients and memory are read once and written once.

`sgd` and `adam` are handed an optimiser and flat arrays; the formulas are those of its `move`.
"""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel

f = np.float32
SHARE = 1 << 14  # parameters in a chunk


@part
def sgd_chunks(lo, hi, p, g, v, lr, momentum, nesterov, decay):
    for k in range(lo, hi):
        here = slice(k * SHARE, min((k + 1) * SHARE, p.size))
        sgd_chunk(p[here], g[here], v[here], lr, momentum, nesterov, decay)


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
def sgd_step(p, g, v, lr, momentum, nesterov, decay):
    parallel(sgd_chunks, (p.size + SHARE - 1) // SHARE, 1, (p, g, v, lr, momentum, nesterov, decay))


@kernel
def adam_step(p, g, m, v, rate, b1, rest1, b2, rest2, root, eps, added, left):
    given = p, g, m, v, rate, b1, rest1, b2, rest2, root, eps, added, left
    parallel(adam_chunks, (p.size + SHARE - 1) // SHARE, 1, given)


def sgd(optimiser, p, g, v):
    sgd_step(p, g, v, f(optimiser.lr), f(optimiser.momentum), optimiser.nesterov, f(optimiser.weight_decay))


def adam(optimiser, p, g, m, v):
    (b1, b2), t, (added, left) = optimiser.betas, optimiser.steps, optimiser.decay
    rate, root = optimiser.lr / (1 - b1**t), (1 - b2**t) ** -0.5
    adam_step(p, g, m, v, *map(f, (rate, b1, 1 - b1, b2, 1 - b2, root, optimiser.eps, added, left)))
