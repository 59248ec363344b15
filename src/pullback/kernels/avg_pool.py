"""Average pooling."""

from functools import lru_cache

from pullback.kernels import pools


def takes(rule, x):
    return 0 not in x.shape


@lru_cache(256)
def meetings(rule, n):
    """Every count is a product over the axes."""
    windows = rule.windows(n)
    margins = rule.padding if rule.count_include_pad else (0,) * rule.dims
    counted = [counts(*axis) for axis in zip(*windows, margins)]
    if rule.divisor_override:
        counted = [[1] * len(axis) for axis in counted]
        counted[0] = [rule.divisor_override] * len(counted[0])
    return pools.tables(pools.ranges(windows), windows.stride, n, [[1 / c for c in axis] for axis in counted])


def counts(n, kernel, out, stride, dilation, before, margin):
    """How many elements each window sees, `margin` elements of padding counted on both sides."""
    starts = [stride * p - before for p in range(out)]
    return [min(start + kernel, n + margin) - max(start, -margin) for start in starts]


def forward(rule, x):
    n, dtype = rule.space(x), x.dtype
    return jvp(rule, x, n, dtype), (n, dtype)


def jvp(rule, tx, n, dtype):
    seen, _ = meetings(rule, n)
    return pools.summed(tx, rule.dims, seen, rule.out(n))


def vjp(rule, gy, n, dtype):
    _, back = meetings(rule, n)
    return pools.summed(gy, rule.dims, back, n)
