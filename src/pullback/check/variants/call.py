"""What a variant is, and what it is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Call:
    """A rule at some inputs, with gradients from above; everything goes by its letter.

    `a.x` is an input, `a.y` an output, `a.p` what the rule saved under that name, `a.gy` a gradient from above, and
    `a.gx` the right gradient of an input. Gradients that are missing at the end are zero.
    """

    def __init__(self, rule: Any, inputs: list[Any], gradients: list[Any]) -> None:
        found, at = rule.linearize(*inputs)
        self.rule, self.inputs = at.rule, inputs
        outputs = [slot.name for slot in self.rule.outputs]
        moving = [slot.name for slot in self.rule.outputs if slot.differentiable]
        zeros = [zero for zero in at.plan.gradients if zero is not None]
        gradients = [*gradients, *zeros[len(gradients) :]]
        self.above = {name: zero if g is None else g for name, zero, g in zip(moving, zeros, gradients)}
        self.saved = dict(zip(self.rule.saves, at.saved))
        self.letters = dict(zip(outputs, found if isinstance(found, tuple) else (found,)))
        self.letters |= dict(zip((slot.name for slot in self.rule.inputs), inputs)) | self.saved
        self.letters |= {f"g{name}": g for name, g in self.above.items()}
        self.right = self.back()
        self.letters |= {f"g{name}": g for name, g in self.right.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(self)["letters"][name]
        except KeyError:
            raise AttributeError(name) from None

    def back(self, **changed: Any) -> dict[str, Array]:
        """The rule's backward, with something else in the place of a hyperparameter, of what was saved, or of a
        gradient from above."""
        rule, others = self.rule.at(changed)
        above = [others.pop(f"g{name}", g) for name, g in self.above.items()]
        saved = self.saved | others
        needs(saved.keys() == self.saved.keys())
        names = [slot.name for slot in rule.inputs if slot.differentiable]
        return dict(zip(names, rule.pull(above, saved.values())))

    def anew(self, **changed: Any) -> dict[str, Array]:
        """The right backward of another call: with other hyperparameters, or other inputs."""
        rule, others = self.rule.at(changed)
        inputs = [others.get(slot.name, x) for slot, x in zip(self.rule.inputs, self.inputs)]
        return Call(rule, inputs, list(self.above.values())).right

    def dense(self, k: int = 0) -> Array:
        """The Jacobian by the k-th input, of an example or of all: [..., output, input]."""
        found = self.rule.jacobian(*self.saved.values())
        return np.asarray((found[k] if isinstance(found, tuple) else found).dense())


class Variant(NamedTuple):
    says: str  # what was done, in the words of whoever did it
    cause: str  # the class of faults that it belongs to
    spoil: Callable[[Call], dict[str, Array]]  # the gradients that it gets wrong


def needs(condition: Any) -> None:
    """A variant that cannot be made of this call says so."""
    if not condition:
        raise ValueError("this variant does not apply here")
