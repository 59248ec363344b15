"""log_softmax along any axis: the largest score counts as log1p of the others, exact as they vanish."""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import exact, log1p, power, reduced, risen
from pullback.kernels.lent import lent, returned
from pullback.kernels.places import (
    block,
    blocks,
    bring,
    chunk,
    highest,
    like,
    raise_all,
    seen,
    share_infinity,
    short,
    start,
    take,
    turned,
    whole,
    wide,
)  # fmt: skip
from pullback.kernels.rows import SHARE, largest_of, log_of_sum, raised, room, shares_of_infinity
from pullback.kernels.threads import parallel

f = np.float32


def takes(rule, x):
    return 0 not in x.shape


@part
def rows(lo, hi, x, y):
    scratch = room(x.shape[1])
    e = lent(scratch)
    top = largest_of(x[lo], f(1))
    for i in range(lo, hi):
        row, ahead, most, rest = x[i], x[min(i + 1, hi - 1)], top, np.nan
        if abs(top) < f(np.inf):
            total, top = raised(row, f(1), most, e, ahead, -1)
            rest = log_of_sum(e) if total == total else np.nan
        else:
            top = largest_of(ahead, f(1))
        if rest == rest:
            lowered(row, most, f(rest), f(rest - f(rest)), y[i])
        else:  # inf and nan
            ones_for_infinity(row, e, y[i])
    returned(scratch)


@part
def ones_for_infinity(row, e, out):
    total = shares_of_infinity(row, f(1), e)
    for j in range(row.size):
        out[j] = f(-np.log(total)) if e[j] == 1 or total != total else f(-np.inf)


@exact
def lowered(x, top, rest, more, out):
    """x - top - rest, where rest is given in two parts."""
    for j in range(x.size):
        out[j] = ((x[j] - top) - rest) - more


@part
def pulled_rows(lo, hi, gy, y, gx):
    for i in range(lo, hi):
        pull_row(gy[i], y[i], sum_of(gy[i]), gx[i])


@part
def sum_of(g):
    total = 0.0
    for j in range(g.size):
        total += np.float64(g[j])
    return total


@exact
def pull_row(g, y, total, out):
    for j in range(g.size):
        out[j] = pulled(g[j], y[j], total)


@exact
def pulled(g, y, total):
    """g - p Σ g, where 1 - p is exact."""
    shifted, r = reduced(y, 0)
    whole_power, q = power(shifted, 0), risen(r)
    p, lack = whole_power + whole_power * q, -((whole_power - f(1)) + whole_power * q)
    return g * lack - p * f(total - np.float64(g))


@part
def places(lo, hi, x, y, examples, classes, after):
    most = wide(classes)
    rooms = np.empty((classes + 5) * most, f), np.empty(most)
    scratch, totals = lent(rooms)
    for job in range(lo, hi):
        first, last = block(job, examples, classes, after)
        count, n = last - first, whole(last - first)
        lines, total = scratch[: (classes + 5) * n].reshape((classes + 5, n)), totals[:n]
        z, v = lines[:classes], lines[classes:]
        top, some, ones, log, more = v[0], v[1], v[2], v[3], v[4]
        bring(x, first, count, after, z)
        highest(z, top)
        raise_all(z, top, True, some, ones, total)
        logarithms(total, ones, log, more)
        for k in range(classes):
            lower(z[k], log, more)
        for s in range(count):
            if total[s] != total[s]:  # inf and nan
                of_infinity(x[start(first + s, classes, after) :], after, z[:, s])
        for s in range(n):
            log[s] = f(1)
        take(z, log, first, count, after, y)
    returned(rooms)


@exact
def logarithms(total, ones, log, more):
    """What is subtracted beside the largest score, in two parts."""
    for s in range(log.size):
        found = log1p(total[s] + (np.float64(ones[s]) - 1.0))
        log[s] = f(found)
        more[s] = f(found - np.float64(log[s]))


@exact
def lower(z, log, more):
    for s in range(z.size):
        z[s] = (z[s] - log[s]) - more[s]


@part
def of_infinity(x, after, z):
    total = share_infinity(x, after, f(1), z)
    for k in range(z.size):
        z[k] = f(-np.log(total)) if z[k] == 1 or total != total else f(-np.inf)


@part
def pulled_places(lo, hi, gy, y, gx, examples, classes, after):
    most = wide(classes)
    rooms = np.empty((2 * classes + 1) * most, f), np.empty(most)
    scratch, totals = lent(rooms)
    for job in range(lo, hi):
        first, last = block(job, examples, classes, after)
        count, n = last - first, whole(last - first)
        lines, total = scratch[: (2 * classes + 1) * n].reshape((2 * classes + 1, n)), totals[:n]
        g, logp, one = lines[:classes], lines[classes : 2 * classes], lines[2 * classes]
        bring(gy, first, count, after, g)
        bring(y, first, count, after, logp)
        for s in range(n):
            one[s], total[s] = f(1), 0.0
        for k in range(classes):
            add_line(g[k], total)
        for k in range(classes):
            pull_line(g[k], logp[k], total)
        take(g, one, first, count, after, gx)
    returned(rooms)


@part
def add_line(g, total):
    for s in range(g.size):
        total[s] += np.float64(g[s])


@exact
def pull_line(g, y, total):
    for s in range(g.size):
        g[s] = pulled(g[s], y[s], total[s])


@kernel
def fill(x, y):
    parallel(rows, x.shape[0], max(1, SHARE // x.shape[1]), (x, y))


@kernel
def fill_places(x, y):
    parallel(places, blocks(*x.shape), chunk(x.shape[1]), (x.reshape(x.size), y.reshape(y.size), *x.shape))


@kernel
def pull(gy, y, gx):
    parallel(pulled_rows, gy.shape[0], max(1, SHARE // gy.shape[1]), (gy, y, gx))


@kernel
def pull_places(gy, y, gx):
    given = gy.reshape(gy.size), y.reshape(y.size), gx.reshape(gx.size), *gy.shape
    parallel(pulled_places, blocks(*gy.shape), chunk(gy.shape[1]), given)


def forward(rule, x):
    last = turned(x, rule.axis)
    z = seen(x, rule.axis, last)
    out, y = like(z, x, rule.axis, last)
    if short(z):
        fill_places(z, out)
    else:
        fill(z[:, :, 0], out[:, :, 0])
    return y, (y,)


def vjp(rule, gy, y):
    last = turned(y, rule.axis)
    g, now = (seen(a, rule.axis, last) for a in (gy, y))
    out, gx = like(now, y, rule.axis, last)
    if short(now):
        pull_places(g, now, out)
    else:
        pull(g[:, :, 0], now[:, :, 0], out[:, :, 0])
    return gx
