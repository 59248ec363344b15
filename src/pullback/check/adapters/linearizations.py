"""Anything with `linearize`, as the rules of pullback: `y, at = softmax.linearize(x)`, then `at.vjp(gy)`."""

from collections.abc import Sequence
from typing import Any

from pullback.check.adapters.code import Adapted, Code, outputs

LOOKS = "an object with the method linearize"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or not callable(getattr(code.forward, "linearize", None)):
        return None

    def forward(*inputs: Any) -> tuple[Any, ...]:
        return outputs(code.forward.linearize(*code.filled(inputs))[0])

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        found = code.forward.linearize(*code.filled(inputs))[1].vjp(*cotangents)
        return found if isinstance(found, tuple) else (found,)

    return code.adapted(forward, backward)
