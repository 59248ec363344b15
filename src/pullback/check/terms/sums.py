"""Layers whose gradient of x is a sum of paths: norms, softmax, gated activations, attention, losses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.variants.call import needs

Array = NDArray[Any]
Terms = dict[str, Array]


def of_norm(a: Any) -> Terms:
    """gx = r (gu - mean(gu) - u mean(u gu))"""
    needs(getattr(a.rule, "training", True))
    fold, mean = a.rule.fold, a.rule.mean
    gu, u = fold(a.rule.widen(a.w, a.gy) * a.gy), fold(a.u)
    return {
        "the direct path, r gu": a.r * gu,
        "the mean's path, - r mean(gu)": -a.r * mean(gu) * np.ones_like(u),
        "the variance's path, - r u mean(u gu)": -a.r * u * mean(u, gu),
    }


def of_rms_norm(a: Any) -> Terms:
    u, gu = a.rule.fold(a.u), a.rule.fold(a.w * a.gy)
    size = (u * gu).mean(-1, keepdims=True)
    return {"the direct path, r gu": a.r * gu, "the path through the size, - r u mean(u gu)": -a.r * u * size}


def of_softmax(a: Any) -> Terms:
    total = (a.y * a.gy).sum(a.rule.axis, keepdims=True)
    return {"the direct path, y gy": a.y * a.gy, "the path through the sum, - y Σ y gy": -a.y * total}


def of_log_softmax(a: Any) -> Terms:
    total = a.gy.sum(a.rule.axis, keepdims=True)
    return {"the direct path, gy": a.gy, "the path through the sum, - eʸ Σ gy": -np.exp(a.y) * total}


def of_silu(a: Any) -> Terms:
    gate = 1 / (1 + np.exp(-a.x))
    return {
        "the path through x, σ gy": gate * a.gy,
        "the path through the gate, x σ' gy": a.x * gate * (1 - gate) * a.gy,
    }


def of_gelu(a: Any) -> Terms:
    needs(a.rule.approximate == "none")
    through_the_gate = a.x * np.exp(-(a.x**2) / 2) / np.sqrt(2 * np.pi) * a.gy
    return {"the path through x, Φ gy": a.gx - through_the_gate, "the path through the gate, x φ gy": through_the_gate}


def of_scores(a: Any) -> tuple[Array, Array]:
    """Of attention, the gradient of the scores (times the scale) along its two paths: p gp - p Σ p gp, gp = gy vᵀ."""
    direct = a.rule.factor(a.q.shape[-1]) * a.p * (a.gy @ a.v.swapaxes(-1, -2))
    return direct, -a.p * direct.sum(-1, keepdims=True)


def of_query(a: Any) -> Terms:
    direct, total = of_scores(a)
    return {"the direct path, p gp": direct @ a.k, "the path through softmax's sum, - p Σ p gp": total @ a.k}


def of_key(a: Any) -> Terms:
    direct, total = (gs.swapaxes(-1, -2) for gs in of_scores(a))
    return {"the direct path, p gp": direct @ a.q, "the path through softmax's sum, - p Σ p gp": total @ a.q}


def of_class_cross_entropy(a: Any) -> Terms:
    g = a.rule.lift(a.share * a.rule.spread(a.gy, a.n))
    target = np.zeros_like(a.gx)
    target[a.place] = 1
    return {"p": a.gx + target * g, "the target's 1": -target * g}


def of_cross_entropy(a: Any) -> Terms:
    g = a.rule.lift(a.rule.spread(a.gy, a.n))
    return {"p Σ q": np.exp(a.logp) * a.q.sum(a.rule.axis, keepdims=True) * g, "- q, the targets": -a.q * g}


def of_binary_cross_entropy(a: Any) -> Terms:
    g = a.w * a.rule.spread(a.gy, a.rule.count(a.x))
    return {"- t / x, of the ones": -a.t / a.x * g, "(1 - t) / (1 - x), of the zeros": (1 - a.t) / (1 - a.x) * g}


def of_binary_cross_entropy_with_logits(a: Any) -> Terms:
    g, p = a.w * a.rule.spread(a.gy, a.rule.count(a.x)), 1 / (1 + np.exp(-a.x))
    return {"- t (1 - σ), of the ones": -a.v * a.t * (1 - p) * g, "(1 - t) σ, of the zeros": (1 - a.t) * p * g}


def of_kl_target(a: Any) -> Terms:
    needs(not a.rule.log_target)
    g = a.rule.spread(a.gy, a.rule.count(a.x))
    return {"log t": np.log(a.t) * g, "1, of the t in front": np.ones_like(a.t) * g, "- x": -a.x * g}


TERMS = {
    "RMSNorm": {"x": of_rms_norm}, "Norm": {"x": of_norm}, "Softmax": {"x": of_softmax},
    "LogSoftmax": {"x": of_log_softmax}, "SiLU": {"x": of_silu}, "GELU": {"x": of_gelu},
    "ScaledDotProductAttention": {"q": of_query, "k": of_key}, "ClassCrossEntropy": {"x": of_class_cross_entropy},
    "CrossEntropy": {"x": of_cross_entropy}, "BinaryCrossEntropy": {"x": of_binary_cross_entropy},
    "BinaryCrossEntropyWithLogits": {"x": of_binary_cross_entropy_with_logits}, "KLDiv": {"t": of_kl_target},
}  # fmt: skip
