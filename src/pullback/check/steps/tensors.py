"""The steps of a forward in PyTorch, as `watched` has them of NumPy: every function of floating tensors is noted.

Views are no steps, for what is written to them has to arrive where they look; nor is what writes in place, or gives
several.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from pullback.check.adapters.frameworks import to_numpy
from pullback.check.steps.watched import Called, Noted, taken_apart, unwatched, watched

NAMES = {  # PyTorch's, where NumPy's is another
    "__radd__": "add", "sub": "subtract", "rsub": "subtract", "__rsub__": "subtract", "mul": "multiply",
    "__rmul__": "multiply", "div": "divide", "true_divide": "divide", "neg": "negative", "bmm": "matmul",
    "mm": "matmul", "mv": "matmul", "abs": "absolute",
}  # fmt: skip
VIEWS = {
    "__getitem__", "reshape", "view", "view_as", "transpose", "permute", "t", "unsqueeze", "squeeze", "expand",
    "expand_as", "flatten", "unflatten", "narrow", "select", "swapaxes", "movedim", "diagonal", "unfold", "contiguous",
    "detach", "clone", "to", "cpu", "resolve_conj", "double", "type_as", "__get__",
}  # fmt: skip


ARITHMETIC = "add", "subtract", "multiply", "divide", "pow"  # of tensors and numbers
TURNED = "rsub", "__rsub__"  # what stands first in the code is their second argument


class Noting(Protocol):
    """Who wants to know of steps, and who does not of some."""

    @property
    def noted(self) -> Noted: ...

    def passed(self, name: str) -> Any: ...


@contextmanager
def noting(tape: Noting) -> Iterator[None]:
    """Nothing happens where PyTorch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return

    class Mode(torch.overrides.TorchFunctionMode):  # type: ignore[misc, name-defined]
        def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            return step(torch, tape, function, arguments, options or {})

    with Mode():
        yield


def step(torch: Any, tape: Noting, function: Any, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
    moves = lambda value: isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())
    name, found = function.__name__, function(*arguments, **options)
    number = lambda value: NAMES.get(name, name) in ARITHMETIC and type(value) in (int, float)
    operands: list[Any] = []
    positional, named = taken_apart((arguments, options), operands, lambda value: moves(value) or number(value))
    in_place = "out" in options or name.endswith("_") and not name.endswith("__")
    if not any(map(moves, operands)) or in_place or not moves(found):
        return found
    order = -1 if name in TURNED else 1
    if name in VIEWS:
        if found is not operands[0]:  # which may be the user's own
            found.made = getattr(operands[0], "made", None)
        return found

    name = NAMES.get(name, name)
    if place := tape.passed(name):
        found = found.detach()
        found.made = place
        return found

    def taken(given: Sequence[Any]) -> list[Any]:
        return [torch.as_tensor(each) if isinstance(each, np.ndarray) else each for each in given[::order]]

    call = Called(lambda *a, **more: to_numpy(function(*a, **more)), positional, named, taken)
    arrays = [watched(to_numpy(t), getattr(t, "made", None)) if moves(t) else t for t in operands[::order]]
    result = tape.noted(name, call, arrays)
    tensor = torch.as_tensor(np.require(unwatched(result), requirements="W"))
    tensor.made = result.made
    return tensor
