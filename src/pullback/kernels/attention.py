"""Attention head by head, a block of queries at a time.

    s = scale q kᵀ + mask,    e = exp(s - top),    p = share e,    y = p v    top, share: the largest s, and 1 / Σ e
    gs = scale p (gy vᵀ - Σ gy y),    gq = gs k,    gk = gsᵀ q,    gv = pᵀ gy    Σ gy y = Σ p gp, as y = p v

p itself is never made: its share is multiplied into y and gy, which are smaller. Where one key has almost all, its gp
is taken away from all first, and the mean is that of what is left: or nothing would be left but rounding.

Forward keeps e as long as that takes little memory. Otherwise the scores never leave the cache: forward keeps top and
share, two numbers a query, and the way back makes e again, for the price of one product more. Under a causal mask, keys
behind the last query of a block are left out; but not where a value is nan or inf, which reaches every query, nor on
the way back where anything else is.

Source: Dao et al. (2022), FlashAttention: fast and memory-efficient exact attention with IO-awareness.
"""

from math import prod

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import copy_rows
from pullback.kernels.compiled import kernel, part
from pullback.kernels.elementary import exp_of_negative as exp
from pullback.kernels.lent import lent, returned
from pullback.kernels.matmul import pack
from pullback.kernels.rows import beside, largest
from pullback.kernels.threads import parallel
from pullback.kernels.tile import ADD, COLUMNS, STRIP, address, tiles, unshifted

f = np.float32
TALL = 66  # queries in a block: whole tiles, and no more scores than the cache holds
LOW = 24  # under a causal mask: the block computes what its last query sees, for all of them
MOST = f(0.9)  # of a key from here on is almost all
LITTLE = 1 << 23  # floats: exponentials that are kept take 32 MB or less
NOTHING = np.empty((0, 0, 0), f)


def takes(rule, q, k, v, mask):
    return 0 not in (*q.shape, *k.shape, *v.shape)


def forward(rule, q, k, v, mask):
    batch, l, (s, d) = q.shape[:-2], q.shape[-2], v.shape[-2:]
    y, top, share = empty((*batch, l, d)), empty((*batch, l, 1)), empty((*batch, l, 1))
    shift, shape = added(mask, (*batch, l, s)), (prod(batch), l, wide.py_func(s))
    e = empty(shape) if prod(shape) <= LITTLE else NOTHING
    given = *map(heads, (q, k, v)), shift, *map(heads, (y, top, share)), e
    attend(*given, f(rule.factor(q.shape[-1])), rule.is_causal, mask.dtype == bool)
    return y, (q, k, v, mask, shift, y, top, share, e)


def vjp(rule, gy, q, k, v, mask, shift, y, top, share, e):
    found = empty(q.shape), empty(k.shape), empty(v.shape)
    given = *map(heads, (gy, q, k, v)), shift, *map(heads, (y, top, share)), e, *map(heads, found)
    give_back(*given, f(rule.factor(q.shape[-1])), rule.is_causal, mask.dtype == bool)
    return found


def saved(rule, q, k, v, mask, *kept):
    """With the probabilities, as the rule itself finds them."""
    return rule.forward(q, k, v, mask)[1]


def heads(a):
    """[head, row, column]"""
    return plain(a).reshape(-1, *a.shape[-2:])


def added(mask, shape):
    """What is added to the scores, head by head; nothing where that is 0 throughout."""
    if mask.dtype == bool:
        mask = np.where(mask, f(0), f(-np.inf))
    if not any(mask.strides) and mask.flat[0] == 0:
        return NOTHING
    return heads(np.broadcast_to(mask, shape))


@part
def wide(n):
    """The columns of as many strips as n columns need."""
    return (n + COLUMNS - 1) // COLUMNS * COLUMNS


@part
def strips(b):
    """A matrix [k, n], of any strides, as strips for the register tile."""
    out = np.empty((wide(b.shape[1]) // COLUMNS, b.shape[0], COLUMNS), f)
    pack(address(b), b.strides[0], b.strides[1], b.shape[0], b.shape[1], address(out))
    return out


@part
def product(a, b, depth, columns, c, flags):
    """c (+)= a b over the first `depth` of k and as many strips as `columns` need; a of any strides, b in strips."""
    table = unshifted()
    for i in range(wide(columns) // COLUMNS):
        at, out = address(b) + i * b.strides[0], address(c) + i * STRIP
        row, step = a.strides[0], a.strides[1]
        tiles(a.shape[0], address(a), table, row, step, at, table, STRIP, 1, depth, out, c.strides[0], 0, flags)


@part
def score(row, shift, scale, hides):
    """Scaled, and masked: `hides` says that the shifts are of a mask of booleans, behind which not even nan is seen."""
    for j in range(row.size):
        row[j] *= scale
    if hides:
        for j in range(shift.size):
            row[j] = row[j] if shift[j] == 0 else shift[j]
    else:
        for j in range(shift.size):
            row[j] += shift[j]


@part
def exponentials(row, top):
    total = f(0)
    for j in range(row.size):
        e = exp(row[j] - top)
        row[j] = e
        total += e
    return total


@part
def seen_by(i, keys, causal):
    """How many keys query i sees."""
    return min(keys, i + 1) if causal else keys


@part
def finite(v):
    total = f(0)
    for i in range(len(v)):  # the rows of `for row in v` would not be known to have no gaps
        row = v[i]
        for j in range(row.size):
            total += row[j] * f(0)
    return total == 0


@part
def attend_heads(lo, hi, q, k, v, shift, y, top, share, e, scale, causal, hides):
    l, (s, d) = q.shape[1], v.shape[1:]
    own = np.empty((TALL, wide(s)), f), np.empty((TALL, wide(d)), f)
    scores, out = lent(own)
    tall = LOW if causal else TALL
    for head in range(lo, hi):
        keys, values, skips = strips(k[head].T), strips(v[head]), causal and finite(v[head])
        for first in range(0, l, tall):
            last = min(first + tall, l)
            met, rows = seen_by(last - 1, s, skips), last - first
            now = e[head, first:last] if e.size else scores[:rows]
            found = y[head, first:last] if d == wide(d) else out[:rows]
            product(q[head, first:last], keys, q.shape[2], met, now, 0)
            for i in range(first, last):
                seen, row = seen_by(i, s, causal), now[i - first]
                score(row[:seen], shift[head, i, :seen] if shift.size else shift[0:0, 0, 0], scale, hides)
                full = wide(seen)  # whole vectors, for loops without a rest
                row[seen:full] = -np.inf
                best = largest(row[:full], f(1))
                best = f(0) if best == -np.inf else best
                total = exponentials(row[:full], best)
                top[head, i, 0], share[head, i, 0] = best, f(0) if total == 0 else f(1) / total
                row[full:met] = 0
            product(now, values, met, d, found, 0)
            for i in range(first, last):
                scaled(found[i - first, :d], share[head, i, 0], y[head, i])
    returned(own)


@part
def scaled(a, by, out):
    for j in range(out.size):
        out[j] = a[j] * by


@part
def inner(a, b):
    total = f(0)
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@part
def exponentials_again(row, top):
    for j in range(row.size):
        row[j] = exp(row[j] - top)


@part
def through(e, mean, scale, g):
    for j in range(e.size):
        g[j] = scale * e[j] * (g[j] - mean)


@part
def through_most(e, share, scale, g):
    """The same where one key has almost all: one e is 1, the others add up to little."""
    taken, mean = f(0), f(0)
    for j in range(e.size):
        taken += g[j] if e[j] > f(0.5) else f(0)
    for j in range(e.size):
        mean += e[j] * (g[j] - taken)
    mean *= share
    for j in range(e.size):
        g[j] = scale * e[j] * beside(g[j], taken, mean)


@part
def give_back_heads(lo, hi, gy, q, k, v, shift, y, top, share, e, gq, gk, gv, scale, causal, hides):
    l, c, (s, d) = q.shape[1], q.shape[2], v.shape[1:]
    own = np.empty((2, TALL, wide(s)), f), np.empty((TALL, wide(c)), f), np.empty((TALL, d), f)
    scores, out, shared = lent(own)
    tall = LOW if causal else TALL
    again, gs = scores[0], scores[1]
    gradients = np.empty((s, wide(c)), f), np.empty((s, wide(d)), f)
    for head in range(lo, hi):
        keys, values_t = strips(k[head]), strips(v[head].T)
        skips = causal and finite(q[head]) and finite(k[head]) and finite(v[head]) and finite(gy[head])
        kept = e.size > 0 and (skips or not causal)  # or else forward left out what is needed here
        keys_t = keys if kept else strips(k[head].T)
        of_k = gk[head] if c == wide(c) else gradients[0]
        of_v = gv[head] if d == wide(d) else gradients[1]
        for first in range(0, l, tall):
            last = min(first + tall, l)
            met, rows = seen_by(last - 1, s, skips), last - first
            now = e[head, first:last] if kept else again[:rows]
            of_q = gq[head, first:last] if c == wide(c) else out[:rows]
            if not kept:
                product(q[head, first:last], keys_t, c, met, now, 0)
            product(gy[head, first:last], values_t, d, met, gs, 0)
            for i in range(first, last):
                seen, row, part_of = seen_by(i, s, causal), now[i - first], share[head, i, 0]
                if not kept:
                    score(row[:seen], shift[head, i, :seen] if shift.size else shift[0:0, 0, 0], scale, hides)
                    exponentials_again(row[:seen], top[head, i, 0])
                    row[seen:met] = 0
                if part_of > MOST:
                    through_most(row[:met], part_of, scale * part_of, gs[i - first, :met])
                else:
                    mean = inner(gy[head, i], y[head, i])
                    mean = mean if abs(mean) < f(np.inf) else f(np.nan)  # inf less inf
                    through(row[:met], mean, scale * part_of, gs[i - first, :met])
                scaled(gy[head, i], part_of, shared[i - first])
            if first == 0:
                of_k[met:], of_v[met:] = 0, 0
            more = ADD if first else 0
            product(gs[:rows], keys, met, c, of_q, 0)
            product(gs[:rows, :met].T, strips(q[head, first:last]), rows, c, of_k, more)
            product(now[:, :met].T, strips(shared[:rows]), rows, d, of_v, more)
            if c != wide(c):
                copy_rows(of_q, gq[head, first:last])
        if c != wide(c):
            copy_rows(of_k, gk[head])
        if d != wide(d):
            copy_rows(of_v, gv[head])
    returned(own)


@kernel
def attend(q, k, v, shift, y, top, share, e, scale, causal, hides):
    parallel(attend_heads, q.shape[0], 1, (q, k, v, shift, y, top, share, e, scale, causal, hides))


@kernel
def give_back(gy, q, k, v, shift, y, top, share, e, gq, gk, gv, scale, causal, hides):
    given = gy, q, k, v, shift, y, top, share, e, gq, gk, gv, scale, causal, hides
    parallel(give_back_heads, q.shape[0], 1, given)
