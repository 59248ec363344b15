"""Convolutions: which element of the kernel met which element of x, and in how many places."""

import numpy as np

from pullback.check.variants.call import Variant, needs


def space(a):
    """The axes of a kernel."""
    return tuple(range(-a.rule.dims, 0))


def channels_swapped(w):
    return w.swapaxes(0, 1).reshape(w.shape)


def mixed(a):
    """Every group's channels with the next group's kernel."""
    needs(a.rule.groups > 1)
    return dict(x=a.back(w=np.roll(a.w, len(a.w) // a.rule.groups, 0))["x"])


def without_last(a):
    """The last window of every row is not spread."""
    gy = a.gy.copy()
    gy[..., -1] = 0
    return dict(x=a.back(gy=gy)["x"], w=a.back(gy=gy)["w"])


def border_lost(a):
    """What lies at the border comes back as 0, as if padding were cut from both arrays."""
    gx = a.gx.copy()
    for axis, width in zip(space(a), a.rule.padding_before(a.w.shape[-a.rule.dims :])):
        np.moveaxis(gx, axis, 0)[:width] = 0
    return dict(x=gx)


def examples(a):
    return a.gy.reshape(-1, *a.gy.shape[-a.rule.dims - 1 :]).shape[0]


def positions(a):
    return np.prod(a.gy.shape[-a.rule.dims :])


VARIANTS = {
    "Convolution": (
        Variant("kernel flipped where it is not", "conv_geometry",
                lambda a: dict(x=a.back(w=np.flip(a.w, space(a)))["x"])),
        Variant("the gradient of the kernel comes out flipped", "conv_geometry",
                lambda a: dict(w=np.flip(a.gw, space(a)))),
        Variant("in- and output channels exchanged", "transpose_or_adjoint",
                lambda a: dict(x=a.back(w=channels_swapped(a.w))["x"])),
        Variant("dilation ignored", "conv_geometry", lambda a: {k: a.back(dilation=1)[k] for k in "xw"}),
        Variant("stride ignored", "conv_geometry", lambda a: {k: a.back(stride=1)[k] for k in "xw"}),
        Variant("padding ignored", "conv_geometry", lambda a: {k: a.back(padding=0)[k] for k in "xw"}),
        Variant("one element of padding too many", "conv_geometry",
                lambda a: {k: a.back(padding=tuple(p + 1 for p in a.rule.padding))[k] for k in "xw"}),
        Variant("groups mixed", "index_routing", mixed),
        Variant("the last window of every row left out", "conv_geometry", without_last),
        Variant("bias gradient averaged over positions", "constant_factor", lambda a: dict(b=a.gb / positions(a))),
        Variant("bias gradient averaged over examples", "constant_factor", lambda a: dict(b=a.gb / examples(a))),
        Variant("bias gradient of the first position alone", "reduction_broadcast",
                lambda a: dict(b=np.moveaxis(a.gy, -a.rule.dims - 1, 0).reshape(len(a.gb), -1)[:, 0])),
        Variant("the gradient of the kernel averaged over examples", "constant_factor",
                lambda a: dict(w=a.gw / examples(a))),
    ),
    "Conv": (
        Variant("the padded border of the gradient cut off at the wrong place", "conv_geometry", border_lost),
    ),
}  # fmt: skip
