"""autograd: its primitives (`defvjp`), and functions written with its NumPy."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.code import Adapted, Code, is_function, outputs

LOOKS = "a primitive of autograd, or a function written with autograd.numpy"


def recognise(code: Code) -> Adapted | None:
    primitive = getattr(code.forward, "_is_autograd_primitive", False)
    if (
        code.backward is not None
        or not (primitive or code.framework.name == "autograd")
        or not is_function(code.forward)
    ):
        return None
    make_vjp = sys.modules["autograd"].make_vjp

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(gradient(cotangents[0], inputs, k) for k in range(len(inputs)))

    def gradient(cotangent: Any, inputs: Sequence[Any], k: int) -> Any:
        if np.asarray(inputs[k]).dtype.kind not in "fc":
            return None

        def of_one(x: Any) -> Any:
            return code.forward(*code.arguments.filled([*inputs[:k], x, *inputs[k + 1 :]]))

        try:
            return np.asarray(make_vjp(of_one)(inputs[k])[0](cotangent))
        except NotImplementedError:  # no derivative is defined
            return None

    code.tried(code.name, lambda: code.run(code.arguments.example()))
    return code.adapted(lambda *inputs: outputs(code.run(inputs)), backward)
