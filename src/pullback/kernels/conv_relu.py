"""A chain of convolution and relu. What is clipped is stored as -0.0, and that sign is all that the derivative needs.

At 0 itself that is 1, from the right.
"""

from pullback.kernels import conv, narrow
from pullback.kernels.conv_pool import passed
from pullback.kernels.images import channels_last, three
from pullback.kernels.tile import RELU


def takes(rule, x, w, b):
    """Where the products themselves clip."""
    first, relu = rule.rules
    if relu.kink != "right" or not conv.takes(first, x, w, b) or conv.by_itself(first.groups, w):
        return False
    n = first.space(x)
    windows = three(first.windows(n, w, first.out(n, first.space(w))))
    return not narrow.suits(windows, first.groups, *w.shape[:2])


def forward(rule, x, w, b):
    first, _ = rule.rules
    x = channels_last(x, first.dims)
    y = conv.correlate(first, x, w, b, RELU)
    return y, (x, w, b, y)


def saved(rule, x, w, b, y):
    """What the rule keeps. What lay between is computed once more, to the same bits."""
    between = conv.correlate(rule.rules[0], x, w, b)
    return ([(each, its, []) for each, its in zip(rule.rules, ((x, w), (between,)))],)


def vjp(rule, gy, x, w, b, y):
    first, _ = rule.rules
    return conv.vjp(first, passed(channels_last(gy, first.dims), y, first.dims), x, w)
