"""Adaptive pooling: the same loops with other windows."""

from functools import lru_cache

from pullback.kernels import pools


def takes(rule, x):
    return 0 not in x.shape and 0 not in rule.out(rule.space(x))


@lru_cache(256)
def meetings(rule, n):
    along = lambda n, m: [range(p * n // m, -(-(p + 1) * n // m)) for p in range(m)]
    windows = [along(*axis) for axis in zip(n, rule.out(n))]
    shares = [[1 / len(met) for met in axis] for axis in windows]
    return pools.tables(windows, [max(1, size // m) for size, m in zip(n, rule.out(n))], n, shares)


def largest(rule):
    return hasattr(rule, "return_indices")


def forward(rule, x):
    n, dtype = rule.space(x), x.dtype
    if not largest(rule):
        return jvp(rule, x, n, dtype), (n, dtype)
    y, index = pools.largest(x, rule.dims, meetings(rule, n)[0], rule.out(n))
    return ((y, index.astype(int)) if rule.return_indices else y), (index, n, dtype)


def vjp(rule, gy, *saved):
    *_, n, _ = saved
    _, back = meetings(rule, n)
    if largest(rule):
        return pools.won(gy, saved[0], rule.dims, back, n)
    return pools.summed(gy, rule.dims, back, n)


def jvp(rule, tx, *saved):
    if largest(rule):
        return rule.jvp(tx, *saved)
    seen, _ = meetings(rule, saved[0])
    return pools.summed(tx, rule.dims, seen, rule.out(saved[0]))
