"""Norms: gx = r (gu - mean(gu) - u mean(u gu)). There are three paths, and every one has been forgotten."""

import numpy as np

from pullback.check.variants.call import Variant


def path(formula):
    """gx, from gu, u and r folded so that the statistics run over the last axis, and the mean over them."""

    def spoil(a):
        fold, mean = a.rule.fold, a.rule.mean
        gu = fold(a.rule.widen(a.w, a.gy) * a.gy)
        return dict(x=formula(gu, fold(a.u), a.r, mean, a).reshape(a.gy.shape))

    return spoil


def shared(u, r):
    """How many elements share their statistics."""
    return u.size // r.size


def rms(formula):
    """The same where nothing but the size is normalised."""

    def spoil(a):
        u, gu = a.rule.fold(a.u), a.rule.fold(a.w * a.gy)
        return dict(x=formula(gu, u, a.r, (u * gu).mean(-1, keepdims=True), a).reshape(a.gy.shape))

    return spoil


def eps_outside(r, a):
    """1 / (sqrt(var) + eps)"""
    return 1 / (np.sqrt(np.maximum(1 / r**2 - a.rule.eps, 0)) + a.rule.eps)


def averaged(*names):
    return lambda a: {k: a.right[k] / (a.gy.size // a.right[k].size) for k in names}


PARAMETERS = (
    Variant("w forgotten on the way to x", "missing_chain_factor", lambda a: dict(x=a.back(w=np.ones_like(a.w))["x"])),
    Variant("x itself in the gradient of w, not the normalised x", "saved_wrong_tensor",
            lambda a: dict(w=a.back(u=a.x)["w"])),
    Variant("y in the gradient of w, not the normalised x", "saved_wrong_tensor", lambda a: dict(w=a.back(u=a.y)["w"])),
    Variant("the gradient of w averaged, not summed", "constant_factor", averaged("w")),
)  # fmt: skip

VARIANTS = {
    "Norm": (
        Variant("variance treated as constant", "missing_jacobian_term",
                path(lambda g, u, r, mean, a: r * (g - mean(g)))),
        Variant("mean path forgotten", "missing_jacobian_term",
                path(lambda g, u, r, mean, a: r * (g - u * mean(u, g)))),
        Variant("mean and variance treated as constants", "missing_jacobian_term",
                path(lambda g, u, r, mean, a: r * g)),
        Variant("sums in the place of means", "missing_jacobian_term",
                path(lambda g, u, r, mean, a: r * (g - shared(u, r) * (mean(g) + u * mean(u, g))))),
        Variant("unbiased variance, where forward has the biased one", "missing_jacobian_term",
                path(lambda g, u, r, mean, a: r * (g - mean(g) - u * mean(u, g) * shared(u, r) / (shared(u, r) - 1)))),
        Variant("sign of the variance path", "missing_jacobian_term",
                path(lambda g, u, r, mean, a: r * (g - mean(g) + u * mean(u, g)))),
        Variant("eps outside of the root", "missing_chain_factor",
                lambda a: dict(x=a.back(r=eps_outside(a.r, a))["x"])),
        Variant("1 / var in the place of 1 / sqrt(var)", "missing_chain_factor",
                lambda a: dict(x=a.back(r=a.r**2)["x"])),
        Variant("not divided by the standard deviation", "missing_chain_factor",
                lambda a: dict(x=a.back(r=np.ones_like(a.r))["x"])),
        Variant("the gradient of b averaged, not summed", "constant_factor", averaged("b")),
        *PARAMETERS,
    ),
    "BatchNorm": (
        Variant("training formula in evaluation", "mode_mismatch", lambda a: dict(x=a.back(training=True)["x"])),
    ),
    "RMSNorm": (
        Variant("root mean square treated as constant", "missing_jacobian_term", rms(lambda g, u, r, dot, a: r * g)),
        Variant("sum in the place of the mean", "missing_jacobian_term",
                rms(lambda g, u, r, dot, a: r * (g - u * dot * shared(u, r)))),
        Variant("mean subtracted as in a layer norm", "missing_jacobian_term",
                rms(lambda g, u, r, dot, a: r * (g - g.mean(-1, keepdims=True) - u * dot))),
        Variant("the 2 of x² forgotten", "missing_jacobian_term", rms(lambda g, u, r, dot, a: r * (g - u * dot / 2))),
        Variant("sign of the path through the size", "missing_jacobian_term",
                rms(lambda g, u, r, dot, a: r * (g + u * dot))),
        Variant("x in the place of the normalised x", "saved_wrong_tensor", lambda a: a.back(u=a.x)),
        Variant("not divided by the root mean square", "missing_chain_factor",
                lambda a: dict(x=a.back(r=np.ones_like(a.r))["x"])),
        *PARAMETERS,
    ),
}  # fmt: skip
