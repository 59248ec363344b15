"""Softmax and its logarithm: every output depends on every input of its row."""

import numpy as np

from pullback.check.variants.call import Variant


def dot(a, p, g):
    """Σ p g along the axis of the classes."""
    return (p * g).sum(a.rule.axis, keepdims=True)


def other_axis(a):
    return dict(x=a.back(axis=(a.rule.axis + 1) % a.gy.ndim)["x"])


SOFTMAX = (
    Variant("softmax as y (1 - y), the diagonal alone", "missing_jacobian_term",
            lambda a: dict(x=a.gy * a.y * (1 - a.y))),
    Variant("the sum over the row forgotten: y gy", "missing_jacobian_term", lambda a: dict(x=a.gy * a.y)),
    Variant("the factor y of the sum forgotten", "missing_jacobian_term",
            lambda a: dict(x=a.y * (a.gy - a.gy.sum(a.rule.axis, keepdims=True)))),
    Variant("mean over the row, not sum", "missing_jacobian_term",
            lambda a: dict(x=a.y * (a.gy - (a.y * a.gy).mean(a.rule.axis, keepdims=True)))),
    Variant("the factor y in front forgotten", "missing_chain_factor", lambda a: dict(x=a.gy - dot(a, a.y, a.gy))),
    Variant("the sum taken over another axis", "missing_jacobian_term", other_axis),
    Variant("a loss's y - 1 in the place of the Jacobian", "missing_upstream_grad", lambda a: dict(x=a.y - 1.0)),
)  # fmt: skip

VARIANTS = {
    "Softmax": SOFTMAX,
    "Softmin": (Variant("the sign of softmin forgotten", "sign", lambda a: dict(x=-a.gx)),),
    "LogSoftmax": (
        Variant("the sum over the row forgotten: (1 - p) gy", "missing_jacobian_term",
                lambda a: dict(x=a.gy * (1 - np.exp(a.y)))),
        Variant("passed through, as if the logarithm had undone the softmax", "missing_jacobian_term",
                lambda a: dict(x=a.gy)),
        Variant("softmax's formula in the place of that of its logarithm", "missing_chain_factor",
                lambda a: dict(x=np.exp(a.y) * (a.gy - dot(a, np.exp(a.y), a.gy)))),
        Variant("y where p = exp(y) is meant", "saved_wrong_tensor", lambda a: dict(x=a.gy - dot(a, 1, a.gy) * a.y)),
        Variant("Σ p gy in the place of p Σ gy", "missing_jacobian_term",
                lambda a: dict(x=a.gy - dot(a, np.exp(a.y), a.gy))),
        Variant("the sum over the row averaged", "missing_jacobian_term",
                lambda a: dict(x=a.gy - np.exp(a.y) * a.gy.mean(a.rule.axis, keepdims=True))),
        Variant("the sum taken over another axis", "missing_jacobian_term", other_axis),
    ),
    "LogSumExp": (
        Variant("p forgotten: every element gets gy", "missing_chain_factor", lambda a: a.back(p=np.ones_like(a.p))),
        Variant("p not normalised: exp(x)", "missing_chain_factor", lambda a: a.back(p=np.exp(a.x))),
        Variant("the largest element gets all, as of a maximum", "index_routing",
                lambda a: a.back(p=1.0 * (a.p == a.p.max(a.rule.axis, keepdims=True)))),
        Variant("softmax's Jacobian in the place of p", "wrong_local_derivative", lambda a: a.back(p=a.p * (1 - a.p))),
        Variant("the mean, 1/n in the place of p", "wrong_local_derivative",
                lambda a: a.back(p=np.full_like(a.p, a.p.mean()))),
    ),
}  # fmt: skip
