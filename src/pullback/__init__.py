"""The derivative of every neural-network layer in closed form: computed, explained, and used to check yours.

y, at = pullback.softmax.linearize(x)     the output, and the derivative there
at.vjp(gy)                                the backward
"""

from typing import Any

from pullback.discovery import OTHERS, PARTS, index, public

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Rules, and parts of the package, load when they are first named."""
    found = public(name)
    if found is None:
        raise AttributeError(f"pullback has no {name!r}; `pullback list` shows what it has")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({"__version__", *index(), *PARTS, *OTHERS})
