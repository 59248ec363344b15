"""Arrays of other libraries: which of them a function speaks, and the way there and back.

Nothing is imported here that the user has not imported: libraries are looked up among the loaded modules.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from pullback.check.adapters.containers import flat


class Framework(NamedTuple):
    name: str
    lift: Callable[[Any], Any]  # NumPy's array -> its own
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext  # around every call


def function_of(forward: Any) -> Any:
    """Of MyFunction.apply, in torch, the Function; anything else is itself."""
    torch = sys.modules.get("torch")
    is_apply = torch and getattr(forward, "__func__", None) is torch.autograd.Function.apply.__func__
    return forward.__self__ if is_apply else forward


def to_numpy(value: Any) -> Any:
    """An array of another library as NumPy's; anything else as it is. None of the memory is shared."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value
    if spoken(value, "torch") and hasattr(value, "detach"):
        return dense(value.detach()).resolve_conj().cpu().numpy().copy()
    if spoken(value, "mygrad") and hasattr(value, "data"):
        return np.array(value.data)
    if spoken(value, "jax") and hasattr(value, "__array__") and isinstance(value.dtype, np.dtype):  # no key of its dice
        return np.array(value)
    return value


def dense(tensor: Any) -> Any:
    """NumPy has no sparse arrays, and no bfloat16: float32 holds all of its numbers."""
    torch = sys.modules["torch"]
    tensor = tensor if tensor.layout == torch.strided else tensor.to_dense()
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


def spoken(value: Any, name: str) -> bool:
    """Is the value, or its type, of the library of that name?"""
    return any(module.partition(".")[0] in (name, name + "lib") for module in modules(value))


def modules(value: Any) -> Iterator[str]:
    kind = value if isinstance(value, type) else type(value)
    for each in (value, *kind.__mro__):
        module = getattr(each, "__module__", None) or getattr(each, "__name__", None)
        if isinstance(module, str):
            yield module


def framework_of(*functions: Any, values: Sequence[Any] = ()) -> Framework:
    """The library whose arrays these functions take: the first that their code names, else that of the examples."""
    loaded = [name for name in FRAMEWORKS if name in sys.modules]
    owners = [function.__self__ for function in functions if hasattr(function, "__self__")]
    for name in loaded:
        if any(spoken(function, name) for function in (*functions, *owners) if function is not None):
            return FRAMEWORKS[name]()
    for value in named(functions):
        for name in loaded:
            if spoken(value, name):
                return FRAMEWORKS[name]()
    inside = [part for value in values for part in flat(value)]
    given = (name for name in loaded for value in inside if spoken(value, name))
    return FRAMEWORKS[next(given, "numpy")]()


def named(functions: Any, depth: int = 3) -> Iterator[Any]:
    """Everything that the code of these functions names, and that of the functions which they name."""
    for function in functions:
        function = getattr(function, "__wrapped__", function)
        function = getattr(function, "func", function)  # a partial
        if isinstance(function, type):
            yield from named([f for f in vars(function).values() if isinstance(f, FunctionType)], depth)
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType):
            continue
        cells = zip(code.co_freevars, function.__closure__ or ())
        inner = {name: cell.cell_contents for name, cell in cells if cell != type(cell)()}
        found = [inner.get(name, function.__globals__.get(name)) for name in words(code)]
        yield from (value for value in found if value is not None)
        if depth:
            yield from named([value for value in found if isinstance(value, FunctionType)], depth - 1)


def words(code: CodeType) -> list[str]:
    """The names in a code, and in the functions that it defines inside."""
    nested = [word for part in code.co_consts if isinstance(part, CodeType) for word in words(part)]
    return [*code.co_names, *code.co_freevars, *nested]


def torch() -> Framework:
    library = sys.modules["torch"]

    def lift(array: Any) -> Any:
        """Without a copy where torch can have it so: what is written to the tensor is written to the array."""
        array = np.asarray(array)
        fits = array.flags.writeable and all(stride >= 0 for stride in array.strides)
        return library.from_numpy(array if fits else array.copy())

    return Framework("torch", lift)


def jax() -> Framework:
    library = sys.modules["jax"]
    return Framework("jax", library.numpy.asarray, lambda: library.enable_x64(True))


def mygrad() -> Framework:
    return Framework("mygrad", sys.modules["mygrad"].tensor)


def numpy() -> Framework:
    return Framework("numpy", np.asanyarray)  # what watches them may be handed through


def autograd() -> Framework:
    return Framework("autograd", np.asarray)


FRAMEWORKS = {"torch": torch, "jax": jax, "mygrad": mygrad, "autograd": autograd, "numpy": numpy}
