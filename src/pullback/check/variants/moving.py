"""Rules that move numbers: sums where one was copied, and places that are not those of the forward pass."""

import numpy as np

from pullback.check.variants.call import Variant, needs
from pullback.check.variants.pooling import overwritten


def summed(a, shape, total=np.sum):
    """gy, brought to a shape that was broadcast to its own."""
    gy = a.gy
    while gy.ndim > len(shape):
        gy = total(gy, 0)
    for axis, size in enumerate(shape):
        gy = gy if size == gy.shape[axis] else total(gy, axis, keepdims=True)
    return gy


def of_both(total):
    return lambda a: dict(x=summed(a, a.x.shape, total), z=summed(a, a.z.shape, total))


def first(g, axis, keepdims=False):
    kept = np.take(g, [0], axis)
    return kept if keepdims else kept.squeeze(axis)


def last_row_wins(a):
    gw = np.zeros_like(a.w)
    gw[a.x] = a.gy
    return dict(w=gw)


def turned(g):
    """Filled column by column, in the place of row by row."""
    return g.ravel().reshape(g.shape, order="F")


def at(a, index):
    gx = np.zeros_like(a.x)
    np.moveaxis(gx, a.rule.axis, 0)[index] = a.gy
    return dict(x=gx)


def middle(a):
    """What lies between the padding alone."""
    needs(min(a.rule.pad) >= 0)
    inner = tuple(slice(b, b + n) for b, n in zip(a.rule.before, a.x.shape[-a.rule.dims :]))
    return dict(x=a.gy[(..., *inner)])


VARIANTS = {
    "Add": (
        Variant("the mean over what was broadcast, not the sum", "reduction_broadcast", of_both(np.mean)),
        Variant("the first slice of what was broadcast", "reduction_broadcast", of_both(first)),
        Variant("subtracted: the sign of z", "sign", lambda a: dict(z=-a.gz)),
        Variant("no gradient for z", "missing_jacobian_term", lambda a: dict(z=np.zeros_like(a.gz))),
        Variant("half for either", "constant_factor", lambda a: dict(x=a.gx / 2, z=a.gz / 2)),
    ),
    "Concatenate": (
        Variant("cut at the other array's size", "index_routing",
                lambda a: dict(zip("zx", np.split(a.gy, [a.z.shape[a.rule.axis]], a.rule.axis)))),
        Variant("both get the first part", "index_routing", lambda a: dict(z=np.resize(a.gx, a.gz.shape))),
        Variant("no gradient for z", "missing_jacobian_term", lambda a: dict(z=np.zeros_like(a.gz))),
        Variant("off by one", "index_routing",
                lambda a: a.back(gy=np.roll(a.gy, 1, a.rule.axis))),
    ),
    "Embedding": (
        Variant("rows that are looked up twice keep the last gradient", "overwrite_vs_accumulate", last_row_wins),
        Variant("the row before", "index_routing", lambda a: dict(w=np.roll(a.gw, -1, 0))),
        Variant("averaged over the places, not summed", "constant_factor", lambda a: dict(w=a.gw / a.x.size)),
        Variant("divided by how often a row is looked up", "missing_chain_factor",
                lambda a: dict(w=a.gw / np.maximum(np.bincount(a.x.ravel(), minlength=len(a.w)), 1)[:, None])),
    ),
    "Pad": (
        Variant("the copies in the padding forgotten", "index_routing", lambda a: middle(a)),
        Variant("what stands behind cut off in front", "index_routing", lambda a: dict(x=np.roll(a.gx, 1, -1))),
        Variant("copies write over each other: = for +=", "overwrite_vs_accumulate", overwritten),
        Variant("zero at the border", "index_routing", lambda a: dict(x=a.gx * (np.arange(a.x.shape[-1]) > 0))),
        Variant("the input in the place of the gradient", "saved_wrong_tensor", lambda a: dict(x=a.x.copy())),
    ),
    "Moving": (
        Variant("the gradient from above taken for ones", "missing_upstream_grad",
                lambda a: a.back(gy=np.ones_like(a.gy))),
        Variant("in the reverse order", "index_routing", lambda a: dict(x=a.gx[::-1])),
        Variant("one place further on", "index_routing", lambda a: dict(x=np.roll(a.gx, 1))),
    ),
    "Reshaping": (
        Variant("column by column, not row by row", "index_routing", lambda a: dict(x=turned(a.gx))),
    ),
    "select": (
        Variant("the first place in the place of the last", "index_routing", lambda a: at(a, -1 - a.rule.index)),
        Variant("every place gets the gradient", "index_routing", lambda a: at(a, slice(None))),
    ),
}  # fmt: skip
