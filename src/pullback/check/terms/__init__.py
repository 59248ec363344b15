"""Which term of the derivative is wrong: with `like=`, the gradient that was given is taken for a sum of the terms of
the right one, each times a number. 0 is a term that is missing, -1 a wrong sign.

No rule is imported here: a table goes by the names of their classes and of their inputs, and is handed a call.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.structure import nonzero, same
from pullback.check.terms import recurrent, sums
from pullback.check.variants.call import Call

Array = NDArray[Any]
Terms = dict[str, Array]

TERMS = sums.TERMS | recurrent.TERMS
OFF = "off by no single factor, as with another slope"
SPELT_OUT = 4  # so many terms are named one by one; of more, those that are wrong


def terms(call: Call, letter: str) -> Terms:
    """Those of the gradient of one input; none where they are not known."""
    kinds = [kind.__name__ for kind in type(call.rule).__mro__]
    of = next((TERMS[name][letter] for name in kinds if letter in TERMS.get(name, ())), None)
    try:
        found = {} if of is None else of(call)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return {}  # a weight was left out, or this is another mode
    right = np.asarray(call.right[letter])
    shaped = {says: np.asarray(term).reshape(right.shape) for says, term in found.items()}
    return shaped if shaped and same(sum(shaped.values()), right) else {}  # a rule that inherits may have others


def told(known: list[Terms], given: list[Array]) -> str:
    """What is wrong with the terms of the gradients that were given, if they are those terms at all."""
    if not all(known):
        return ""
    columns = np.stack([np.concatenate([each[says].ravel() for each in known]) for says in known[0]], 1)
    b = np.concatenate([each.ravel() for each in given])
    factors, _, rank, _ = np.linalg.lstsq(columns, b, rcond=1e-9)
    if len(b) > columns.shape[1] == rank and same(columns @ factors, b):
        return said({says: judged(c) for says, c in zip(known[0], factors)})
    off = touched(columns, b)
    return said({says: OFF if each else "right" for says, each in zip(known[0], off)}) if off.any() else ""


def touched(columns: Array, b: Array) -> Array:
    """Which terms have a part in what is wrong; none if all have, or if some of it belongs to none. Each gate of a
    cell has rows of its own in the gradients of the parameters."""
    wrong = ~np.isclose(b, columns.sum(1), rtol=0, atol=1e-5 * np.max(abs(b), initial=0))
    parts = nonzero(columns)[wrong]
    off = parts.any(0)
    return np.asarray(off & ~off.all() & parts.any(1).all())


def said(verdicts: dict[str, str]) -> str:
    if len(verdicts) <= SPELT_OUT:
        return "; ".join(f"{says}: {verdict}" for says, verdict in verdicts.items())
    wrong = dict.fromkeys(verdict for verdict in verdicts.values() if verdict != "right")
    alike = {verdict: [says for says, each in verdicts.items() if each == verdict] for verdict in wrong}
    found = [f"{', '.join(each)}: {verdict}" for verdict, each in alike.items()]
    return "; ".join([*found, *(["the others: right"] if "right" in verdicts.values() else [])])


def judged(c: float) -> str:
    known = {1.0: "right", 0.0: "missing", -1.0: "with the wrong sign"}
    return next((text for value, text in known.items() if abs(c - value) < 1e-5), f"times {c:.4g}")
