"""Attention: a softmax between two products; scale, mask and transposes on both sides."""

import numpy as np

from pullback.check.variants.call import Variant


def T(a):
    return a.swapaxes(-1, -2)


def scores(formula):
    """gq, gk and gv from other gradients of the scores: a formula of p and of gp = gy vᵀ."""

    def spoil(a):
        gs = a.rule.factor(a.q.shape[-1]) * formula(a.p, a.gy @ T(a.v))
        return dict(q=gs @ a.k, k=T(gs) @ a.q)

    return spoil


def scaled(power):
    """The scale to another power."""
    return lambda a: {k: a.right[k] * a.rule.factor(a.q.shape[-1]) ** (power - 1) for k in "qk"}


VARIANTS = {
    "ScaledDotProductAttention": (
        Variant("√d forgotten", "constant_factor", scaled(0)),
        Variant("scale applied twice", "constant_factor", scaled(2)),
        Variant("softmax as p (1 - p)", "missing_jacobian_term", scores(lambda p, g: p * (1 - p) * g)),
        Variant("the sum over keys in softmax's gradient forgotten", "missing_jacobian_term",
                scores(lambda p, g: p * g)),
        Variant("softmax's gradient over the queries, not the keys", "missing_jacobian_term",
                scores(lambda p, g: p * (g - (p * g).sum(-2, keepdims=True)))),
        Variant("softmax passed through", "missing_chain_factor", scores(lambda p, g: g)),
        Variant("causal mask forgotten in the backward", "mode_mismatch", lambda a: a.anew(is_causal=False)),
        Variant("mask forgotten in the backward", "mode_mismatch", lambda a: a.anew(mask=None)),
        Variant("scale hyperparameter ignored: 1/√d", "constant_factor",
                lambda a: {k: a.right[k] / a.rule.scale / np.sqrt(a.q.shape[-1]) for k in "qk"}),
        Variant("p not transposed in the gradient of v", "transpose_or_adjoint", lambda a: dict(v=a.p @ a.gy)),
        Variant("queries and keys exchanged", "saved_wrong_tensor", lambda a: dict(q=a.gk, k=a.gq)),
    ),
}  # fmt: skip
