"""A chain of convolution, relu and max pooling: what lies between them is not kept.

relu leaves -0.0 where it clips, and that sign, which comes through the pool, is all that its derivative needs: where
the largest element of a window was clipped, nothing comes back. At 0 itself relu's derivative is 1, from the right.
"""

import numpy as np

from pullback.kernels import conv, max_pool, pooled, pools
from pullback.kernels.compiled import kernel, part
from pullback.kernels.images import channels_last, flat, result
from pullback.kernels.threads import parallel

CHUNK = 1 << 13


def takes(rule, x, w, b):
    first, relu, pool = rule.rules
    same = first.dims == pool.dims and relu.kink == "right" and not pool.return_indices
    return same and conv.takes(first, x, w, b)


def forward(rule, x, w, b):
    first, _, pool = rule.rules
    x = channels_last(x, first.dims)
    if pooled.suits(first, pool, x, w):
        y, index = pooled.correlate(first, pool, x, w, b)
    else:
        between = conv.correlate(first, x, w, b)
        seen, _ = max_pool.meetings(pool.windows(pool.space(between)))
        y, index = pools.largest(between, pool.dims, seen, pool.out(pool.space(between)), clip=True)
    return y, (x, w, b, y, index)


def saved(rule, x, w, b, y, index):
    """What the rule keeps. What lay between is computed once more, to the same bits."""
    first, _, pool = rule.rules
    between = conv.correlate(first, x, w, b)
    kept = (x, w), (between,), (index, pool.space(between), x.dtype)
    return ([(each, its, []) for each, its in zip(rule.rules, kept)],)


def vjp(rule, gy, x, w, b, y, index):
    first, _, pool = rule.rules
    n, banded = first.out(first.space(x), first.space(w)), pooled.suits(first, pool, x, w)
    gy, known = passed(channels_last(gy, pool.dims), y, pool.dims), {}

    def between():
        if "gz" not in known:
            _, back = max_pool.meetings(pool.windows(n))
            known["gz"] = pools.won(gy, index, pool.dims, back, n)
        return known["gz"]

    def weights():
        if "gw" not in known:
            by_bands = banded and "gz" not in known
            known["gw"] = pooled.weigh(first, gy, index, n, x, w) if by_bands else conv.weigh(first, between(), x, w)
        return known["gw"]

    gx = lambda: conv.spread(first, between(), w, None, first.space(x))
    return gx, lambda: weights()[0], lambda: weights()[1]


def passed(gy, y, dims):
    """gy where y was not clipped, and is a number."""
    g, answer = result(gy.shape[: gy.ndim - dims - 1], gy.shape[gy.ndim - dims :], gy.shape[gy.ndim - dims - 1])
    keep(flat(gy, dims), flat(y, dims).view(np.int32), g)
    return answer


@kernel
def keep(gy, bits, g):
    parallel(kept, (g.size + CHUNK - 1) // CHUNK, 1, (gy, bits, g))


@part
def kept(lo, hi, gy, bits, g):
    infinite = np.int32(0x7F800000)
    for chunk in range(lo, hi):
        here = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, g.size))
        source, signs, target = gy[here], bits[here], g[here]
        for k in range(target.size):
            target[k] = source[k] if signs[k] >= 0 and signs[k] <= infinite else np.float32(0)
