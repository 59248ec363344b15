"""The arrays that an object holds: where they are, how to put others there, and which is the gradient of which."""

from collections.abc import Callable, Iterator
from itertools import product
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from pullback.check.adapters.containers import attributes
from pullback.check.adapters.gradients import bare

Path = tuple[Any, ...]  # from the object: names of attributes, keys of dicts, numbers in lists
Pairs = list[tuple[Any, Any]]
DEPTH = 4

GRADIENT = "grad", "gradient", "g", "delta", "d"
VALUE = "value", "data", "val", "w", "array", "param", "tensor"
GRADIENTS = "grads", "grad", "gradients", "gradient", "dparams", "d"
PARAMETERS = "params", "parameters", "param", "weights", "p", "w"


def items(holder: Any) -> Pairs:
    if isinstance(holder, dict):
        return list(holder.items())
    if isinstance(holder, tuple):  # of layers, say: they can be changed, and its own numbers cannot
        return [(k, value) for k, value in enumerate(holder) if not isinstance(value, np.ndarray)]
    return list(enumerate(holder)) if isinstance(holder, list) else list(attributes(holder).items())


def paths(
    holder: Any, inside: Callable[[Any], Pairs] = items, path: Path = (), seen: frozenset[int] = frozenset()
) -> Iterator[tuple[Path, Any]]:
    """Everything kept in an object, in its lists, tuples and dicts, and in the objects that it holds; of each of these
    what is `inside` of it: all that can be changed."""
    if len(path) > DEPTH or id(holder) in seen or isinstance(holder, (type, FunctionType, MethodType, ModuleType)):
        return
    for key, value in inside(holder):
        yield (*path, key), value
        yield from paths(value, inside, (*path, key), seen | {id(holder)})


def look(holder: Any, path: Path) -> Any:
    """What stands there; None if nothing does."""
    for key in path:
        try:
            holder = holder[key] if isinstance(holder, (list, tuple, dict)) else getattr(holder, key)
        except (AttributeError, LookupError):
            return None
    return holder


def put(holder: Any, path: Path, value: Any) -> None:
    *home, key = path
    owner = look(holder, tuple(home))
    if isinstance(owner, (list, dict)):
        owner[key] = value
    else:
        setattr(owner, key, value)


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def gradients_of_parameters(holder: Any, before: Any = None) -> dict[Path, Path]:
    """Parameter -> gradient: arrays whose names say that they belong together. They have one shape; what was there
    `before` its first run is a parameter whatever the shape of its gradient, which may be what is wrong: a single
    number, say, if the run has made it."""
    arrays = {path: value for path, value in paths(holder) if is_float(value)}
    found: dict[Path, Path] = {}
    known: set[int] = set()
    fresh = lambda path, value: not np.array_equal(look(before, path), value)
    numbers = {path: value for path, value in paths(holder) if isinstance(value, float) and fresh(path, value)}
    gradients = {**arrays, **numbers}
    for exactly, (parameter, value) in product((True, False), arrays.items()):
        named = [g for g in gradients if belongs(g, parameter, exactly) and (exactly or g not in found.values())]
        same = (g for g in named if np.shape(gradients[g]) == value.shape)
        other = (g for g in named if is_float(look(before, parameter)) and value.ndim)
        gradient = next(same, None) or next(other, None)
        if gradient is not None and id(value) not in known:
            known.add(id(value))
            found[parameter] = gradient
    return found


def belongs(gradient: Path, parameter: Path, exactly: bool = True) -> bool:
    """Is `gradient` the place of the gradient of `parameter`?

    dW, grad_W, W_grad of W; grads.W, grads.dW of W and params.W; gradients.0 of parameters.0; W.grad of W.value;
    grad_fc.W of fc.W. Where it need not be exactly, of _W as well.
    """
    (*gradient_home, gradient_end), (*home, end) = gradient, parameter
    if not exactly:
        gradient_end, end = str(gradient_end).strip("_"), str(end).strip("_")
    apart = [(g, p) for g, p in zip(gradient_home, home) if g != p]
    alike = len(gradient) == len(parameter) and gradient_end == end and len(apart) == 1
    if alike and str(apart[0][1]) in bare(str(apart[0][0])):
        return True
    if gradient_home == home:
        return str(end) in bare(str(gradient_end)) or (gradient_end in GRADIENT and end in VALUE)
    if str(end) not in (str(gradient_end), *bare(str(gradient_end))) or not is_one_of(gradient_home, GRADIENTS):
        return False
    return home == gradient_home[:-1] or (home[:-1] == gradient_home[:-1] and is_one_of(home, PARAMETERS))


def is_one_of(home: list[Any], words: tuple[str, ...]) -> bool:
    return bool(home) and str(home[-1]).strip("_") in words
