"""What in a module has a backward: pairs by their names, losses that bring their gradients, classes, Functions."""

import inspect
import re
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

BACKWARD = re.compile(r"backward|backprop|bwd|_back\b|_(?:grad|gradient|vjp|prime|derivative|deriv)\b|\bd(?=_)")
FORWARD = "forward", "fwd", "fprop", ""


class Exercise(NamedTuple):
    """Something to check: a pair of functions, or one thing that brings its backward."""

    name: str
    forward: Any
    backward: Any = None


def exercises(module: ModuleType) -> list[Exercise]:
    """Everything in the module to check, in the order in which it is written."""
    own = {name: value for name, value in vars(module).items() if is_own(value, module)}
    functions = {name: value for name, value in own.items() if isinstance(value, FunctionType)}
    found = [*pairs(functions)]
    partners = {id(each) for exercise in found for each in (exercise.forward, exercise.backward)}
    found += [Exercise(n, f) for n, f in functions.items() if "loss" in n.lower() and id(f) not in partners]
    found += [Exercise(name, value) for name, value in own.items() if has_a_backward(value)]
    return sorted(found, key=lambda exercise: line(exercise.backward or exercise.forward))


def is_own(value: Any, module: ModuleType) -> bool:
    return getattr(getattr(value, "fun", value), "__module__", None) == module.__name__  # `fun` of a primitive


def pairs(functions: dict[str, FunctionType]) -> Iterator[Exercise]:
    for name, backward in functions.items():
        forward = next((functions[other] for other in partners(name) if other in functions and other != name), None)
        if forward is not None:
            yield Exercise(name, forward, backward)


def partners(name: str) -> Iterator[str]:
    """Names that the forward of this backward may have: batchnorm_backward_alt -> batchnorm_forward."""
    if not BACKWARD.search(name):
        return
    for word in FORWARD:
        whole = re.sub("_+", "_", BACKWARD.sub(word, name, count=1)).strip("_")
        yield whole
        while "_" in whole:
            whole = whole.rpartition("_")[0]
            if whole not in FORWARD:
                yield whole


def has_a_backward(value: Any) -> bool:
    """A class with both methods (not inherited from an abstract one), a Function of torch, a custom_vjp of JAX."""
    if isinstance(value, type):
        return not inspect.isabstract(value) and {"forward", "backward"} <= set(vars(value)) and implemented(value)
    jax = sys.modules.get("jax")
    return getattr(value, "_is_autograd_primitive", False) or bool(
        jax and isinstance(value, (jax.custom_vjp, jax.custom_jvp))
    )


def implemented(kind: type) -> bool:
    """Does its backward do anything? That of a base class raises NotImplementedError, or passes."""
    code = getattr(inspect.unwrap(kind.backward), "__code__", None)  # type: ignore[attr-defined]
    nothing = (lambda: None).__code__
    return code is None or ("NotImplementedError" not in code.co_names and code.co_code[::2] != nothing.co_code[::2])


def line(value: Any) -> int:
    """Where it is written."""
    if isinstance(value, type):
        return int(getattr(value, "__firstlineno__", 0)) or first_line(value)
    return int(inspect.unwrap(getattr(value, "fun", value)).__code__.co_firstlineno)


def first_line(kind: type) -> int:
    try:
        return inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        return 0
