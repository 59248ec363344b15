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

    def second(cotangents: Sequence[Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        """The Hessian of ⟨g, y⟩ is symmetric: how the vjp moves along a tangent is also its own transpose."""
        y, at = code.forward.linearize(*code.filled(inputs))
        each = iter(cotangents)
        above = tuple(next(each) if moves else None for moves in moving(at, y))
        pushed, bent = outputs_of(at.jvp(*tangents)), outputs_of(at.hvp(above, tuple(tangents)))
        return [t for t, moves in zip(pushed, moving(at, y), strict=True) if moves], list(bent)

    code.tried(code.name, lambda: forward(*code.arguments.example()))
    return code.adapted(forward, backward, second=second if hasattr(code.forward, "hvp") else None)


def outputs_of(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def moving(at: Any, y: Any) -> list[bool]:
    """Which outputs have a derivative: not the running statistics of a batch norm, say, where a plan tells so."""
    if not hasattr(at, "plan"):
        return [True] * len(outputs(y))
    return [zero is not None for zero in at.plan.gradients]
