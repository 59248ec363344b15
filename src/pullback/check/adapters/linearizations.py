"""Anything with `linearize`, as the rules of pullback: `y, at = softmax.linearize(x)`, then `at.vjp(gy)`."""

from collections.abc import Sequence
from typing import Any

from pullback.check.adapters.code import Adapted, Code, outputs

LOOKS = "an object with the method linearize"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or not callable(getattr(code.forward, "linearize", None)):
        return None

    def forward(*inputs: Any) -> tuple[Any, ...]:
        y, at = code.forward.linearize(*code.filled(inputs))
        return tuple(a for a, moves in zip(outputs(y), moving(at, y), strict=True) if moves)

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        y, at = code.forward.linearize(*code.filled(inputs))
        each = iter(cotangents)
        found = at.vjp(*(next(each) if moves else None for moves in moving(at, y)))
        return found if isinstance(found, tuple) else (found,)

    return code.adapted(forward, backward)


def moving(at: Any, y: Any) -> list[bool]:
    """Which outputs have a derivative: not the running statistics of a batch norm, say, where a plan tells so."""
    if not hasattr(at, "plan"):
        return [True] * len(outputs(y))
    return [zero is not None for zero in at.plan.gradients]
