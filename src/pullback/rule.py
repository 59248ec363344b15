"""What a rule is."""

import inspect
import sys
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import pullback.door as door
from pullback.linearization import as_tuple
from pullback.names import letters, long_names
from pullback.signature import Signature, Slot


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
    Where no structure of the Jacobian is known, the door makes an operator of jvp and vjp.
    """

    signature: ClassVar[str] = ""
    cases: ClassVar[tuple[dict[str, Any], ...]] = ()  # what the tests try: axis sizes and hyperparameters
    kinks: ClassVar[Any] = ()  # inputs without a derivative; "ties" where equal inputs have none
    requires: ClassVar[tuple[str, ...]] = ()  # conditions on axis sizes and hyperparameters, as text
    logical: ClassVar[tuple[str, ...]] = ()  # constants whose booleans mean more than 0 and 1
    exempt: ClassVar[Any] = None  # an integer that inputs with a bound may hold all the same
    names: ClassVar[dict[str, str]] = {}  # what the field calls the letters, where it is not in `NAMES`

    if TYPE_CHECKING:  # the mathematics, which every rule defines

        def forward(self, *inputs: Any) -> Any: ...
        def jvp(self, *tangents_and_saved: Any) -> Any: ...
        def vjp(self, *gradients_and_saved: Any) -> Any: ...
        def hvp(self, *gradients_tangents_and_saved: Any) -> Any: ...

    # What users call.

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """The output(s) of the rule; keywords are inputs, or hyperparameters for this call."""
        return self.linearize(*inputs, **options)[0]

    linearize = door.linearize  # itself, for every call comes through here

    # What a rule may define beyond its five methods.

    def suited(self, *inputs: Any) -> "Rule":
        """The rule that takes inputs of these shapes and dtypes: another one where they decide, as in cross_entropy.

        It is asked with arrays, or with stand-ins that have a shape and a dtype; None is what was left out.
        """
        return self

    def plan(self, *inputs: Any) -> door.Plan:
        """What follows from the shapes and dtypes of the inputs (None: left out)."""
        return door.plan(self, inputs)

    def jacobian(self, *saved: Any) -> Any:
        """No structure is known: None, and the door makes an operator of jvp and vjp."""
        return None

    # For rules made of rules: the same without the checks, tuples in and out.

    def run(self, *inputs: Any) -> tuple[tuple[Any, ...], Any]:
        output, saved = self.forward(*inputs)
        return as_tuple(output), saved

    def push(self, tangents: Any, saved: Any) -> tuple[Any, ...]:
        return as_tuple(self.jvp(*tangents, *saved))

    def pull(self, gradients: Any, saved: Any) -> tuple[Any, ...]:
        return tuple(g() if callable(g) else g for g in as_tuple(self.vjp(*gradients, *saved)))

    def bend(self, gradients: Any, tangents: Any, saved: Any) -> tuple[Any, ...]:
        return as_tuple(self.hvp(*gradients, *tangents, *saved))

    # What a rule says of itself.

    @cached_property
    def name(self) -> str:
        """The name under which the rule's own file keeps it."""
        home = vars(sys.modules[type(self).__module__])
        return next((name for name, item in home.items() if item is self), type(self).__name__)

    @cached_property
    def shapes(self) -> Signature:
        return Signature(self.signature)

    @property
    def inputs(self) -> tuple[Slot, ...]:
        return self.shapes.inputs

    @property
    def outputs(self) -> tuple[Slot, ...]:
        return self.shapes.outputs

    @cached_property
    def saves(self) -> tuple[str, ...]:
        """Names of what `forward` keeps for the derivative."""
        gradients = sum(slot.differentiable for slot in self.outputs)
        return tuple(inspect.signature(self.vjp).parameters)[gradients:]

    long_names = cached_property(long_names)
    letters = cached_property(letters)

    @cached_property
    def variants(self) -> "dict[Any, Rule]":
        """What the door remembers of hyperparameters that it has met."""
        return {}

    @cached_property
    def plans(self) -> dict[Any, door.Plan]:
        """What the door remembers of shapes that it has met."""
        return {}

    @cached_property
    def options(self) -> dict[str, Any]:
        """Hyperparameters, by name: the fields, but for those that `repr` does not show."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.repr}

    def sample(self, rng: np.random.Generator, **sizes: Any) -> list[NDArray[Any] | None]:
        """Random inputs for tests."""
        return self.shapes.sample(self, rng, **sizes)

    def at(self, case: dict[str, Any]) -> tuple["Rule", dict[str, Any]]:
        """A case, taken apart: the rule with its hyperparameters, and the axis sizes."""
        options = {k: v for k, v in case.items() if k in self.options}
        return door.configured(self, options), {k: v for k, v in case.items() if k not in options}

    def __reduce__(self) -> tuple[Any, ...]:
        """A public rule is pickled as its name and hyperparameters, any other as its class and them."""
        module, name = type(self).__module__, self.name
        if type(public(module, name)) is type(self):
            return restored, (module, name, self.options)
        return type(self), tuple(getattr(self, f.name) for f in fields(self))


def public(module: str, name: str) -> Any:
    return getattr(import_module(module), name, None)


def restored(module: str, name: str, options: dict[str, Any]) -> Rule:
    return door.configured(public(module, name), options)


class Straight:
    """For rules that are linear in all their inputs together: the vjp does not move with the point."""

    if TYPE_CHECKING:
        outputs: tuple[Slot, ...]
        saves: tuple[str, ...]
        pull: Any

    def hvp(self, *args: Any) -> tuple[Any, ...]:
        gradients = args[: sum(slot.differentiable for slot in self.outputs)]
        saved = args[len(args) - len(self.saves) :]
        return tuple(np.zeros_like(g) for g in self.pull(gradients, saved))
