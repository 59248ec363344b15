"""Closures: `y, back = layer(x)`, and then `gx, gw = back(gy)`."""

from collections.abc import Sequence
from typing import Any

from pullback.check.adapters.code import Adapted, Code, is_function, outputs

LOOKS = "a function that returns its output and its backward: y, back = layer(x)"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or not is_function(code.forward):
        return None
    if not (isinstance(code.trial, tuple) and len(code.trial) > 1 and callable(code.trial[-1])):
        return None

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            *output, _ = code.run(inputs)
        return outputs(tuple(output) if len(output) > 1 else output[0])

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.dice():
            *_, back = code.run(inputs)
        with code.framework.scope():
            return code.gradients(back(*code.lifted(cotangents)))

    return code.adapted(forward, backward)
