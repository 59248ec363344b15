"""thinc: `Y, backprop = model(X, is_train=True)`. Its parameters are inputs like any other."""

import sys
from collections.abc import Sequence
from typing import Any

from pullback.check.adapters.arguments import Leaf
from pullback.check.adapters.code import Adapted, Code, outputs

LOOKS = "a model of thinc"


def recognise(code: Code) -> Adapted | None:
    library = sys.modules.get("thinc.model")
    if library is None or code.backward is not None or not isinstance(code.forward, library.Model):
        return None
    code.arguments.single()
    own = len(code.arguments.leaves)
    slots = [(k, name) for k, node in enumerate(code.forward.walk()) for name in node.param_names]

    def run(inputs: Sequence[Any]) -> tuple[list[Any], Any]:
        """The parts of a copy with these parameters and no gradients, and what it gives."""
        model = code.forward.copy()
        nodes = list(model.walk())
        for (k, name), value in zip(slots, inputs[own:], strict=True):
            nodes[k].set_param(name, value)
            nodes[k].set_grad(name, 0 * value)
        with code.dice():
            return nodes, model(*code.filled(inputs[:own]), is_train=True)

    def forward(*inputs: Any) -> tuple[Any, ...]:
        return outputs(run(inputs)[1][0])

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        nodes, (output, back) = run(inputs)
        found = back(tuple(cotangents) if isinstance(output, tuple) else cotangents[0])
        return *code.gradients(found), *(nodes[k].get_grad(name) for k, name in slots)

    code.tried(code.name, lambda: code.forward.initialize(*code.filled(code.arguments.example())))
    nodes = list(code.forward.walk())
    parameters = [Leaf(name, (k, name), nodes[k].get_param(name).copy()) for k, name in slots]
    code.tried(code.name, lambda: forward(*code.arguments.example(), *(leaf.value for leaf in parameters)))
    return code.adapted(forward, backward, *parameters)
