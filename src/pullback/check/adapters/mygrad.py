"""MyGrad: its operations (`Operation`, with `backward_var`), and functions of its tensors."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.code import Adapted, Code, outputs

LOOKS = "an Operation of MyGrad, or a function of its tensors"


def recognise(code: Code) -> Adapted | None:
    mygrad = sys.modules.get("mygrad")
    if mygrad is None or code.backward is not None or code.framework.name != "mygrad":
        return None
    if not callable(code.forward):
        return None
    operation = isinstance(code.forward, type) and issubclass(code.forward, mygrad.operation_base.Operation)

    def run(tensors: Sequence[Any]) -> Any:
        arguments = code.arguments.filled(tensors)
        return mygrad.Tensor._op(code.forward, *arguments) if operation else code.forward(*arguments)

    def tensors_of(inputs: Sequence[Any]) -> list[Any]:
        return [mygrad.tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in inputs]

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            return outputs(run(tensors_of(inputs)))

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        tensors = tensors_of(inputs)
        with code.dice():
            run(tensors).backward(cotangents[0])
        return tuple(getattr(tensor, "grad", None) for tensor in tensors)

    code.tried(code.name, lambda: forward(*code.arguments.example()))
    return code.adapted(forward, backward)
