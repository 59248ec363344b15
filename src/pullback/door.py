"""The one door: what a user hands to a rule is checked here, and nowhere else.

What follows from shapes and dtypes alone is decided once and remembered as a Plan; a call looks it up. The bodies of
rules hold mathematics alone, and see arrays that fit.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from sys import float_info
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from pullback.errors import DtypeError, OptionError, RangeError, ShapeError, TooLargeError
from pullback.kernels import twins
from pullback.kernels.arrays import like
from pullback.linearization import Linearization, native
from pullback.room import described, refuse_uncountable
from pullback.sizes import Sizes

if TYPE_CHECKING:
    from pullback.rule import Rule
    from pullback.signature import Slot

Inputs = tuple[Any, ...]
Body = Callable[..., Any]

FLOATS = {np.dtype("f4"), np.dtype("f8")}
AXES = 64  # has an array at most
FARTHEST = 2**40  # an integer, so that NumPy has room for products of it and a size, in bytes
LARGEST = float_info.max
MEMO = 256  # shapes, and variants, that a rule remembers


class Plan(NamedTuple):
    """What the door knows about inputs of given shapes and dtypes."""

    rule: "Rule"  # the rule that does the work
    sizes: Sizes
    dtype: np.dtype[Any]
    tangents: list[Any]  # per input a zero (no memory behind it), or None if it has no derivative
    gradients: list[Any]  # per output the same
    has: list[bool]  # per input: was it given, and has it a derivative?
    defaults: list[Any]  # per input its value if it was left out
    ranges: list[Any]  # per input of integers the size that they must stay below, and the one integer excepted
    fill: tuple[Any, ...] = ()  # the defaults of inputs that were not given at the end
    forward: Body | None = None  # fast twins of the rule's methods
    jvp: Body | None = None
    vjp: Body | None = None
    saved: Body | None = None  # what the rule's methods need, where the twins keep something else
    work: list[Any] = []  # (index, slot, default, range) of what needs a look in every call

    def complete(self, given: Inputs) -> list[Any]:
        """Put in what was left out, check the range of integers, cast constants."""
        inputs = list(given)
        for i, slot, default, allowed in self.work:
            if inputs[i] is None:
                inputs[i] = default
            elif allowed is None:
                inputs[i] = cast(inputs[i], self.dtype)
            elif inputs[i].size and outside(inputs[i], allowed[0]):
                self.refuse_outside(inputs[i], slot, *allowed)
        return inputs

    def refuse_outside(self, x: NDArray[Any], slot: "Slot", top: int, exempt: int | None) -> None:
        wrong = x[(x != exempt) & ((x < 0) | (x >= top))]
        if wrong.size:
            allowed = (f"0 .. {top - 1}" if top else "nothing, for there are none") + (
                f" or {exempt}" if exempt is not None else ""
            )
            raise RangeError(f"{self.rule.name}: {slot} must lie in {allowed}, got {wrong.flat[0]}")


def cast(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """In memory that was used before: a mask is drawn anew for every step, and may be large."""
    y = like(x, dtype)
    y[...] = x
    return y


def outside(x: NDArray[Any], top: int) -> bool:
    """Is any integer negative, or not below the top? As unsigned numbers, the negative ones are the largest."""
    if x.view(f"u{x.itemsize}").max() >= top:
        return True
    return x.dtype.kind == "i" and top > 1 << (8 * x.itemsize - 1) and bool(x.min() < 0)


def linearize(rule: "Rule", /, *inputs: Any, **options: Any) -> tuple[Any, Linearization]:
    """Return the output(s) and the derivative at `inputs`, as a Linearization.

    It refers to the arrays that it was given, and to the output: they must not be overwritten while it is in use.
    Keywords are inputs, or hyperparameters for this call: `linear(x, w, b=b)`, `softmax(x, axis=0)`.
    """
    if options:
        try:
            rule = rule.variants[key_of(options)]
        except (KeyError, TypeError):  # new hyperparameters, or arrays by name
            rule, inputs = sorted_out(rule, inputs, options)
    key: tuple[Any, ...] = ()
    for x in inputs:  # in the open: a comprehension would be one call more
        key += (x.shape, x.dtype) if type(x) is ndarray else (x is None,)
    plan = rule.plans.get(key)
    if plan is None:
        given = inputs
        try:
            inputs = arrays(rule, given)
            plan = remembered(rule, inputs)
        except (ShapeError, DtypeError) as error:
            if by_name := keyword(rule, given):
                raise type(error)(f"{error}; hyperparameters are keywords, as in {by_name}") from None
            raise
        except MemoryError as error:
            raise too_large(rule, error) from None
    inputs += plan.fill
    if plan.work:
        inputs = tuple(plan.complete(inputs))
    try:
        output, kept = (plan.forward or plan.rule.forward)(*inputs)
    except MemoryError as error:
        raise too_large(plan.rule, error, plan.gradients) from None
    return output, Linearization(plan.rule, plan, kept)


def too_large(rule: "Rule", error: MemoryError, outputs: Sequence[Any] = ()) -> TooLargeError:
    """What memory does not hold may be an output, or something on the way to it: NumPy says how large that would be."""
    if isinstance(error, TooLargeError):
        return error
    pairs = [(slot.name, zero) for slot, zero in zip(rule.outputs, outputs) if zero is not None]
    would = [described(name, zero.shape, zero.itemsize) for name, zero in pairs]
    what = "; ".join([str(error) or "memory does not suffice", *would])
    return TooLargeError(f"{rule.name}: {what}; take fewer examples at a time, or smaller sizes")


# Keywords.


def sorted_out(rule: "Rule", inputs: Inputs, options: dict[str, Any]) -> tuple["Rule", Inputs]:
    """The rule with those keywords that are hyperparameters, and all inputs in order."""
    own = {name: value for name, value in options.items() if name in rule.options}
    rule = configured(rule, own)  # first, for they may decide which inputs there are
    named = {name: value for name, value in options.items() if name not in own}
    return rule, placed(rule, inputs, named) if named else inputs


def placed(rule: "Rule", inputs: Inputs, named: dict[str, Any]) -> Inputs:
    """All inputs in order, those that were given by name in their places."""
    if unknown := [name for name in named if name not in rule.letters]:
        raise no_such(rule, unknown[0])
    late = [slot.name for slot in rule.inputs[len(inputs) :]]
    given: dict[str, Any] = {}
    for name, value in named.items():
        letter = rule.letters[name]
        if letter not in late or letter in given:
            raise OptionError(f"{rule.name}: got {name!r} twice, by place or by another name; give it once")
        given[letter] = value
    return *inputs, *(given.get(letter) for letter in late)


def configured(rule: "Rule", options: dict[str, Any]) -> "Rule":
    """The rule with these hyperparameters; the same ones make the same rule, so that its plans are remembered."""
    if not options:
        return rule
    try:
        return rule.variants[key_of(options)]
    except (KeyError, TypeError):  # new, or a list, which does as well as a tuple
        options = {name: option(rule, name, value) for name, value in options.items()}
    try:
        twin = called(replace(rule, **options), rule.name)
    except OptionError as error:
        raise OptionError(f"{rule.name}: {error}") from None
    found: Rule = remember(rule.variants, key_of(options), twin)
    return found


def key_of(options: dict[str, Any]) -> tuple[Any, ...]:
    """What tells hyperparameters apart: True is not 1, nor is 1.0."""
    return tuple([(k, v, (*map(type, v),) if type(v) is tuple else type(v)) for k, v in options.items()])


def option(rule: "Rule", name: str, value: Any) -> Any:
    """The value of a hyperparameter, if it is of the type that the rule's field says."""
    if name not in rule.options:
        raise no_such(rule, name)
    value = tuple(value) if isinstance(value, list) else value.item() if isinstance(value, np.generic) else value
    said = get_type_hints(type(rule))[name]
    kinds = [get_origin(kind) or kind for kind in (get_args(said) if isinstance(said, UnionType) else [said])]
    number = type(value) is int and float in kinds
    fits = type(value) in kinds if isinstance(value, bool) else isinstance(value, tuple(kinds)) or number
    if not fits or isinstance(value, tuple) and not all(item is None or type(item) is int for item in value):
        words = {NoneType: "None", tuple: "tuple of whole numbers"}
        wanted = " or ".join(words.get(kind, kind.__name__) for kind in kinds)
        raise OptionError(f"{rule.name}: {name} must be {wanted}, got {value!r}")
    refuse_far(rule, name, value, AXES if name.endswith("axis") else LARGEST if float in kinds else FARTHEST)
    return value


def refuse_far(rule: "Rule", name: str, value: Any, top: int | float) -> None:
    """An axis that no array has, and an integer that NumPy has no room for."""
    for item in value if isinstance(value, tuple) else (value,):
        if type(item) is int and abs(item) > top:
            got = str(item) if item.bit_length() < 100 else f"an integer of {item.bit_length()} bits"
            raise OptionError(f"{rule.name}: {name} must lie between {-top:g} and {top:g}, got {got}")


def keyword(rule: "Rule", inputs: Inputs) -> str | None:
    """How to write the first number, word or tuple that stands where no array need stand, as in torch's calls."""
    needed = [not slot.default and slot.kind != "const" for slot in rule.inputs]
    for value, need in zip_longest(inputs, needed[: len(inputs)]):
        if not need and isinstance(value, bool | int | float | str | tuple | list):
            names = [name for name in rule.options if fits(rule, name, value)]
            names.sort(key=lambda name: type(value) is int and type(rule.options[name]) is float)
            return f"{names[0]}={value!r}" if names else None
    return None


def fits(rule: "Rule", name: str, value: Any) -> bool:
    try:
        option(rule, name, value)
    except OptionError:
        return False
    return True


def no_such(rule: "Rule", name: str) -> OptionError:
    has = ", ".join(rule.options) or "no hyperparameters"
    takes = ", ".join(slot.name for slot in rule.inputs)
    here = " (PyTorch's dim is axis here)" if name in ("dim", "keepdim") else ""
    return OptionError(f"{rule.name} has no {name!r}{here}; it has {has}, and takes {takes}")


def called(rule: "Rule", name: str) -> "Rule":
    """The rule under the name by which the user knows it."""
    rule.__dict__["name"] = name
    return rule


# Arrays.


def arrays(rule: "Rule", inputs: Inputs) -> Inputs:
    """Arrays out of what was given; plain numbers and lists take the floating dtype that stands beside them."""
    found: Inputs = tuple([x if x is None else array(rule, x) for x in inputs])
    kinds = [slot.kind for slot in suited(rule, found).inputs]
    beside = [a.dtype for x, a, kind in zip(inputs, found, kinds) if hasattr(x, "dtype") and not kind]
    beside = [dtype for dtype in beside if dtype in FLOATS]
    dtype = beside[0] if beside else np.dtype(float)
    plain = lambda x, a, kind: kind == "" and a.dtype.kind in "biuf" and not hasattr(x, "dtype")
    casts = [a is not None and plain(x, a, kind) for x, a, kind in zip(inputs, found, kinds)]
    return tuple([a.astype(dtype) if cast else a for a, cast in zip(found, casts)]) + found[len(casts) :]


def array(rule: "Rule", x: Any) -> NDArray[Any]:
    try:
        return native(rule.name, x)
    except ValueError:
        raise ShapeError(f"{rule.name}: a list is ragged; arrays need rows of one length") from None


# Plans.


def remembered(rule: "Rule", inputs: Inputs) -> Plan:
    """The plan for arrays of these shapes and dtypes, from memory if it is there."""
    key: tuple[Any, ...] = ()
    for x in inputs:
        key += (True,) if x is None else (x.shape, x.dtype)
    if key in rule.plans:
        return rule.plans[key]
    found = rule.plan(*inputs)
    called(found.rule, rule.name)
    notes = zip(range(len(inputs)), found.rule.inputs, inputs, found.defaults, found.ranges)
    odd = lambda slot, x: slot.kind == "const" and x.dtype != found.dtype and not keeps(found.rule, slot, x)
    work = [(i, slot, d, range) for i, slot, x, d, range in notes if x is None or range or odd(slot, x)]
    missing = [None] * (len(found.has) - len(inputs))
    fast: dict[str, Any] = twins(found.rule, (*inputs, *missing)) if found.dtype == np.float32 else {}
    found = found._replace(fill=tuple(found.defaults[len(inputs) :]), work=work, **fast)
    remember(rule.plans, key, found)
    return found


def keeps(rule: "Rule", slot: "Slot", x: NDArray[Any]) -> bool:
    """Does a constant stay what it is, since its booleans say something else than 0 and 1?"""
    return x.dtype == bool and slot.name in rule.logical


def plan(rule: "Rule", inputs: Inputs) -> Plan:
    """Check shapes and dtypes (None: left out), and decide what follows from them."""
    rule = suited(rule, inputs)
    dtype = common_dtype(rule, inputs)
    shapes: list[tuple[int, ...] | None] = [None if x is None else x.shape for x in inputs]
    sizes = rule.shapes.bind(rule, shapes)
    shapes += [None] * (len(rule.inputs) - len(shapes))

    def fill(slot: "Slot", value: Any, dtype: Any) -> NDArray[Any]:
        shape = sizes.shape(slot)
        refuse_uncountable(rule.name, slot.name, shape, np.dtype(dtype).itemsize)
        return np.broadcast_to(np.asarray(value, dtype), shape)

    def zeros(slots: Sequence["Slot"]) -> list[Any]:
        return [fill(slot, 0, dtype) if slot.differentiable else None for slot in slots]

    def default(slot: "Slot") -> NDArray[Any]:
        return fill(slot, sizes.value(slot.default), int if slot.kind == "int" else dtype)

    def allowed(slot: "Slot") -> tuple[int, int | None] | None:
        return (sizes.value(slot.most), rule.exempt) if slot.kind == "int" and slot.most else None

    return Plan(
        rule, sizes, dtype,
        tangents=zeros(rule.inputs),
        gradients=zeros(rule.outputs),
        has=[slot.differentiable and shape is not None for slot, shape in zip(rule.inputs, shapes)],
        defaults=[default(slot) if shape is None else None for slot, shape in zip(rule.inputs, shapes)],
        ranges=[allowed(slot) for slot in rule.inputs],
    )  # fmt: skip


def suited(rule: "Rule", inputs: Inputs) -> "Rule":
    """The rule that takes inputs of these dtypes and dimensions; None stands for what was left out."""
    missing = len(rule.inputs) - len(inputs)
    return rule if missing < 0 else called(rule.suited(*inputs, *[None] * missing), rule.name)


def common_dtype(rule: "Rule", inputs: Inputs) -> np.dtype[Any]:
    """The one dtype of all differentiable inputs: float32 or float64."""
    found = {}
    for slot, x in zip(rule.inputs, inputs):
        if x is None:
            continue
        if slot.kind == "int" and x.dtype.kind not in "iu":
            advice = f"; convert it, as with {slot.name}.astype(int)" if x.dtype.kind in "bf" else ""
            raise DtypeError(f"{rule.name}: {slot.name} must be integers, got {x.dtype}{advice}")
        if slot.kind == "const" and x.dtype.kind not in "biuf":
            raise DtypeError(f"{rule.name}: {slot.name} must be numbers or booleans, got {x.dtype}")
        if slot.differentiable:
            found[slot.name] = x.dtype
            if x.dtype not in FLOATS:
                advice = f"; convert it, as with {slot.name}.astype(float)" if x.dtype.kind in "biuf" else ""
                raise DtypeError(f"{rule.name}: {slot.name} is {x.dtype}, needs float32 or float64{advice}")
    if len(set(found.values())) > 1:
        given = ", ".join(f"{name} is {dtype}" for name, dtype in found.items())
        name, *_ = found
        other = next(dtype for dtype in found.values() if dtype != found[name])
        advice = f"convert, as with {name}.astype('{other}')"
        raise DtypeError(f"{rule.name}: needs float32 or float64, one for all; {given}; {advice}")
    return next(iter(found.values()), np.dtype(float))


def remember(memo: dict[Any, Any], key: Any, value: Any) -> Any:
    if len(memo) >= MEMO:
        memo.clear()
    return memo.setdefault(key, value)
