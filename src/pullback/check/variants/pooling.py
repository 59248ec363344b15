"""Pools: which element of a window gets the gradient, what share of it, and what if windows overlap."""

import numpy as np

from pullback.check.variants.call import Variant, needs


def overwritten(a):
    """Of the windows that share an element, the last one alone counts: = for +="""
    J = a.dense()
    last = len(J) - 1 - np.argmax((J != 0)[::-1], axis=0)
    kept = np.where(np.arange(len(J))[:, None] == last, J, 0)
    return dict(x=(a.gy.reshape(-1, len(J)) @ kept).reshape(a.gx.shape))


def through(a, J):
    """The backward of another Jacobian: [output, input], or one per example."""
    gy = a.gy.reshape(-1, 1, J.shape[-2])
    return dict(x=(gy @ J.reshape(-1, *J.shape[-2:])).reshape(a.gx.shape))


def last_window(a):
    """What hangs over the end, or does not fill a stride, is left out."""
    gy = a.gy.copy()
    gy[..., -1] = 0
    return a.back(gy=gy)


def seen(a):
    """[output, input]: which elements a window sees."""
    if hasattr(a.rule, "step"):
        windows = a.rule.windows(a.n)
        places = windows.places().reshape(-1, np.prod(windows.out))
        J = np.zeros((places.shape[1], np.prod(a.n)))
        for row in places:
            inside = row >= 0
            J[np.flatnonzero(inside), row[inside]] = 1
        return J
    places = a.rule.places(a.n)
    return np.array([np.isin(np.arange(places.size), places[window]) for _, window in a.rule.windows(a.n)]) * 1.0


def chosen(a, J):
    """J cut down to one place per window, the first."""
    return np.where(np.arange(J.shape[1]) == np.argmax(J != 0, axis=-1)[..., None], J, 0)


def ties(a):
    """Every element that equals the largest one of its window."""
    x, y = a.x.reshape(-1, 1, np.prod(a.n)), a.y.reshape(-1, seen(a).shape[0], 1)
    return seen(a) * (x == y)


def smallest(a):
    """The smallest element of every window."""
    return a.anew(x=-a.x)


def shifted(a):
    """Every window one element further on, at the end of the last axis around."""
    needs(any(a.rule.padding))
    return dict(x=np.roll(a.gx, a.rule.padding[-1], -1))


def steps_of_a_kernel(a):
    """Windows side by side, where forward lets them overlap or leaves gaps."""
    windows = a.rule.windows(a.n)
    share = a.gy / a.rule.count(windows, a.gy.dtype)
    beside = windows._replace(stride=windows.kernel)
    return dict(x=beside.unstack(np.broadcast_to(share, (np.prod(windows.kernel), *share.shape))))


OVERLAP = Variant("overlapping windows write over each other: = for +=", "overwrite_vs_accumulate", overwritten)
REMAINDER = Variant("the last window of every row left out", "conv_geometry", last_window)
MEAN = (
    Variant("not divided by the size of the window", "missing_chain_factor", lambda a: through(a, seen(a))),
    Variant("the first element of a window gets all", "index_routing", lambda a: through(a, chosen(a, seen(a)))),
    Variant(
        "divided by the largest window's size",
        "missing_chain_factor",
        lambda a: through(a, seen(a) / seen(a).sum(1).max()),
    ),
    OVERLAP,
    REMAINDER,
)

MAX = (
    Variant("all ties get the whole gradient", "kink_convention", lambda a: through(a, ties(a))),
    Variant("every element of a window gets its gradient", "mode_mismatch", lambda a: through(a, seen(a))),
    Variant("shared evenly, as of a mean", "mode_mismatch",
            lambda a: through(a, seen(a) / seen(a).sum(1, keepdims=True))),
    Variant("the smallest element gets the gradient", "conv_geometry", smallest),
    Variant("the first element of every window gets the gradient", "conv_geometry",
            lambda a: through(a, chosen(a, seen(a)))),
    Variant("the gradient is multiplied by the largest element", "saved_wrong_tensor", lambda a: a.back(gy=a.gy * a.y)),
    Variant("off by one: the neighbour of the largest", "conv_geometry",
            lambda a: a.back(index=(a.index + 1) % np.prod(a.n))),
    OVERLAP,
    REMAINDER,
)  # fmt: skip

VARIANTS = {
    "MaxPool": MAX,
    "AdaptiveMaxPool": MAX,
    "AvgPool": (
        *MEAN,
        Variant("padding border: counted where it is not, or not where it is", "missing_chain_factor",
                lambda a: a.back(count_include_pad=not a.rule.count_include_pad)),
        Variant("divisor_override forgotten", "constant_factor", lambda a: a.back(divisor_override=None)),
        Variant("stride taken for the kernel's size", "conv_geometry", steps_of_a_kernel),
        Variant("padding forgotten: windows begin too late", "conv_geometry", lambda a: shifted(a)),
    ),
    "AdaptiveAvgPool": MEAN,
    "LpPool": (
        Variant("sign(x) forgotten", "sign", lambda a: dict(x=a.gx * np.sign(a.x))),
        Variant("the root's derivative forgotten: |x|^(p-1)", "missing_chain_factor",
                lambda a: a.back(gy=a.gy * np.where(a.y > 0, a.y, 1) ** (a.rule.p - 1))),
        Variant("p = 2 whatever p is", "wrong_local_derivative", lambda a: a.back(norm_type=2.0)),
        Variant("the root forgotten: p |x|^(p-1)", "missing_chain_factor",
                lambda a: a.back(gy=a.rule.p * a.gy * np.where(a.y > 0, a.y, 1) ** (a.rule.p - 1))),
        Variant("one power too many: (|x|/y)^p", "wrong_local_derivative", lambda a: a.back(norm_type=a.rule.p + 1)),
        Variant("windows counted from the other end", "conv_geometry", lambda a: a.back(gy=a.gy[..., ::-1])),
        REMAINDER,
    ),
}  # fmt: skip
