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
        """None for an input without a derivative; where no input has one, what autograd says of it."""
        missing: list[NotImplementedError] = []
        found = tuple(gradient(cotangents[0], inputs, k, missing) for k in range(len(inputs)))
        if missing and all(each is None for each in found):
            raise missing[0]
        return found

    def pulled(cotangent: Any, inputs: Sequence[Any], k: int) -> Any:
        of_one = lambda x: code.forward(*code.arguments.filled([*inputs[:k], x, *inputs[k + 1 :]]))
        with code.dice():
            return make_vjp(of_one)(inputs[k])[0](cotangent)

    def gradient(cotangent: Any, inputs: Sequence[Any], k: int, missing: list[NotImplementedError]) -> Any:
        if np.asarray(inputs[k]).dtype.kind not in "fc":
            return None

        try:
            return np.asarray(pulled(cotangent, inputs, k))
        except NotImplementedError as error:
            missing.append(error)
            return None

    def second(cotangents: Sequence[Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        library = sys.modules["autograd"]
        sum_ = library.numpy.sum

        def along(g: Any, *inputs: Any) -> Any:
            """⟨tangents, gradients⟩: a number, which autograd differentiates."""
            return sum(sum_(u * pulled(g, inputs, k)) for k, u in enumerate(tangents) if u is not None)

        by = [k for k, u in enumerate(tangents) if u is not None]
        found = {k: np.asarray(library.grad(along, k + 1)(cotangents[0], *inputs)) for k in by}
        return [np.asarray(library.grad(along, 0)(cotangents[0], *inputs))], [found.get(k) for k in range(len(inputs))]

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            return outputs(code.run(inputs))

    code.tried(code.name, lambda: code.run(code.arguments.example()))
    return code.adapted(forward, backward, second=second)
