"""A kind of layer: a row of the table that says how torch.nn's arguments become a rule with parameters."""

import inspect
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from pullback.discovery import find
from pullback.door import configured
from pullback.errors import OptionError, TooLargeError
from pullback.expressions import evaluate
from pullback.nn import initialisation
from pullback.nn.derivative import Arrays
from pullback.nn.layer import Layer, Start
from pullback.nn.model import Model
from pullback.room import refuse_uncountable
from pullback.rule import Rule
from pullback.signature import Slot, require
from pullback.sizes import Sizes

NEEDED = inspect.Parameter.empty  # an argument without a default


class axis(NamedTuple):
    """An argument that is the size of an axis of the rule; `shared` names the groups that it is divided among."""

    letter: str
    shared: str = ""
    default: Any = NEEDED


class fan(NamedTuple):
    """Where PyTorch lets parameters start: uniform in ±1/sqrt(fan), an expression over the axes of the rule."""

    text: str


SWITCHES: dict[str, Callable[[str], bool]] = {  # arguments that leave parameters out, told by their letters
    "bias": lambda letter: letter.startswith("b"),
    "affine": lambda letter: True,
    "elementwise_affine": lambda letter: True,
}


class Kind:
    """One row. `Linear = Kind("linear", fan("i"), in_features=axis("i"), out_features=axis("o"), bias=True)` says:

    the rule; where its parameters start (a `fan`, a number, a function; else the signature says it: `w[n]=1`); and the
    arguments in torch.nn's order with their defaults. An argument is the size of an axis, or a switch that leaves
    parameters out, or the hyperparameter of the rule that has its name; `finish(layer, **rest)` takes the others, and
    gives the layer what a rule alone does not say.

    Every layer also takes `init`, a function such as `nn.init.xavier_uniform` or a number, for what is called weight
    (biases start as ever), and `rng`, a seed or a NumPy Generator.
    """

    name = "Kind"  # the table calls it by its own

    def __init__(self, rule: str, start: Any = None, finish: Callable[..., Model] | None = None, **table: Any) -> None:
        self.rule_name, self.start, self.finish, self.table = rule, start, finish, table

    def __repr__(self) -> str:
        return f"nn.{self.name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = self.bind(args, kwargs)
        init, rng = given.pop("init"), given.pop("rng")
        rule = configured(self.rule, {name: value for name, value in given.items() if name in self.rule.options})
        sizes = self.sizes(rule, given)
        learning = configured(rule, {"training": True} if "training" in rule.options else {})
        owned = [*self.kept(rule, given), *states(learning)]
        for slot in owned:
            refuse_uncountable(self.name, rule.long_names[slot.name], sizes.shape(slot), np.dtype(float).itemsize)
        start = self.beginning(rule, owned, sizes, init)
        try:
            layer = Layer(rule, start, learning, self.name, rng)
        except MemoryError as error:
            raise TooLargeError(f"{self.name}: {error}; choose smaller sizes") from None
        require(rule, sizes)  # what the input is not needed for
        rest = {name: value for name, value in given.items() if not self.understood(name)}
        made = self.finish(layer, **rest) if self.finish else layer
        made.given = {name: value for name, value in given.items() if value != self.default(name)}
        return made

    @cached_property
    def rule(self) -> Rule:
        found = find(self.rule_name)
        assert found is not None, f"{self.name} needs the rule {self.rule_name}"
        return found

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Name -> axis, default or NEEDED. A row that has none takes the hyperparameters of its rule, `kink` last."""
        own = self.rule.options
        return self.table or {name: own[name] for name in sorted(own, key=lambda name: name == "kink")}

    @cached_property
    def axes(self) -> dict[str, axis]:
        return {name: value for name, value in self.arguments.items() if isinstance(value, axis)}

    def understood(self, name: str) -> bool:
        return name in self.axes or name in SWITCHES or name in self.rule.options

    def default(self, name: str) -> Any:
        return self.axes[name].default if name in self.axes else self.arguments[name]

    @cached_property
    def __signature__(self) -> inspect.Signature:
        place, word = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        own = [inspect.Parameter(name, place, default=self.default(name)) for name in self.arguments]
        return inspect.Signature([*own, *(inspect.Parameter(name, word, default=None) for name in ("init", "rng"))])

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """All arguments by name."""
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise OptionError(f"{self.name}: {error}; it takes {', '.join(self.__signature__.parameters)}") from None
        bound.apply_defaults()
        for name in bound.arguments.keys() & SWITCHES:
            if not isinstance(bound.arguments[name], bool):
                raise OptionError(f"{self.name}: {name} must be True or False; got {bound.arguments[name]!r}")
        return {name: tuple(value) if isinstance(value, list) else value for name, value in bound.arguments.items()}

    def sizes(self, rule: Rule, given: dict[str, Any]) -> Sizes:
        """The sizes of the axes that arguments give."""
        sizes = Sizes(rule)
        for name, (letter, shared, _) in self.axes.items():
            size = self.size(rule, name, letter, given[name])
            sizes[letter] = self.divided(name, size, given[shared], shared) if shared else size
        return sizes

    def size(self, rule: Rule, name: str, letter: str, size: Any) -> Any:
        """That of one axis, or of a group of axes, for all of which one number will do."""
        dims: int = vars(rule)["dims"] if any(f"*{letter}" in slot.axes for slot in rule.inputs) else 0
        if dims and whole(size):
            size = (size,) * dims
        many = isinstance(size, tuple) and all(map(whole, size)) and (len(size) == dims or name in rule.options)
        if not many and not (whole(size) and not dims):
            wanted = f"a whole number, or {dims} of them" if dims else "a whole number"
            raise OptionError(f"{self.name}: {name} must be {wanted}; got {size!r}")
        return size

    def divided(self, name: str, size: int, groups: int, shared: str) -> int:
        if not whole(groups) or groups < 1 or size % groups:
            raise OptionError(f"{self.name}: {name}={size} cannot be divided among {shared}={groups!r}")
        return size // groups

    def kept(self, rule: Rule, given: dict[str, Any]) -> list[Slot]:
        """The parameters that are not switched off."""
        off = [leaves_out for name, leaves_out in SWITCHES.items() if not given.get(name, True)]
        return [slot for slot in rule.shapes.params if not any(leaves_out(slot.name) for leaves_out in off)]

    def beginning(self, rule: Rule, owned: list[Slot], sizes: Sizes, init: Any) -> Start:
        """How to draw the arrays that a layer owns."""
        names = rule.long_names
        how = lambda slot: self.start if init is None or not names[slot.name].startswith("weight") else init
        return partial(drawn, {names[slot.name]: (how(slot), slot) for slot in owned}, sizes)


def drawn(owned: dict[str, tuple[Any, Slot]], sizes: Sizes, rng: np.random.Generator) -> Arrays:
    """The arrays that a layer starts with: of each, how it is drawn, and what it is in the rule."""
    return {name: first(how, slot, sizes, rng) for name, (how, slot) in owned.items()}


def first(how: Any, slot: Slot, sizes: Sizes, rng: np.random.Generator) -> Any:
    """The array that a parameter starts as."""
    shape = sizes.shape(slot)
    if isinstance(how, fan):
        bound = max(evaluate(how.text, sizes), 1) ** -0.5
        return initialisation.uniform(shape, -bound, bound, rng)
    if callable(how):
        return np.asarray(how(shape, rng=rng), np.float32)
    return initialisation.constant(shape, float(slot.default) if how is None else how)


def states(rule: Rule) -> list[Slot]:
    """Running statistics: constants that come back as outputs, m as m1."""
    outputs = {slot.name for slot in rule.outputs}
    return [slot for slot in rule.shapes.data if slot.kind == "const" and f"{slot.name}1" in outputs]


def whole(n: Any) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and bool(n >= 0)
