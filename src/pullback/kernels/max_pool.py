"""Max pooling. It keeps what the rule keeps, the places in few bytes."""

from functools import lru_cache

from pullback.kernels import pools


def takes(rule, x):
    return 0 not in x.shape


@lru_cache(256)
def meetings(windows):
    return pools.tables(pools.ranges(windows), windows.stride, windows.n)


def forward(rule, x):
    n = rule.space(x)
    seen, _ = meetings(rule.windows(n))
    y, index = pools.largest(x, rule.dims, seen, rule.out(n))
    return ((y, index.astype(int)) if rule.return_indices else y), (index, n, x.dtype)


def vjp(rule, gy, index, n, dtype):
    _, back = meetings(rule.windows(n))
    return pools.won(gy, index, rule.dims, back, n)
