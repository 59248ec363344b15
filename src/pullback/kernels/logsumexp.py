"""logsumexp along one axis, with the probabilities that its derivatives need."""

import numpy as np

from pullback.kernels.arrays import back, last, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.rows import SHARE, largest_of, log_of_sum, raised, room, shares_of_infinity, total_of
from pullback.kernels.threads import parallel

f = np.float32


def takes(rule, x):
    return len(rule.axes) == 1 and 0 not in x.shape


@part
def rows(lo, hi, x, y, p):
    n = x.shape[1]
    e = room(n)
    for i in range(lo, hi):
        row, out = x[i], p[i]
        top = largest_of(row, f(1), e)
        y[i], total = top, np.nan
        if abs(top) < f(np.inf):
            raised(row, f(1), top, e)
            total = total_of(e)
            y[i] = f(np.float64(top) + log_of_sum(e))
        if total != total:  # inf and nan
            total = shares_of_infinity(row, f(1), e)
            y[i] = f(np.nan) if total != total else f(np.inf) if total > 0 else f(-np.inf)
        scale = f(1.0 / (1.0 if total == 0 else total))
        for j in range(n):
            out[j] = e[j] * scale


@kernel
def fill(x, y, p):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y, p))


def forward(rule, x):
    x = last(x, rule.axes[0])
    n = x.shape[-1]
    y, p = np.empty(x.size // n, f), empty(x.shape)
    fill(plain(x).reshape(-1, n), y, p.reshape(-1, n))
    p = back(p, rule.axes[0])
    y = y.reshape(x.shape[:-1])
    return (np.expand_dims(y, rule.axis) if rule.keepdims else y), (p,)
