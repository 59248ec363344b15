"""A loss that brings its gradient: `loss, dx = softmax_loss(x, y)`, `loss, grads = model_loss(W, X, y)`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.code import Adapted, Code, is_function, outputs, scaled
from pullback.check.adapters.frameworks import to_numpy
from pullback.check.adapters.owners import settle

LOOKS = "a loss that returns its gradients: loss, dx = softmax_loss(x, y)"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or not is_function(code.forward):
        return None
    if not (isinstance(code.trial, tuple) and len(code.trial) > 1 and np.ndim(to_numpy(code.trial[0])) == 0):
        return None
    if len(code.gradients(code.trial[1:])) != len(code.arguments.leaves):
        return None

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            return outputs(code.run(inputs)[0])

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.dice():
            _, *found = code.run(inputs)
        return scaled(code.gradients(tuple(found)), cotangents)

    settle(code, forward, backward)
    return code.adapted(forward, backward)
