"""What a rule is."""

import inspect
import sys
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module

import numpy as np

import pullback.door as door
from pullback.door import as_tuple
from pullback.names import letters, long_names
from pullback.signature import Signature


@dataclass(frozen=True)
class Rule:
    """A differentiable function with its derivative in closed form.

    A rule keeps three kinds of data in three places: hyperparameters are fields of the (frozen) rule,
    arrays are arguments, and what the derivative needs from the forward pass is `saved`.

        forward(*inputs)                      -> output(s), saved
        jvp(*tangents, *saved)                -> tangent(s) of the output(s)       J t
        vjp(*gradients, *saved)               -> gradient(s) of the input(s)       Jᵀ g
        hvp(*gradients, *tangents, *saved)    -> how vjp(*gradients) moves         ∂(Jᵀ g) t
        jacobian(*saved)                      -> one Operator per input            J

    `jvp`, `vjp` and `hvp` see only what has a derivative: no tangent or gradient of an integer, in or out.
    Their parameter lists end in the same names: they are the memory that the rule keeps.
    A gradient that costs much may be given as a function without arguments, called if it is wanted.
    """

    signature = ""
    cases = ()  # what the tests try: axis sizes and hyperparameters
    kinks = ()  # inputs without a derivative; "ties" where equal inputs have none
    requires = ()  # conditions on axis sizes and hyperparameters, as text
    exempt = None  # an integer that inputs with a bound may hold all the same
    names = {}  # what the field calls the letters, where it is not in `NAMES`

    # What users call.

    def __call__(self, *inputs, **options):
        """The output(s) of the rule; keywords are inputs, or hyperparameters for this call."""
        return self.linearize(*inputs, **options)[0]

    def linearize(self, *inputs, **options):
        """Return the output(s) and the derivative at `inputs`, as a Linearization.

        Keywords are inputs, or hyperparameters for this call: `linear(x, w, b=b)`, `softmax(x, axis=0)`.
        """
        return door.linearize(self, inputs, options)

    # What a rule may define beyond its five methods.

    def suited(self, *inputs):
        """The rule that takes inputs of these shapes and dtypes: another one where they decide, as in cross_entropy."""
        return self

    def plan(self, *inputs):
        """What follows from the shapes and dtypes of the inputs (None: left out)."""
        return door.plan(self, inputs)

    def jacobian(self, *saved):
        """No structure is known: None, and the door makes an operator of jvp and vjp."""
        return None

    # For rules made of rules: the same without the checks, tuples in and out.

    def run(self, *inputs):
        output, saved = self.forward(*inputs)
        return as_tuple(output), saved

    def push(self, tangents, saved):
        return as_tuple(self.jvp(*tangents, *saved))

    def pull(self, gradients, saved):
        return tuple(g() if callable(g) else g for g in as_tuple(self.vjp(*gradients, *saved)))

    def bend(self, gradients, tangents, saved):
        return as_tuple(self.hvp(*gradients, *tangents, *saved))

    # What a rule says of itself.

    @cached_property
    def name(self):
        """The name under which the rule's own file keeps it."""
        home = vars(sys.modules[type(self).__module__])
        return next((name for name, item in home.items() if item is self), type(self).__name__)

    @cached_property
    def shapes(self):
        return Signature(self.signature)

    @property
    def inputs(self):
        return self.shapes.inputs

    @property
    def outputs(self):
        return self.shapes.outputs

    @cached_property
    def saves(self):
        """Names of what `forward` keeps for the derivative."""
        gradients = sum(slot.differentiable for slot in self.outputs)
        return tuple(inspect.signature(self.vjp).parameters)[gradients:]

    long_names = cached_property(long_names)
    letters = cached_property(letters)

    @cached_property
    def options(self):
        """Hyperparameters, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def sample(self, rng, **sizes):
        """Random inputs for tests."""
        return self.shapes.sample(self, rng, **sizes)

    def at(self, case):
        """A case, taken apart: the rule with its hyperparameters, and the axis sizes."""
        options = {k: v for k, v in case.items() if k in self.options}
        return door.configured(self, options), {k: v for k, v in case.items() if k not in options}

    def __reduce__(self):
        """A public rule is pickled as its name and hyperparameters, any other as its class and them."""
        module, name = type(self).__module__, self.name
        if type(public(module, name)) is type(self):
            return restored, (module, name, self.options)
        return type(self), tuple(self.options.values())


def public(module, name):
    return getattr(import_module(module), name, None)


def restored(module, name, options):
    return door.configured(public(module, name), options)


class Straight:
    """For rules that are linear in all their inputs together: the vjp does not move with the point."""

    def hvp(self, *args):
        gradients = args[: sum(slot.differentiable for slot in self.outputs)]
        saved = args[len(args) - len(self.saves) :]
        return tuple(np.zeros_like(g) for g in self.pull(gradients, saved))
