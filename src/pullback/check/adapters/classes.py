"""Classes with `forward` and `backward`. Parameters and their gradients are attributes, as W and dW, params and grads.

layer = Affine(w, b)
y = layer.forward(x)            # or None, and layer.output
dx = layer.backward(dy)         # and layer.dW, layer.db, or layer.grads["W"], or layer.W.grad
"""

import copy
import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf, names_of
from pullback.check.adapters.binding import Binding, by_names
from pullback.check.adapters.code import Adapted, Code, StyleError, outputs, scaled
from pullback.check.adapters.gradients import assigned, bare, by_shape, parts
from pullback.check.adapters.holders import Path, gradients_of_parameters, is_float, look, paths, put

LOOKS = "an object with the methods forward and backward"
INPUTS = "inputs", "input", "x", "X"
METHODS = ("forward", "backward"), ("forward_pass", "backward_pass")
CLEAR = "zero_grad", "zero_grads", "zero_gradients", "reset_gradients", "clear_gradients", "flush_gradients"
OUTPUTS = "output", "out", "outputs", "y"


def recognise(code: Code) -> Adapted | None:
    methods = next((pair for pair in METHODS if all(has(code.forward, method) for method in pair)), None)
    if code.backward is not None or methods is None:
        return None
    code = Code(made(code.forward), None, code.arguments.values)
    held = Held(code.forward, code, *methods)
    return code.adapted(held.forward, held.backward, *held.parameters)


def has(layer: Any, method: str) -> bool:
    return callable(getattr(layer, method, None))


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


def cleared(layer: Any) -> Any:
    """The layer, told to forget its last run if it has a method for that."""
    for method in CLEAR:
        if has(layer, method):
            getattr(layer, method)()
    return layer


class Held:
    """A layer whose parameters are inputs like any other. Every run has a copy of its own: what a layer remembers from
    earlier runs, and whether it adds to its gradients or overwrites them, makes no difference."""

    def __init__(self, layer: Any, code: Code, forward: str, backward: str) -> None:
        self.layer, self.code = layer, code
        self.method, self.way_back = forward, backward
        self.slots: dict[Path, Path | None] = {}  # parameter -> its gradient; None where backward returns it
        example = code.arguments.example()
        used, output = code.tried(f"{code.name}.{forward}", lambda: self.ran(example))
        self.binding, after, found = self.first_that_runs(used, output, example)
        self.slots = self.parameters_of(after, example, found)
        self.parameters = [Leaf(".".join(map(str, p)), p, look(after, p).copy()) for p in self.slots]
        self.mean = not self.binding.count("cotangent") and output[0].ndim == 1 and len(example) > 1
        if any(look(layer, parameter) is None for parameter in self.slots):  # the first run made them
            self.layer = cleared(used)

    def first_that_runs(self, layer: Any, output: Sequence[Any], example: Sequence[Any]) -> tuple[Binding, Any, Any]:
        """A way to call backward, the layer after that, and what it gave; None if it does not run, which is not for us
        to judge."""
        above = [np.ones_like(y) for y in output]
        bindings = self.bindings(len(output))
        for binding in bindings:
            self.binding, after = binding, copy.deepcopy(layer)
            with suppress(Exception), self.code.dice.watched():
                return binding, after, self.went_back(after, above, example, output)
        return bindings[0], layer, None

    def bindings(self, count: int) -> list[Binding]:
        """What backward may take: what its parameters' names say, gradients of the outputs, or the inputs again."""
        backward, given = getattr(self.layer, self.way_back), len(self.code.arguments.values)
        takes = names_of(backward)
        if not takes:
            return [Binding(())]
        named = by_names(backward, names_of(getattr(self.layer, self.method))[:given], count + 1)
        above = Binding(tuple(("cotangent", k) for k in range(min(count, len(takes)))))
        again = [Binding(tuple(("input", k) for k in range(given)))] if len(takes) == given > 1 else []
        return [named if named and not named.count("cache") else above, *again]

    def parameters_of(self, layer: Any, example: Sequence[Any], found: Any) -> dict[Path, Path | None]:
        """Parameters by the names of their gradients, or in the order of those that backward returned."""
        if found is None:
            return {}
        named = {p: g for p, g in gradients_of_parameters(layer).items() if not is_one_of(look(layer, p), example)}
        extra = [gradient for _, gradient in parts(found)][len(self.code.arguments.leaves) :]
        if named or not extra:
            return dict(named)
        arrays = [
            Leaf("", path, value) for path, value in paths(layer) if is_float(value) and not is_one_of(value, example)
        ]
        return {arrays[k].path: None for k in by_shape(extra, arrays, range(len(arrays)))}

    def ran(self, inputs: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
        """A copy of the layer after its forward, and the output."""
        own = len(self.code.arguments.leaves)
        layer = copy.deepcopy(self.layer)
        for parameter, value in zip(self.slots, inputs[own:], strict=True):
            shared = look(layer, parameter)
            for path in [path for path, other in paths(layer) if other is shared]:
                put(layer, path, value)
        with self.code.dice():
            output = getattr(layer, self.method)(*self.code.filled(inputs[:own]))
        kept = (look(layer, (name,)) for name in OUTPUTS)
        return layer, outputs(next((y for y in kept if y is not None), None) if output is None else output)

    def went_back(self, layer: Any, cotangents: Sequence[Any], inputs: Sequence[Any], output: Sequence[Any]) -> Any:
        given = dict(cotangent=self.code.lifted(cotangents), output=output, input=self.code.filled(inputs))
        found = getattr(layer, self.way_back)(*self.binding.arguments(**given))
        return self.kept_gradients(layer) if found is None else found

    def kept_gradients(self, layer: Any) -> tuple[Any, ...]:
        """Gradients of the inputs that backward did not return: attributes such as dinputs or dx."""
        names = [leaf.name for leaf in self.code.arguments.leaves]
        found = {name: value for key, value in vars(layer).items() for name in bare(key)}
        return tuple(found[name] for name in dict.fromkeys((*names, *INPUTS)) if name in found)

    def forward(self, *inputs: Any) -> tuple[Any, ...]:
        """The output; of a loss of every example, whose backward gives the gradient of the mean, the mean."""
        output = self.ran(inputs)[1]
        return (np.asarray(np.mean(output[0])),) if self.mean else output

    def backward(self, cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        own = self.code.arguments.leaves
        layer, output = self.ran(inputs)
        found = self.went_back(layer, cotangents, inputs[: len(own)], output)
        gradients = assigned(found, own)
        if len(gradients) > len(own):  # dx, dW, db
            gradients = assigned(found, [*own, *self.parameters])
        else:
            gradients = *gradients, *(gradient and look(layer, gradient) for gradient in self.slots.values())
        return gradients if self.binding.count("cotangent") else scaled(gradients, cotangents)


def is_one_of(value: Any, arrays: Sequence[Any]) -> bool:
    return any(value is each or np.array_equal(value, each) for each in arrays)
