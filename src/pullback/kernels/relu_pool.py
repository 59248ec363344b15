"""A chain of relu and max pooling, in one pass there and one back.

The pool takes relu(x) where it reads x, and the gradient passes relu where it is written.
"""

from pullback.kernels import max_pool, pools


def takes(rule, x):
    relu, pool = rule.rules
    return 0 not in x.shape and relu.kink == "right" and not pool.return_indices


def forward(rule, x):
    relu, pool = rule.rules
    n = pool.space(x)
    seen, _ = max_pool.meetings(pool.windows(n))
    y, index = pools.largest(x, pool.dims, seen, pool.out(n), clip=True)
    return y, ([(relu, (x,), []), (pool, (index, n, x.dtype), [])],)


def vjp(rule, gy, saved):
    (_, (x,), _), (pool, (index, n, _), _) = saved
    _, back = max_pool.meetings(pool.windows(n))
    return pools.won(gy, index, pool.dims, back, n, signs=x)
