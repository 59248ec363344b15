"""Linear and bilinear layers, gates, and slopes that are learned: whose factor, which side, summed over what."""

import numpy as np

from pullback.check.variants.call import Variant


def halves(a, g):
    return np.split(g, 2, a.rule.axis)


def joined(a, first, second):
    return dict(x=np.concatenate([first, second], a.rule.axis))


def examples(a):
    return a.gy.size // a.gy.shape[-1]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def in_channels(a, g):
    return np.moveaxis(g, 1, -1).reshape(-1, a.x.shape[1])


PARAMETERS = (
    Variant("bias gradient averaged over the batch", "constant_factor", lambda a: dict(b=a.gb / examples(a))),
    Variant("the gradient of w averaged over the batch", "constant_factor", lambda a: dict(w=a.gw / examples(a))),
    Variant("bias gradient of the first example alone", "reduction_broadcast",
            lambda a: dict(b=a.gy.reshape(-1, a.gy.shape[-1])[0])),
    Variant("the gradient from above taken for ones", "missing_upstream_grad", lambda a: a.back(gy=np.ones_like(a.gy))),
)  # fmt: skip

VARIANTS = {
    "Linear": (
        Variant("transpose forgotten: w gy for wᵀ gy", "transpose_or_adjoint", lambda a: dict(x=a.gy @ a.w.T)),
        Variant("the gradient of w transposed", "transpose_or_adjoint", lambda a: dict(w=a.gw.T.reshape(a.gw.shape))),
        Variant("y in the gradient of w, not x", "saved_wrong_tensor", lambda a: a.back(x=a.y)),
        Variant("w and b: of the first example alone", "reduction_broadcast",
                lambda a: dict(w=np.outer(a.gy.reshape(-1, len(a.w))[0], a.x.reshape(-1, a.x.shape[-1])[0]))),
        *PARAMETERS,
    ),
    "Bilinear": (
        Variant("the other input forgotten in the gradient of x", "missing_chain_factor",
                lambda a: dict(x=a.back(z=np.ones_like(a.z))["x"])),
        Variant("x and z exchanged in the gradient of w", "transpose_or_adjoint",
                lambda a: dict(w=a.gw.swapaxes(1, 2).reshape(a.gw.shape))),
        Variant("w not transposed on the way to x", "transpose_or_adjoint",
                lambda a: dict(x=a.back(w=a.w.swapaxes(1, 2).reshape(a.w.shape))["x"])),
        *PARAMETERS,
    ),
    "GLU": (
        Variant("the halves exchanged: a gates b", "index_routing", lambda a: joined(a, *halves(a, a.gx)[::-1])),
        Variant("the gate does not move", "missing_jacobian_term",
                lambda a: joined(a, halves(a, a.gx)[0], np.zeros_like(a.gy))),
        Variant("a forgotten in the gradient of b", "missing_chain_factor",
                lambda a: joined(a, halves(a, a.gx)[0], halves(a, a.gx)[1] / halves(a, a.x)[0])),
        Variant("σ' forgotten in the gradient of b", "missing_chain_factor",
                lambda a: joined(a, halves(a, a.gx)[0], a.gy * halves(a, a.x)[0])),
        Variant("σ(a) in the place of σ(b)", "saved_wrong_tensor",
                lambda a: joined(a, a.gy * sigmoid(halves(a, a.x)[0]), halves(a, a.gx)[1])),
    ),
    "PReLU": (
        Variant("the slope of x 1 everywhere", "wrong_local_derivative", lambda a: dict(x=a.gy)),
        Variant("the region read from the output", "saved_wrong_tensor",
                lambda a: dict(x=a.rule.slope(a.y, a.w) * a.gy)),
        Variant("the gradient of w over all x, not those below 0", "wrong_local_derivative",
                lambda a: dict(w=np.resize(in_channels(a, a.gy * a.x).sum(0), a.w.shape))),
        Variant("the gradient of w without x", "missing_chain_factor",
                lambda a: dict(w=np.resize(in_channels(a, a.gy * (a.x < 0)).sum(0), a.w.shape))),
        Variant("the gradient of w averaged over the batch", "constant_factor", lambda a: dict(w=a.gw / len(a.x))),
    ),
    "Dropout": (
        Variant("mask forgotten", "missing_chain_factor",
                lambda a: a.back(scale=np.full_like(a.x, 1 / (1 - a.rule.p)))),
        Variant("1 / (1 - p) forgotten", "constant_factor", lambda a: a.back(scale=a.mask * 1.0)),
        Variant("1 / (1 - p) twice", "constant_factor", lambda a: a.back(scale=a.scale / (1 - a.rule.p))),
        Variant("divided by p, not by 1 - p", "constant_factor", lambda a: a.back(scale=a.mask / a.rule.p)),
        Variant("the mask turned round", "missing_chain_factor", lambda a: a.back(scale=(1 - a.mask) / (1 - a.rule.p))),
    ),
}  # fmt: skip
