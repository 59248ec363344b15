"""Negative log-likelihood: one element of each row is read, and the gradient is 0 elsewhere."""

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel

f = np.float32
PIECE = 1 << 10  # places beside each other that are a job, with all their classes
SHARE = 1 << 14  # elements that are worth a chunk of their own


def takes(rule, x, t, w):
    return 0 not in x.shape


@part
def piece(job, places):
    """Which example it is of, and which places of it."""
    pieces = (places + PIECE - 1) // PIECE
    first = job % pieces * PIECE
    return job // pieces, first, min(first + PIECE, places)


@part
def chosen(lo, hi, x, t, w, left_out, y, shares, sums):
    """w[t], 0 for what is left out, and -w[t] x[t]; and the sums of both, job by job."""
    for job in range(lo, hi):
        i, first, last = piece(job, x.shape[2])
        for s in range(first, last):
            own = t[i, s]
            share = f(0) if own == left_out else w[own]
            loss = f(0) if share == 0 else -share * x[i, own, s]
            shares[i, s], y[i, s] = share, loss
            sums[job, 0] += np.float64(loss)
            sums[job, 1] += np.float64(share)


@part
def placed(lo, hi, t, left_out, g, gx):
    for job in range(lo, hi):
        i, first, last = piece(job, gx.shape[2])
        for c in range(gx.shape[1]):
            gx[i, c, first:last] = f(0)
        for s in range(first, last):
            if t[i, s] != left_out:
                gx[i, t[i, s], s] = -g[i, s]


@kernel
def choose(x, t, w, left_out, y, shares, sums):
    parallel(chosen, sums.shape[0], max(1, SHARE // min(PIECE, x.shape[2])), (x, t, w, left_out, y, shares, sums))


@kernel
def place(t, left_out, g, gx):
    places = min(PIECE, gx.shape[2])
    jobs = gx.shape[0] * ((gx.shape[2] + PIECE - 1) // PIECE)
    parallel(placed, jobs, max(1, SHARE // (gx.shape[1] * places)), (t, left_out, g, gx))


def forward(rule, x, t, w):
    last, z = by_places(rule, x)
    classes = np.ascontiguousarray(t, np.int64).reshape(z.shape[0], z.shape[2])
    y, shares = empty(classes.shape), empty(classes.shape)
    sums = np.zeros((len(z) * -(-z.shape[2] // PIECE), 2))
    choose(z, classes, plain(w), rule.ignore_index, y, shares, sums)
    loss, n = sums.sum(0)
    n = f(n) or f(1)
    y = y.reshape(t.shape) if rule.reduction == "none" else f(loss / n if rule.reduction == "mean" else loss)
    return y, (classes, shares, n, x.shape, last, t, w)


def vjp(rule, gy, classes, shares, n, shape, last, t, w):
    g = shares * rule.spread(gy, n).reshape(shares.shape if gy.ndim else ())
    axis = rule.axis % len(shape)
    lying = (*shape[:axis], *shape[axis + 1 :], shape[axis]) if last else shape
    gx = empty(lying)
    place(classes, rule.ignore_index, g, gx.reshape(len(classes), shape[axis], -1))
    return np.moveaxis(gx, -1, axis) if last else gx


def saved(rule, classes, shares, n, shape, last, t, w):
    where, share = rule.located(t, w)
    return where, share, n, shape


def by_places(rule, x):
    """Do classes lie last in memory, though they are not? And x as [examples classes places]."""
    axis = rule.axis % x.ndim
    z = np.moveaxis(x, axis, -1)
    if z.flags.c_contiguous and not x.flags.c_contiguous:
        return True, z.reshape(-1, x.shape[axis], 1)
    before = int(np.prod(x.shape[:axis]))
    return False, plain(x).reshape(before, x.shape[axis], -1)
