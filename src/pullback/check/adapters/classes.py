"""Classes with `forward` and `backward`. Parameters and their gradients are attributes, as W and dW, params and grads.

layer = Affine(w, b)
y = layer.forward(x)            # or None, and layer.output
dx = layer.backward(dy)         # and layer.dW, layer.db, or layer.grads["W"], or layer.W.grad
"""

import copy
import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters.above import takes_several
from pullback.check.adapters.arguments import Leaf, names_of
from pullback.check.adapters.binding import STEP_SIZE, Binding, by_names, in_order
from pullback.check.adapters.code import (
    METHODS,
    Adapted,
    Code,
    StyleError,
    contained,
    guarded,
    outputs,
    scaled,
    several,
)
from pullback.check.adapters.containers import attributes
from pullback.check.adapters.gradients import assigned, bare, by_shape, parts
from pullback.check.adapters.handing import handed
from pullback.check.adapters.holders import Path, gradients_of_parameters, is_float, look, paths, put
from pullback.check.adapters.owners import settle
from pullback.check.adapters.unnamed import unnamed

LOOKS = "an object with the methods forward and backward"
INPUTS = "inputs", "input", "x", "X"
CLEAR = "zero_grad", "zero_grads", "zero_gradients", "reset_gradients", "clear_gradients", "flush_gradients"
OUTPUTS = "output", "out", "outputs", "y"
VALUES = {*INPUTS, "z", "Z", "v", "net"}  # what a slope calls the place where it is wanted
RUNNING = re.compile("running|moving|mean|var", re.IGNORECASE)
ANY = 99  # outputs, where their number is not known


def recognise(code: Code) -> Adapted | None:
    held: Held | None
    if code.backward is not None:
        held = of_one_object(code)
    else:
        methods = next((pair for pair in METHODS if all(has(code.forward, method) for method in pair)), None)
        if methods is None:
            return None
        code = Code(made(code), None, code.arguments.values)
        held = Held(code.forward, code, *methods)
    if held is None:
        return None
    settle(held.code, held.forward, held.backward, *held.parameters)
    adapted = code.adapted(held.forward, held.backward, *held.parameters)
    still = guarded(partial(held.backward, step=0.0)) if held.binding.count("step") else None
    return adapted._replace(again=guarded(held.again), anew=True, silent=tuple(map(dotted, held.silent)), still=still)


def of_one_object(code: Code) -> "Held | None":
    """`layer.forward, layer.backward`: what backward is not given, the layer remembers."""
    forward, backward = code.forward, code.backward
    if not (isinstance(forward, MethodType) and isinstance(backward, MethodType)):
        return None
    layer = forward.__self__
    if layer is not backward.__self__ or isinstance(layer, type):
        return None
    given = len(code.arguments.values)
    binding = by_names(backward, forward, given, ANY)
    alone = given == 1 and len(names_of(backward)) == 1  # the gradient from above, or the place of a slope
    again = binding is not None and binding.count("input") > 0
    if binding and binding.count("cache") or again and not alone:
        return None
    if alone and (again or set(names_of(backward)) <= VALUES) and not remembers(layer, code):
        return None  # a slope: it knows no more than what it is given
    return Held(layer, code, forward.__name__, backward.__name__)


def remembers(layer: Any, code: Code) -> bool:
    """Does forward leave something behind in the layer?"""
    layer = copy.deepcopy(layer)
    before = dict(paths(layer))
    numbers = {path: value.copy() for path, value in before.items() if isinstance(value, np.ndarray)}
    code.tried(code.name, lambda: getattr(layer, code.forward.__name__)(*code.filled(code.arguments.example())))
    after = dict(paths(layer))
    same = before.keys() == after.keys() and all(after[path] is value for path, value in before.items())
    return not (same and all(np.array_equal(after[path], value) for path, value in numbers.items()))


def has(layer: Any, method: str) -> bool:
    return callable(getattr(layer, method, None))


def made(code: Code) -> Any:
    """An object; a class is called without arguments."""
    layer = code.forward
    if not isinstance(layer, type):
        return layer
    needed = [p.name for p in inspect.signature(layer).parameters.values() if p.default is p.empty and p.kind < 2]
    if needed:
        raise StyleError(
            f"{layer.__name__} is a class that needs {', '.join(needed)}: give an object instead, {layer.__name__}(...)"
        )
    try:
        with contained():
            return layer()
    except Exception as error:
        raise StyleError(f"{layer.__name__}() raises {type(error).__name__}: {error}") from error


def cleared(layer: Any) -> Any:
    """The layer, told to forget its last run if it has a method for that."""
    for method in CLEAR:
        if has(layer, method):
            getattr(layer, method)()
    return layer


class Run(NamedTuple):
    """A copy of a layer after its forward, the output, and the cache if forward gives one."""

    layer: Any
    output: tuple[Any, ...]
    cache: Any


class Held:
    """A layer whose parameters are inputs like any other. Every run has a copy of its own: what a layer remembers from
    earlier runs, and whether it adds to its gradients or overwrites them, makes no difference."""

    def __init__(self, layer: Any, code: Code, forward: str, backward: str) -> None:
        self.layer, self.code = layer, code
        self.method, self.way_back = forward, backward
        self.slots: dict[Path, Path | None] = {}  # parameter -> its gradient; None where backward returns it
        self.places: dict[tuple[int, Path], list[Path]] = {}  # of a parameter's array in a layer, all of them
        example = code.arguments.example()
        named = by_names(getattr(layer, backward), getattr(layer, forward), len(code.arguments.values), ANY)
        self.cached = named is not None and named.count("cache") > 0
        used, output, cache = run = code.tried(f"{type(layer).__name__}.{forward}", lambda: self.ran(example))
        self.binding, after, found = self.first_that_runs(run, example)
        self.slots = self.parameters_of(after, example, found)
        self.parameters = [Leaf(dotted(p), p, look(after, p).copy()) for p in self.slots]
        self.mean = not self.binding.takes_gradients and output[0].ndim == 1 and len(example) > 1
        if any(look(layer, parameter) is None for parameter in self.slots):  # the first run made them
            self.layer = cleared(used)
        self.silent = list(self.moving())
        found = unnamed(self, self.silent) if self.silent and not self.binding.count("step") else {}
        self.parameters += [Leaf(dotted(p), p, look(self.layer, p).copy()) for p in found]
        self.slots |= found
        self.silent = [path for path in self.silent if path not in found]

    def first_that_runs(self, run: Run, example: Sequence[Any]) -> tuple[Binding, Any, Any]:
        """A way to call backward, the layer after that, and what it gave; None if it does not run, which is not for us
        to judge."""
        above = [np.ones_like(y) for y in run.output]
        bindings = self.bindings(len(run.output))
        for binding in bindings:
            self.binding, after = binding, self.after(run, example)
            with suppress(Exception), contained(), self.code.dice.watched():
                return binding, after, self.went_back(run._replace(layer=after), above, example)
        return bindings[0], run.layer, None

    def after(self, run: Run, example: Sequence[Any]) -> Any:
        """A copy of the layer after its run; of one that holds what cannot be copied, a generator say, another run."""
        with suppress(TypeError):
            return copy.deepcopy(run.layer)
        return self.ran(example).layer

    def bindings(self, count: int) -> list[Binding]:
        """What backward may take: what its parameters' names say, gradients of the outputs, or the inputs again."""
        backward, given = getattr(self.layer, self.way_back), len(self.code.arguments.values)
        forward = getattr(self.layer, self.method)
        takes = names_of(backward)
        if not takes:
            return [Binding(())]
        named = by_names(backward, forward, given, count + 1)
        if given == len(takes) == 1 and named and named.count("input"):
            named = None  # `backward(x)` of an object that remembers x itself: what comes from above
        above = Binding(in_order(backward, forward, count))
        again = [Binding(tuple(("input", k) for k in range(given)))] if len(takes) == given > 1 else []
        first = named or above
        if count == 1 or first.count("cotangent") != 1:
            return [first, *again]
        ways = [first, first.in_a_tuple]
        return [*(ways[::-1] if takes_several(backward, first.place, count) else ways), *again]

    def parameters_of(self, layer: Any, example: Sequence[Any], found: Any) -> dict[Path, Path | None]:
        """Parameters by the names of their gradients, or in the order of those that backward returned."""
        if found is None:
            return {}
        named = gradients_of_parameters(layer, before=self.layer)
        named = {p: g for p, g in named.items() if not is_one_of(look(layer, p), example) and self.stays(layer, p)}
        extra = [gradient for _, gradient in parts(found)][len(self.code.arguments.leaves) :]
        if named or not extra:
            return dict(named)
        arrays = [
            Leaf("", path, value) for path, value in paths(layer) if is_float(value) and not is_one_of(value, example)
        ]
        return {arrays[k].path: None for k in by_shape(extra, arrays, range(len(arrays)))}

    def stays(self, layer: Any, parameter: Path) -> bool:
        """Was it there before the first run, or did that make it once and for all? Else it is a value on the way, such
        as Z beside dZ: forward with other inputs makes another."""
        if is_float(look(self.layer, parameter)):
            return True
        value = look(layer, parameter).copy()
        again = self.after(Run(layer, (), None), self.code.arguments.example())
        with suppress(Exception), contained(), self.code.dice():
            other = [x + 0.5 if x.dtype.kind == "f" else x for x in self.code.arguments.example()]
            getattr(again, self.method)(*self.code.filled(other))
        return np.array_equal(look(again, parameter), value)

    @property
    def given(self) -> list[Any]:
        """The example, and the parameters."""
        return [*self.code.arguments.example(), *(leaf.value for leaf in self.parameters)]

    def moving(self) -> Iterator[Path]:
        """Arrays that forward moves with and that have no gradient here, but for statistics that run along."""
        given = self.given
        known = [each for slot in self.slots.items() for each in slot if each]
        for path, value in paths(self.layer):
            other = is_float(value) and not any(value is look(self.layer, each) for each in known)
            if other and not RUNNING.search(str(path[-1])):
                with suppress(Exception), contained(), np.errstate(all="ignore"):  # it takes these numbers alone
                    layer = copy.deepcopy(self.layer)
                    put(layer, path, value + 0.01 * (1 + abs(value)))
                    pairs = zip(self.ran(given).output, self.ran(given, layer).output)
                    if not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
                        yield path

    def ran(self, inputs: Sequence[Any], layer: Any = None) -> Run:
        """The forward of a copy, or of a layer that has run before."""
        own = len(self.code.arguments.leaves)
        fresh = layer is None
        layer = copy.deepcopy(self.layer) if fresh else layer
        for option, value in self.code.changed.items():
            setattr(layer, option, value)
        for parameter, value in zip(self.slots, inputs[own:], strict=True):
            for path in self.shared(parameter) if fresh else places_of(look(layer, parameter), layer):
                put(layer, path, value)
        with self.code.dice():
            output, cache = getattr(layer, self.method)(*self.code.filled(inputs[:own])), None
        if self.cached and several(output) and len(output) > 1:
            *output, cache = output
            output = tuple(output)
        kept = (look(layer, (name,)) for name in OUTPUTS)
        return Run(layer, outputs(next((y for y in kept if y is not None), None) if output is None else output), cache)

    def shared(self, parameter: Path) -> list[Path]:
        """Where the array of a parameter stands in the layer; a copy has it in the same places."""
        key = id(self.layer), parameter
        if key not in self.places:
            self.places[key] = places_of(look(self.layer, parameter), self.layer)
        return self.places[key]

    def went_back(self, run: Run, cotangents: Sequence[Any], inputs: Sequence[Any], step: float = STEP_SIZE) -> Any:
        layer, output, cache = handed({"self": run.layer, "output": run.output, "cache": run.cache}).values()
        given = dict(cotangent=self.code.lifted(cotangents), output=output, input=self.code.filled(inputs))
        found = getattr(layer, self.way_back)(*self.binding.arguments(**given, cache=[cache], step=[step]))
        return self.kept_gradients(layer) if found is None else found

    def kept_gradients(self, layer: Any) -> tuple[Any, ...]:
        """Gradients of the inputs that backward did not return: attributes such as dinputs or dx."""
        names = [leaf.name for leaf in self.code.arguments.leaves]
        found = {name: value for key, value in attributes(layer).items() for name in bare(key)}
        return tuple(found[name] for name in dict.fromkeys((*names, *INPUTS)) if name in found)

    def forward(self, *inputs: Any) -> tuple[Any, ...]:
        """The outputs whose gradients backward takes; of a loss of every example, whose backward gives the gradient of
        the mean, the mean."""
        output = self.ran(inputs).output[: self.binding.count("cotangent") or None]
        return (np.asarray(np.mean(output[0])),) if self.mean else output

    def backward(self, cotangents: Sequence[Any], inputs: Sequence[Any], step: float = STEP_SIZE) -> tuple[Any, ...]:
        own = self.code.arguments.leaves
        run = self.ran(inputs)
        found = self.went_back(run, cotangents, inputs[: len(own)], step)
        gradients = assigned(found, own)
        if len(gradients) > len(own):  # dx, dW, db
            gradients = assigned(found, [*own, *self.parameters])
        else:
            gradients = *gradients, *(self.gradient(run.layer, slot) for slot in self.slots.items())
        return gradients if self.binding.takes_gradients else scaled(gradients, cotangents)

    def again(self, cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        """The gradients of the inputs from the second run of one object, after one with the same numbers in another
        order; none where its forward moves on itself. Those of parameters may be added to the first ones."""
        own = self.code.arguments.leaves
        before = [np.flip(x).copy() if x.dtype.kind == "f" else x for x in inputs[: len(own)]]
        first = self.ran([*before, *inputs[len(own) :]])
        self.went_back(first, [np.array(g) for g in cotangents], before)
        second = self.ran(inputs, cleared(first.layer))
        if not all(np.array_equal(a, b) for a, b in zip(self.ran(inputs).output, second.output)):
            return (None,) * len(inputs)
        found = assigned(self.went_back(second, cotangents, inputs[: len(own)]), own)[: len(own)]
        found = found if self.binding.takes_gradients else scaled(found, cotangents)
        return *found, *(None,) * len(self.parameters)

    def gradient(self, layer: Any, slot: tuple[Path, Path | None]) -> Any:
        """That of a parameter; of a bias with an axis of one more or less than it, with the same axes."""
        parameter, place = slot
        if place is None:
            return None
        found, like = look(layer, place), np.shape(look(layer, parameter))
        loose = lambda shape: [n for n in shape if n > 1]
        same = loose(np.shape(found)) == loose(like) and found is not None
        return np.reshape(found, like) if same and np.shape(found) != like else found


def places_of(array: Any, layer: Any) -> list[Path]:
    return [path for path, other in paths(layer) if other is array]


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


def is_one_of(value: Any, arrays: Sequence[Any]) -> bool:
    return any(value is each or np.array_equal(value, each) for each in arrays)
