"""A chain of linear and relu: the product itself clips. What was clipped is -0.0, and that sign is all that the
derivative needs, so the product's own result is not kept. At 0 itself that derivative is 1, from the right.
"""

from pullback.kernels import linear
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.dense import pull_rectified
from pullback.kernels.threads import parallel
from pullback.kernels.tile import RELU

BLOCK = 512  # columns that a thread takes at a time: with 64, every row of a large array is on a page of its own
SERIAL = 1 << 14  # elements that one thread does sooner than two


def takes(rule, x, w, b):
    first, relu = rule.rules
    return relu.kink == "right" and linear.takes(first, x, w, b)


def forward(rule, x, w, b):
    y = linear.weigh(x, w, b, RELU)
    return y, (x, w, b, y)


def vjp(rule, gy, x, w, b, y):
    g, gb = empty(y.shape), empty(b.shape)
    pull(linear.rows(y), linear.rows(gy), linear.rows(g), gb)
    gx, gw, _ = linear.vjp(rule.rules[0], g, x, w)
    return gx, gw, gb


@kernel
def pull(y, gy, g, gb):
    blocks = (gb.size + BLOCK - 1) // BLOCK
    parallel(pulled, blocks, blocks if g.size < SERIAL else 1, (y, gy, g, gb))


@part
def pulled(lo, hi, y, gy, g, gb):
    """Blocks lo..hi of columns, with their sums over the batch."""
    for block in range(lo, hi):
        here = slice(block * BLOCK, min((block + 1) * BLOCK, gb.size))
        pull_rectified(y[:, here], gy[:, here], g[:, here], gb[here])


def saved(rule, x, w, b, y):
    """What the rule keeps. What lay between is computed once more, to the same bits."""
    kept = (x, w), (linear.weigh(x, w, b),)
    return ([(each, its, []) for each, its in zip(rule.rules, kept)],)
