"""PyTorch: `torch.autograd.Function`, `torch.nn.Module`, and functions of tensors with torch's own backward."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pullback.check.adapters.arguments import Leaf
from pullback.check.adapters.code import Adapted, Code, contained, is_function, outputs
from pullback.check.adapters.containers import contents, is_record
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
    given = [*code.arguments.example(), *(leaf.value for leaf in parameters)]
    fixed = set(without_derivative(code, run, given))

    def asking(inputs: Sequence[Any]) -> list[Any]:
        """Tensors, which ask for a gradient where there may be one."""
        some = enumerate(code.lifted(inputs))
        return [t.requires_grad_() if may_move(t) and k not in fixed else t for k, t in some]

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice(), torch.no_grad():
            return outputs(tuple(floating(run(code.lifted(inputs)))))

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.dice():
            tensors = asking(inputs)
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
            tensors = asking(inputs)
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

    code.tried(code.name, lambda: forward(*given))
    adapted = code.adapted(forward, backward, *parameters, second=second)
    others = elsewhere(code, run, asking(given))
    return adapted._replace(convention="conjugate", apart="; ".join(filter(None, (adapted.apart, others))))


def without_derivative(code: Code, run: Callable[[Sequence[Any]], Any], given: Sequence[Any]) -> Iterator[int]:
    """Inputs that torch itself refuses to differentiate by, as the weights of the classes in cross_entropy."""

    def refuses(asking: Sequence[int]) -> bool:
        try:
            with contained(), code.dice():
                tensors = [t.requires_grad_() if k in asking else t for k, t in enumerate(code.lifted(given))]
                run(tensors)
        except RuntimeError as error:
            return any(each in str(error) for each in REFUSALS)
        except Exception:  # that is for others to say
            return False
        return False

    moving = [k for k, t in enumerate(code.lifted(given)) if may_move(t)]
    if refuses(moving):
        yield from (k for k in moving if refuses([k]))


def elsewhere(code: Code, run: Callable[[Sequence[Any]], Any], tensors: Sequence[Any]) -> str:
    """What asks for a gradient, and is reached, but not by way of the arguments: a tensor or a module that the function
    names."""
    with suppress(Exception), contained(), code.dice():
        found = [t for t in reached(floating(run(tensors))) if not any(t is each for each in tensors)]
        known = names_in(code.forward) | dict(zip(code.arguments.names, code.arguments.values))
        names = [called(known, t) for t in found]
        return f"{', '.join(names)}: {NAMED}" if names else ""
    return ""


REFUSALS = "is not implemented", "is not differentiable with respect to"
NAMED = "forward moves with what it is not given, and no gradient of that is judged; make it an argument"


def reached(outputs: Sequence[Any]) -> list[Any]:
    """All tensors at the ends of torch's graph that ask for a gradient."""
    found: dict[int, Any] = {}
    seen: set[Any] = set()
    open_ = [y.grad_fn for y in outputs if y.grad_fn is not None]
    while open_:
        node = open_.pop()
        if node in seen:
            continue
        seen.add(node)
        open_ += [before for before, _ in node.next_functions if before is not None]
        if hasattr(node, "variable"):
            found[id(node.variable)] = node.variable
    return list(found.values())


def called(known: dict[str, Any], tensor: Any) -> str:
    """Its name among these, or that of the module that it is a parameter of."""
    for name, value in known.items():
        if value is tensor:
            return name
        if isinstance(value, sys.modules["torch"].nn.Module):
            inner = next((part for part, each in value.named_parameters() if each is tensor), None)
            if inner is not None:
                return f"{name}.{inner}"
    return f"a tensor {tuple(tensor.shape)}"


def names_in(function: Any) -> dict[str, Any]:
    """What a function refers to outside of itself."""
    with suppress(TypeError):
        known = inspect.getclosurevars(function)
        return {**known.globals, **known.nonlocals}
    return {}


def floating(result: Any) -> list[Any]:
    """The outputs that may have a derivative."""
    named = isinstance(result, Mapping) or is_record(result)
    found = [y for _, y in contents(result)] if named else result if isinstance(result, (tuple, list)) else (result,)
    return [y for y in found if hasattr(y, "is_floating_point") and may_move(y)]


def may_move(tensor: Any) -> bool:
    return bool(tensor.is_floating_point() or tensor.is_complex())
