"""All numbers of an explanation, as JSON."""

import json
from typing import Any

import numpy as np

from pullback.handbook.explanation.content import Array, Content
from pullback.handbook.explanation.meaning import formulas, summary


def to_json(e: Content) -> str:
    """JSON has no nan and no infinity: they are the texts "nan", "inf" and "-inf"."""
    return json.dumps(plain(tree(e)), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def tree(e: Content) -> dict[str, Any]:
    return {
        "rule": e.name,
        "says": summary(e.rule, e.lang),
        "formulas": formulas(e.rule, e.lang),
        "signature": e.rule.signature,
        "options": e.rule.options,
        "inputs": {a.name: array(a) for a in e.inputs},
        "outputs": {a.name: array(a) for a in e.outputs},
        "derivation": [chain(d) for d in (e.chain_rule if isinstance(e.derivation, str) else e.derivation)],
        "jacobian": [
            {"of": b.of, "by": b.by, "shape": b.shape, "structure": b.structure, "matrix": b.matrix}
            for b in e.jacobians
        ],
        "cotangents": {a.name: array(a) for a in e.above},
        "gradients": {a.name: array(a) for a in e.gradients},
        "kinks": [place._asdict() for place in e.places],
        "memory": [{"name": k.name, "bytes": k.size, "is": k.is_ or None} for k in e.memory],
        "mistakes": [{"name": m.name, "says": m.says, "gradients": m.gradients} for m in e.mistakes],
    }


def array(a: Array) -> dict[str, Any]:
    return {"shape": np.shape(a.values), "values": a.values, "made_up": a.made}


def chain(derived: Any) -> dict[str, Any]:
    return {"head": derived.head._asdict(), "lines": [line._asdict() for line in derived.lines]}


def plain(value: Any) -> Any:
    """Arrays as lists, numbers that JSON does not know as texts."""
    match value:
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case float() if not np.isfinite(value):
            return str(value)
    return value
