"""Cross-entropy of scores and classes, of many places at once: blocks are brought, raised, summed, scaled and taken."""

import numpy as np

from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import exact, log1p
from pullback.kernels.lent import lent, returned
from pullback.kernels.places import (
    block,
    blocks,
    bring,
    chunk,
    highest,
    raise_others,
    share_infinity,
    start,
    take,
    whole,
    wide,
)
from pullback.kernels.threads import parallel

f = np.float32


@part
def work(lo, hi, x, t, w, left_out, g, examples, after, losses, gx):
    """Losses of some blocks; unless gx is empty, their gradients, times g."""
    classes, most = w.size, wide(w.size)
    rooms = np.empty((classes + 5) * most, f), np.empty(3 * most), np.empty(most, np.uint32)
    scratch, doubles, owns = lent(rooms)
    for job in range(lo, hi):
        first, last = block(job, examples, classes, after)
        count, n = last - first, whole(last - first)
        z = scratch[: classes * n].reshape((classes, n))
        v, d = scratch[classes * n : (classes + 5) * n].reshape((5, n)), doubles[: 3 * n].reshape((3, n))
        top, some, scale, right, share, rest, logit, loss = v[0], v[1], v[2], v[3], v[4], d[0], d[1], d[2]
        own = owns[:n]
        bring(x, first, count, after, z)
        choose(t[first:last], w, left_out, own, share)
        clear(share[:count], z)
        pick(z, own, right)
        highest(z, top)
        raise_others(z, top, own, some, rest)
        for s in range(n):
            logit[s] = np.float64(right[s] - top[s])
        pick(z, own, right)
        if finished(rest, right, logit, loss):
            for s in range(count):
                if np.isnan(rest[s] + np.float64(right[s])):
                    loss[s], rest[s], right[s] = of_infinity(x[start(first + s, classes, after) :], after, own[s], z, s)
        for s in range(count):
            losses[first + s] = loss[s] * np.float64(share[s])
        if gx.size:
            turn(z, own, rest)
            weigh(share, g[first:last] if g.size > 1 else g, rest, right, scale)
            take(z, scale, first, count, after, gx)
    returned(rooms)


@part
def choose(t, w, left_out, own, share):
    """The class of each place, and what it weighs: of a place that does not count, nothing."""
    for s in range(t.size):
        own[s] = np.uint32(0) if t[s] == left_out else np.uint32(t[s])
    for s in range(t.size):
        share[s] = w[own[s]]
    for s in range(t.size):
        share[s] = f(0) if t[s] == left_out else share[s]
    for s in range(t.size, own.size):
        own[s], share[s] = np.uint32(0), f(0)


@part
def clear(share, z):
    """Scores of places that do not count may be anything: they become 0."""
    idle = np.int64(0)
    for s in range(share.size):
        idle += np.int64(1) if share[s] == f(0) else np.int64(0)
    if idle:
        for s in range(share.size):
            for k in range(z.shape[0] if share[s] == f(0) else 0):
                z[k, s] = f(0)


@part
def pick(z, own, out):
    """What each place has for its class."""
    for s in range(out.size):
        out[s] = z[own[s], np.uint64(s)]


@part
def turn(z, own, rest):
    """-rest for the class of each place."""
    for s in range(rest.size):
        z[own[s], np.uint64(s)] = f(0.0 - rest[s])


@exact
def finished(rest, right, logit, loss):
    """-log p of the right classes; and how many of them are nan."""
    odd = np.int64(0)
    for s in range(loss.size):
        mine = np.float64(right[s])
        excess = rest[s] if logit[s] == 0.0 else (rest[s] - 1.0) + mine
        loss[s] = log1p(excess) - logit[s]
        odd += np.int64(0) if rest[s] + mine == rest[s] + mine else np.int64(1)
    return odd


@part
def of_infinity(x, after, own, z, s):
    """Of a place with inf or nan: -log p, what the others have, and what the right class has; inf share all in z."""
    total = share_infinity(x, after, f(1), z[:, s])
    if total != total:
        return np.nan, np.nan, f(0)
    if x[np.int64(own) * after] == np.inf:
        return np.log(total), total - 1.0, f(1)
    return np.inf, max(total, 1.0), f(0)


@part
def weigh(share, g, rest, right, scale):
    """What the exponentials of each place are multiplied by."""
    for s in range(scale.size):
        scale[s] = f(np.float64(share[s]) * g[0] / (rest[s] + np.float64(right[s])))
    if g.size > 1:
        for s in range(g.size):
            scale[s] = f(np.float64(share[s]) * g[s] / (rest[s] + np.float64(right[s])))


@kernel
def over(x, t, w, left_out, g, losses, gx):
    examples, classes, after = x.shape
    given = x.reshape(x.size), t, w, left_out, g, examples, after, losses, gx.reshape(gx.size)
    parallel(work, blocks(examples, classes, after), chunk(classes), given)
