"""JAX: functions, with `custom_vjp` or `custom_jvp` or JAX's own derivative."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.code import Adapted, Code, is_function

LOOKS = "a function of JAX, custom_vjp and custom_jvp included"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or code.framework.name != "jax" or not is_function(code.forward):
        return None
    jax = sys.modules["jax"]

    def run(*inputs: Any) -> list[Any]:
        return list(jax.tree_util.tree_leaves(code.forward(*code.arguments.filled(inputs))))

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.framework.scope():
            return tuple(np.array(y) for y in run(*code.lifted(inputs)))

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.framework.scope():
            found = jax.vjp(run, *code.lifted(inputs))[1](code.lifted(cotangents))
            moves = [np.asarray(x).dtype.kind in "fc" for x in inputs]
            return tuple(np.array(g) if may else None for g, may in zip(found, moves, strict=True))

    code.tried(code.name, lambda: forward(*code.arguments.example()))
    return code.adapted(forward, backward)
