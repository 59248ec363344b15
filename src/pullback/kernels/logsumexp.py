"""logsumexp along one axis, with the probabilities that its derivatives need."""

import numpy as np

from pullback.kernels.arrays import back, last, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.lent import lent, returned
from pullback.kernels.rows import SHARE, largest_of, log_of_sum, raised, room, scaled, shares_of_infinity
from pullback.kernels.threads import parallel

f = np.float32


def takes(rule, x):
    return len(rule.axes) == 1 and 0 not in x.shape


@part
def rows(lo, hi, x, y, p):
    scratch = room(x.shape[1])
    e = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        row, ahead, total, most = x[i], x[min(i + 1, hi - 1)], np.nan, top
        if abs(top) < f(np.inf):
            total, top = raised(row, f(1), most, e, ahead, -1)
            y[i] = f(np.float64(most) + log_of_sum(e))
        else:
            top = largest_of(ahead, f(1))
        if total != total:  # inf and nan
            total = shares_of_infinity(row, f(1), e)
            y[i] = f(np.nan) if total != total else f(np.inf) if total > 0 else f(-np.inf)
        scaled(e, f(1.0 / (1.0 if total == 0 else total)), p[i])
    returned(scratch)


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
