"""linear: its three products by the register tile."""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.compiled import kernel
from pullback.kernels.matmul import product


def takes(rule, x, w, b):
    return 0 not in (*x.shape, *w.shape)


def forward(rule, x, w, b):
    return weigh(x, w, b), (x, w)


def vjp(rule, gy, x, w):
    gx = lambda: product(rows(gy), plain(w)).reshape(x.shape)
    gw = lambda: product(rows(gy).T, rows(x))
    gb = lambda: summed(rows(gy))
    return gx, gw, gb


def weigh(x, w, b, flags=0):
    return product(rows(x), w.T, plain(b), flags).reshape(*x.shape[:-1], len(w))


def rows(x):
    x = plain(x)
    return x.reshape(-1, x.shape[-1])


def summed(g):
    total = np.zeros(g.shape[1], np.float32)
    add_rows(g, total)
    return total


@kernel
def add_rows(g, total):
    """Row by row, so that a column's sum runs in one order."""
    for i in range(g.shape[0]):
        row = g[i]
        for j in range(total.size):
            total[j] += row[j]
