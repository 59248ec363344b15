"""Classes with `forward` and `backward`. Parameters and their gradients are attributes, as W and dW, params and grads.

layer = Affine(w, b)
y = layer.forward(x)            # or None, and layer.output
dx = layer.backward(dy)         # and layer.dW, layer.db, or layer.grads["W"], or layer.W.grad
"""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf, names_of
from pullback.check.adapters.binding import Binding, by_names
from pullback.check.adapters.code import Adapted, Code, StyleError, outputs, scaled
from pullback.check.adapters.dice import same_dice
from pullback.check.adapters.gradients import assigned, bare
from pullback.check.adapters.holders import Path, gradients_of_parameters, look, paths, put

LOOKS = "an object with the methods forward and backward"
INPUTS = "inputs", "input", "x", "X"
OUTPUTS = "output", "out", "outputs", "y"


def recognise(code: Code) -> Adapted | None:
    layer, methods = code.forward, ("forward", "backward")
    if code.backward is not None or not all(callable(getattr(layer, method, None)) for method in methods):
        return None
    code = Code(made(layer), None, code.arguments.values)
    held = Held(code.forward, code)
    return code.adapted(held.forward, held.backward, *held.parameters)


def made(layer: Any) -> Any:
    """An object; a class is called without arguments."""
    if not isinstance(layer, type):
        return layer
    needed = [p.name for p in inspect.signature(layer).parameters.values() if p.default is p.empty and p.kind < 2]
    if needed:
        raise StyleError(
            f"{layer.__name__} is a class that needs {', '.join(needed)}: give an object instead, {layer.__name__}(...)"
        )
    return layer()


class Held:
    """A layer whose parameters are inputs like any other. Every run has a copy of its own: what a layer remembers from
    earlier runs, and whether it adds to its gradients or overwrites them, makes no difference."""

    def __init__(self, layer: Any, code: Code) -> None:
        self.layer, self.code = layer, code
        self.slots: dict[Path, Path] = {}
        self.binding = Binding(())
        example = code.arguments.example()
        used, output = code.tried(self.name("forward"), lambda: self.ran(example))
        self.binding = self.way_back(len(output))
        code.tried(
            self.name("backward"), lambda: self.went_back(used, [np.ones_like(y) for y in output], example, output)
        )
        own = [id(each) for each in example]
        same = lambda value: id(value) in own or any(np.array_equal(value, each) for each in example)
        self.slots = {p: g for p, g in gradients_of_parameters(used).items() if not same(look(used, p))}
        self.parameters = [Leaf(".".join(map(str, p)), p, look(used, p).copy()) for p in self.slots]
        if any(
            look(layer, parameter) is None for parameter in self.slots
        ):  # it makes its parameters when it first runs
            self.layer = used
            for gradient in self.slots.values():
                put(used, gradient, look(layer, gradient))

    def name(self, method: str) -> str:
        return f"{type(self.layer).__name__}.{method}"

    def way_back(self, count: int) -> Binding:
        """What backward takes: gradients of the outputs, unless its parameters have the names of inputs."""
        takes = names_of(self.layer.backward)
        binding = by_names(
            self.layer.backward, names_of(self.layer.forward)[: len(self.code.arguments.values)], count + 1
        )
        if binding and not binding.count("cache") or not takes:
            return binding or Binding(())
        return Binding(tuple(("cotangent", k) for k in range(min(count, len(takes)))))

    def ran(self, inputs: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
        """A copy of the layer after its forward, and the output."""
        own = len(self.code.arguments.leaves)
        layer = copy.deepcopy(self.layer)
        for parameter, value in zip(self.slots, inputs[own:], strict=True):
            shared = look(layer, parameter)
            for path in [path for path, other in paths(layer) if other is shared]:
                put(layer, path, value)
        with same_dice():
            output = layer.forward(*self.code.filled(inputs[:own]))
        kept = (look(layer, (name,)) for name in OUTPUTS)
        return layer, outputs(next((y for y in kept if y is not None), None) if output is None else output)

    def went_back(self, layer: Any, cotangents: Sequence[Any], inputs: Sequence[Any], output: Sequence[Any]) -> Any:
        given = dict(cotangent=self.code.lifted(cotangents), output=output, input=self.code.filled(inputs))
        found = layer.backward(*self.binding.arguments(**given))
        return self.kept_gradients(layer) if found is None else found

    def kept_gradients(self, layer: Any) -> tuple[Any, ...]:
        """Gradients of the inputs that backward did not return: attributes such as dinputs or dx."""
        names = [leaf.name for leaf in self.code.arguments.leaves]
        found = {bare(key): value for key, value in vars(layer).items() if bare(key) != key}
        return tuple(found[name] for name in dict.fromkeys((*names, *INPUTS)) if name in found)

    def forward(self, *inputs: Any) -> tuple[Any, ...]:
        return self.ran(inputs)[1]

    def backward(self, cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        own = self.code.arguments.leaves
        layer, output = self.ran(inputs)
        found = self.went_back(layer, cotangents, inputs[: len(own)], output)
        returned = assigned(found, own)
        if len(returned) > len(own):  # dx, dW, db
            return assigned(found, [*own, *self.parameters])
        gradients = *returned, *(look(layer, gradient) for gradient in self.slots.values())
        return gradients if self.binding.count("cotangent") else scaled(gradients, cotangents)
