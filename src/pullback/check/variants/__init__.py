"""How backwards of a certain layer go wrong, by name: the mistakes that people make in this one formula.

A family is a file with a table: the name of a rule or of its class, and its variants. A rule has those of its own class
and of all that this inherits from. No rule is imported here, for a variant is handed the rule.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.variants.call import Call, Variant

Array = NDArray[Any]


def variants(rule: Any) -> list[Variant]:
    """All that are known of a rule, those of its own class first."""
    tables = [import_module(f"{__name__}.{file}").VARIANTS for file in families()]
    names = rule.name, *(kind.__name__ for kind in type(rule).__mro__)
    return [each for name in names for table in tables for each in table.get(name, ())]


@cache
def families() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__init__", "call"))


def wrong(call: Call) -> Iterator[tuple[Variant, dict[str, Array]]]:
    """Every variant that can be made of this call, with the gradients that it spoils, by name."""
    for variant in variants(call.rule):
        found = spoilt(call, variant)
        if found:
            yield variant, found


def spoilt(call: Call, variant: Variant) -> dict[str, Array]:
    """The gradients that this mistake gets wrong; none where it cannot be made, or makes no difference."""
    try:
        with np.errstate(all="ignore"):
            found = variant.spoil(call)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return {}  # it takes two layers, a square matrix, a bias … that are not there
    shaped = {k: np.asarray(g) for k, g in found.items() if np.shape(g) == call.right[k].shape}
    differs = lambda g, right: np.isfinite(g).all() and not np.allclose(g, right, rtol=1e-6, atol=1e-12)
    return {k: g for k, g in shaped.items() if differs(g, call.right[k])}
