"""Which term of the derivative is wrong: with `like=`, the gradient that was given is taken for a sum of the terms of
the right one, each times a number. 0 is a term that is missing, -1 a wrong sign.

No rule is imported here: a table goes by the names of their classes, and is handed a call.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.structure import same
from pullback.check.variants.call import Call, needs

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


# Of the gradient of x.
TERMS: dict[str, Callable[[Any], Terms]] = {
    "RMSNorm": of_rms_norm, "Norm": of_norm, "Softmax": of_softmax, "LogSoftmax": of_log_softmax, "SiLU": of_silu,
    "GELU": of_gelu,
}  # fmt: skip


def terms(call: Call) -> Terms:
    """Those of the gradient of x; none where they are not known."""
    kinds = [kind.__name__ for kind in type(call.rule).__mro__]
    of = next((TERMS[name] for name in kinds if name in TERMS), None)
    try:
        found = {} if of is None else of(call)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return {}  # a weight was left out, or this is another mode
    right = np.asarray(call.right["x"]).ravel()
    flat = {says: np.asarray(term).ravel() for says, term in found.items()}
    return flat if flat and same(sum(flat.values()), right) else {}  # a rule that inherits may have others


def told(calls: list[Call], given: list[Array]) -> str:
    """What is wrong with the terms of the gradients that were given, if they are those terms at all."""
    known = [terms(call) for call in calls]
    if not all(known):
        return ""
    columns = np.stack([np.concatenate([each[says] for each in known]) for says in known[0]], 1)
    b = np.concatenate(given)
    factors, _, rank, _ = np.linalg.lstsq(columns, b, rcond=1e-9)
    if rank < columns.shape[1] or not same(columns @ factors, b):
        return ""
    return "; ".join(f"{says}: {judged(c)}" for says, c in zip(known[0], factors))


def judged(c: float) -> str:
    known = {1.0: "right", 0.0: "missing", -1.0: "with the wrong sign"}
    return next((text for value, text in known.items() if abs(c - value) < 1e-5), f"times {c:.4g}")
