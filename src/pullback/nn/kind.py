"""A kind of layer: a row of the table that says how torch.nn's arguments become a rule with parameters."""

import inspect
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pullback.discovery import find
from pullback.door import configured
from pullback.errors import OptionError
from pullback.expressions import evaluate
from pullback.nn import initialisation
from pullback.nn.layer import Layer
from pullback.sizes import Sizes

NEEDED = inspect.Parameter.empty  # an argument without a default


class axis(NamedTuple):
    """An argument that is the size of an axis of the rule; `shared` divides it among groups."""

    letter: str
    shared: str = ""


class fan(NamedTuple):
    """Where PyTorch lets parameters start: uniform in ±1/sqrt(fan), an expression over the axes of the rule."""

    text: str


SWITCHES = {  # arguments that leave parameters out, by their letters
    "bias": lambda letter: letter[0] == "b",
    "affine": lambda letter: True,
    "elementwise_affine": lambda letter: True,
}


class Kind:
    """One row. `Kind("linear", fan("i"), in_features=axis("i"), out_features=axis("o"), bias=True)` says:

    the rule; where its weights start; and the arguments in torch.nn's order with their defaults. An argument is the
    size of an axis, or a switch that leaves parameters out, or the hyperparameter of the rule that has its name.
    `finish(layer, **rest)` may put something around the layer, and takes the arguments that the rule does not know.

    Every layer also takes `init`, a function `init(shape, rng=rng)` or a number, for what is called weight (biases
    start as ever), and `rng`, a seed or a NumPy Generator.
    """

    name = "?"  # under which the table keeps it

    def __init__(self, rule, start=None, finish=None, **arguments):
        self.rule_name, self.start, self.finish, self.table = rule, start, finish, arguments

    @cached_property
    def rule(self):
        return find(self.rule_name)

    @cached_property
    def arguments(self):
        """Name -> axis, default or NEEDED. A row without any takes the hyperparameters of its rule."""
        own = {name: value for name, value in self.rule.options.items() if name != "kink"}
        return self.table or own | {name: self.rule.options[name] for name in ("kink",) if name in self.rule.options}

    @cached_property
    def axes(self):
        return {name: value for name, value in self.arguments.items() if isinstance(value, axis)}

    @cached_property
    def __signature__(self):
        default = lambda name, value: NEEDED if name in self.axes else value
        place, word = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        own = [inspect.Parameter(name, place, default=default(name, v)) for name, v in self.arguments.items()]
        return inspect.Signature([*own, *(inspect.Parameter(name, word, default=None) for name in ("init", "rng"))])

    def __repr__(self):
        return f"nn.{self.name}"

    def __call__(self, *args, **kwargs):
        given = self.bind(args, kwargs)
        init, rng = given.pop("init"), given.pop("rng")
        rest = {name: v for name, v in given.items() if not self.known(name)}
        rule = configured(self.rule, {name: v for name, v in given.items() if name in self.rule.options})
        learning = configured(rule, {"training": True} if "training" in rule.options else {})
        off = self.left_out(rule, given)
        owned = [slot for slot in (*rule.shapes.params, *states(learning)) if slot.name not in off]
        start = self.beginning(rule, owned, self.sizes(rule, given), init)
        layer = Layer(rule, start, learning, self.name, rng)
        return self.finish(layer, **rest) if self.finish else layer

    def known(self, name):
        return name in self.axes or name in SWITCHES or name in self.rule.options

    def bind(self, args, kwargs):
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise OptionError(f"{self.name}: {error}; it takes {', '.join(self.__signature__.parameters)}") from None
        bound.apply_defaults()
        return {name: tuple(v) if isinstance(v, list) else v for name, v in bound.arguments.items()}

    def sizes(self, rule, given):
        """The sizes of the axes that arguments give; one number will do for all axes of a group."""
        sizes = {}
        for name, (letter, shared) in self.axes.items():
            size = given[name]
            if not all(map(whole, size if isinstance(size, tuple) else (size,))):
                raise OptionError(f"{self.name}: {name} must be a whole number, 0 or more; got {size!r}")
            if shared and size % given[shared]:
                raise OptionError(f"{self.name}: {name}={size} cannot be divided among {shared}={given[shared]}")
            grouped = any(f"*{letter}" in slot.axes for slot in rule.inputs)
            size = size // given[shared] if shared else size
            sizes[letter] = (size,) * rule.dims if grouped and whole(size) else size
        return Sizes(rule, sizes)

    def left_out(self, rule, given):
        """Letters of parameters that are switched off."""
        off = [SWITCHES[name] for name in SWITCHES if given.get(name) is False]
        return {slot.name for slot in rule.shapes.params if any(switch(slot.name) for switch in off)}

    def beginning(self, rule, owned, sizes, init):
        """How to draw the arrays that a layer owns."""
        name = lambda slot: rule.long_names[slot.name]

        def start(rng):
            choose = lambda slot: self.start if init is None or not name(slot).startswith("weight") else init
            return {name(slot): first(choose(slot), slot, sizes, rng) for slot in owned}

        return start


def first(how, slot, sizes, rng):
    """The array that a parameter starts as; what the signature says for one left out (w=1, b=0), if nothing else."""
    shape = sizes.shape(slot)
    if isinstance(how, fan):
        bound = max(evaluate(how.text, sizes), 1) ** -0.5
        return initialisation.uniform(shape, -bound, bound, rng)
    if callable(how):
        return how(shape, rng=rng).astype(np.float32)
    return initialisation.constant(shape, float(slot.default) if how is None else how)


def states(rule):
    """Running statistics: constants that come back as outputs, m as m1."""
    outputs = {slot.name for slot in rule.outputs}
    return [slot for slot in rule.shapes.data if slot.kind == "const" and f"{slot.name}1" in outputs]


def whole(n):
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0
