"""PyTorch: `torch.autograd.Function`, `torch.nn.Module`, and functions of tensors with torch's own backward."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from pullback.check.adapters.arguments import Leaf
from pullback.check.adapters.code import Adapted, Code, is_function, outputs
from pullback.check.adapters.frameworks import to_numpy
from pullback.check.adapters.handing import entered, handed, watching, within

LOOKS = "a torch.autograd.Function, a torch.nn.Module, or a function of tensors"


def classes(code: Code) -> Adapted | None:
    torch = sys.modules.get("torch")
    if torch is None or code.backward is not None:
        return None
    function = code.forward
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        lift = code.framework.lift
        return differentiated(code, lambda tensors: handing(function, lift).apply(*code.arguments.filled(tensors)))
    return module(code, torch) if isinstance(code.forward, torch.nn.Module) else None


def handing(function: Any, lift: Callable[[Any], Any]) -> Any:
    """The Function; if somebody watches, one whose backward gets what forward saved through their hands."""
    if not watching and not within:
        return function

    class Watched(function):  # type: ignore[misc]
        @staticmethod
        def backward(ctx: Any, *above: Any) -> Any:
            names = ("saved_tensors", *vars(ctx))
            found = handed({name: each_of(to_numpy, getattr(ctx, name)) for name in names})
            with entered():
                saved = Saved(ctx, {name: each_of(lift, value) for name, value in found.items()})
                return function.backward(saved, *above)

    return Watched


def each_of(change: Callable[[Any], Any], value: Any) -> Any:
    """Of tensors or arrays, alone or in tuples; all else stays."""
    if type(value) in (tuple, list):
        return type(value)(each_of(change, each) for each in value)
    return change(value) if hasattr(value, "shape") else value


class Saved:
    """A context with other things saved in it."""

    def __init__(self, ctx: Any, others: dict[str, Any]) -> None:
        self.__dict__ = others
        self._ctx = ctx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


def functions(code: Code) -> Adapted | None:
    if code.backward is not None or code.framework.name != "torch" or not is_function(code.forward):
        return None
    return differentiated(code, lambda tensors: code.forward(*code.arguments.filled(tensors)))


def module(code: Code, torch: Any) -> Adapted:
    """Parameters of a module are inputs like any other. Buffers, such as running statistics, are new for every run."""
    own = len(code.arguments.leaves)
    names = [name for name, _ in code.forward.named_parameters()]
    dtype = code.arguments.precision
    own_ones = code.forward.named_parameters()
    parameters = [Leaf(name, (name,), to_numpy(p).astype(dtype), p.requires_grad) for name, p in own_ones]

    def run(tensors: Sequence[Any]) -> Any:
        dtype = next((t.dtype for t in tensors if t.is_floating_point()), None)
        fit = lambda t: t.to(dtype, copy=True) if t.is_floating_point() else t.clone()
        held = {name: fit(buffer) for name, buffer in code.forward.named_buffers()}
        held.update(zip(names, tensors[own:], strict=True))
        return torch.func.functional_call(code.forward, held, tuple(code.arguments.filled(tensors[:own])))

    return differentiated(code, run, *parameters)._replace(module=True)


def differentiated(code: Code, run: Callable[[Sequence[Any]], Any], *parameters: Leaf) -> Adapted:
    """A subject with the backward that torch has for what was run."""
    torch = sys.modules["torch"]

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice(), torch.no_grad():
            return outputs(tuple(floating(run(code.lifted(inputs)))))

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.dice():
            tensors = [t.requires_grad_() if may_move(t) else t for t in code.lifted(inputs)]
            pairs = zip(floating(run(tensors)), code.lifted(cotangents), strict=True)
            moved = [(y, g) for y, g in pairs if y.requires_grad]
            moving = [t for t in tensors if t.requires_grad]
            if not moved or not moving:
                return (None,) * len(tensors)
            shown, above = zip(*moved)
            gradients = iter(torch.autograd.grad(shown, moving, above, allow_unused=True))
        return tuple(to_numpy(next(gradients)) if t.requires_grad else None for t in tensors)

    def second(cotangents: Sequence[Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        """The same once more. Where torch has kept no graph of the first backward there is none, and it says so."""
        with code.dice():
            tensors = [t.requires_grad_() if may_move(t) else t for t in code.lifted(inputs)]
            above = [g.requires_grad_() for g in code.lifted(cotangents)]
            moved = [(y, g) for y, g in zip(floating(run(tensors)), above, strict=True) if y.requires_grad]
            shown, given = zip(*moved)
            lifted = [None if u is None else code.framework.lift(u) for u in tangents]
            along = [(t, u) for t, u in zip(tensors, lifted) if u is not None and t.requires_grad]
            first = torch.autograd.grad(shown, [t for t, _ in along], given, allow_unused=True, create_graph=True)
            kept = [(x, u) for x, (_, u) in zip(first, along) if x is not None]
            by = [*above, *(t for t in tensors if t.requires_grad)]
            found = torch.autograd.grad([x for x, _ in kept], by, [u for _, u in kept], allow_unused=True)
        if all(g is None for g in found[: len(above)]):
            raise RuntimeError("it keeps no graph of its backward (once_differentiable, detach, numpy)")
        each = iter(to_numpy(torch.zeros_like(t) if g is None else g) for g, t in zip(found, by))
        return [next(each) for _ in above], [next(each) if t.requires_grad else None for t in tensors]

    code.tried(code.name, lambda: forward(*code.arguments.example(), *(leaf.value for leaf in parameters)))
    return code.adapted(forward, backward, *parameters, second=second)._replace(convention="conjugate")


def floating(result: Any) -> list[Any]:
    """The outputs that may have a derivative."""
    found = result if isinstance(result, (tuple, list)) else (result,)
    return [y for y in found if hasattr(y, "is_floating_point") and may_move(y)]


def may_move(tensor: Any) -> bool:
    return bool(tensor.is_floating_point() or tensor.is_complex())
