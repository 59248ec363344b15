"""Networks that bring a loss, and the gradients of their own parameters.

loss, grads = net.loss(X, y)         grads by name, as in net.params; or one array for a classifier's weights
grads = net.gradient(x, t)           beside net.loss(x, t), with the same arguments
"""

import copy
from collections.abc import Iterator, Sequence
from types import MethodType
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf, names_of
from pullback.check.adapters.code import Adapted, Code, outputs, scaled, several
from pullback.check.adapters.gradients import bare, parts
from pullback.check.adapters.holders import GRADIENTS, Path, is_float, is_one_of, look, paths, put

LOOKS = "a method that returns a loss and the gradients of its object's parameters: loss, grads = net.loss(x, y)"


def recognise(code: Code) -> Adapted | None:
    net = getattr(code.forward, "__self__", None)
    if not isinstance(code.forward, MethodType) or isinstance(net, type) or not beside(code.forward, code.backward):
        return None
    example, own = code.arguments.example(), len(code.arguments.leaves)

    def ran(inputs: Sequence[Any], slots: Sequence[Path] = ()) -> tuple[Any, Any]:
        """The loss, and what comes with it: of a copy, which may change."""
        layer = copy.deepcopy(net)
        for slot, value in zip(slots, inputs[own:]):
            put(layer, slot, value)
        with code.dice():
            loss = getattr(layer, code.forward.__name__)(*code.filled(inputs[:own]))
            if code.backward is not None:
                return loss, getattr(layer, code.backward.__name__)(*code.filled(inputs[:own]))
        return (loss[0], loss[1:]) if several(loss) else (loss, ())

    loss, gradients = code.tried(code.name, lambda: ran(example))
    slots = of_parameters(net, list(parts(gradients)), example) if np.ndim(loss) == 0 else []
    if not slots:
        return None

    def forward(*inputs: Any) -> tuple[Any, ...]:
        return outputs(ran(inputs, slots)[0])

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        found = [gradient for _, gradient in parts(ran(inputs, slots)[1])]
        return scaled([*[None] * own, *found], cotangents)

    parameters = [Leaf(".".join(map(str, slot)), slot, look(net, slot).copy()) for slot in slots]
    return code.adapted(forward, backward, *parameters)


def beside(forward: Any, backward: Any) -> bool:
    """Is there nothing else, or a method of the same object that takes the same?"""
    own = isinstance(backward, MethodType) and backward.__self__ is forward.__self__
    return backward is None or own and names_of(backward) == names_of(forward)


def of_parameters(net: Any, gradients: Sequence[tuple[str, Any]], example: Sequence[Any]) -> list[Path]:
    """Where the parameters are whose gradients these are; nothing unless there is one place for each."""
    found = [next(fitting(net, name, gradient, example), None) for name, gradient in gradients]
    known = [slot for slot in found if slot is not None]
    return known if len(set(known)) == len(found) else []


def fitting(net: Any, name: str, gradient: Any, example: Sequence[Any]) -> Iterator[Path]:
    """Parameters of the gradient's name, those on top first; without a name, of its shape, if no argument has that."""
    if not name and any(np.shape(each) == np.shape(gradient) for each in example):
        return
    for path, value in sorted(paths(net), key=lambda each: len(each[0])):
        named = not name or str(path[-1]) in (name, *bare(name))
        if (
            named
            and is_float(value)
            and value.shape == np.shape(gradient)
            and not is_one_of(list(path[:-1]), GRADIENTS)
        ):
            yield path
