"""JAX: functions, with `custom_vjp` or `custom_jvp` or JAX's own derivative."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.code import Adapted, Code, is_function
from pullback.check.adapters.handing import handed, watching

Array = NDArray[Any]
Run = Callable[..., list[Any]]

OFTEN = 30  # runs at the same shapes, after which it is compiled
SOON = 3  # where there are loops of JAX's, which it would compile in every run
LOOPS = "scan[", "while["
LINES = 1000  # of what is compiled, which takes milliseconds for each
LOOKS = "a function of JAX, custom_vjp and custom_jvp included"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or code.framework.name != "jax" or not is_function(code.forward):
        return None
    jax = sys.modules["jax"]

    def run(*inputs: Any) -> list[Any]:
        return list(jax.tree_util.tree_leaves(handing(code)(*code.arguments.filled(inputs))))

    count = len(code.arguments.example())

    def pulled(*arrays: Any) -> list[Any]:
        """Gradients of the inputs that have one; the gradients from above come first."""
        above, inputs = arrays[:-count], arrays[-count:]
        found = jax.vjp(run, *inputs)[1](list(above))
        return [g for g, x in zip(found, inputs, strict=True) if moves(x)]

    often, back = Compiled(run), Compiled(pulled)

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.framework.scope():
            return tuple(np.array(y) for y in often(*code.lifted(inputs)))

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.framework.scope():
            call = pulled if watching else back
            found = iter(call(*code.lifted(cotangents), *code.lifted(inputs)))
            return tuple(np.array(next(found)) if moves(x) else None for x in inputs)

    def second(cotangents: Sequence[Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        with code.framework.scope():
            moving = [k for k, u in enumerate(tangents) if u is not None]
            lifted = code.lifted(inputs)

            def first(above: list[Any], some: list[Any]) -> Any:
                of_some = lambda *some: run(*(dict(zip(moving, some)).get(k, x) for k, x in enumerate(lifted)))
                return jax.vjp(of_some, *some)[1](above)

            pull = jax.vjp(first, code.lifted(cotangents), [lifted[k] for k in moving])[1]
            above, some = pull(tuple(code.lifted([tangents[k] for k in moving])))
            found = dict(zip(moving, map(np.array, some)))
            return [np.array(g) for g in above], [found.get(k) for k in range(len(inputs))]

    code.tried(code.name, lambda: forward(*code.arguments.example()))
    return code.adapted(forward, backward, second=second)._replace(convention="transpose")


def moves(x: Any) -> bool:
    return np.dtype(x.dtype).kind in "fc"


def handing(code: Code) -> Any:
    """The function; if somebody watches a custom_vjp, one whose backward gets the residuals through their hands."""
    jax, function = sys.modules["jax"], code.forward
    if not watching or not isinstance(function, jax.custom_vjp):
        return function
    watched = jax.custom_vjp(function.fun, function.nondiff_argnums)
    forth, back = ready(code, function)

    def backward(*given: Any) -> Any:
        *fixed, residuals, above = given
        arrays = jax.tree_util.tree_map(lambda a: np.array(a) if hasattr(a, "shape") else a, residuals)
        kept = jax.tree_util.tree_map(
            lambda a: code.framework.lift(a) if hasattr(a, "shape") else a, handed({"residuals": arrays})["residuals"]
        )
        return back(*fixed, kept, above)

    watched.defvjp(forth, backward)
    return watched


halves: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()  # of a custom_vjp, compiled


def ready(code: Code, function: Any) -> tuple[Any, Any]:
    """Both halves, compiled once where they have loops that JAX would compile in every run, and do the same then."""
    if function not in halves:
        halves[function] = function.fwd, function.bwd
        jax, inputs = sys.modules["jax"], code.lifted(code.arguments.example())
        filled = code.arguments.filled(inputs)
        if not function.nondiff_argnums and loops(lambda *some: function(*code.arguments.filled(some)), inputs):
            try:
                y, kept = function.fwd(*filled)
                fast = jax.jit(function.fwd), jax.jit(function.bwd)
                ones = jax.tree_util.tree_map(jax.numpy.ones_like, y)
                pairs = zip(*(jax.tree_util.tree_leaves(b(f(*filled)[1], ones)) for f, b in (fast, halves[function])))
                if all(alike(np.asarray(a), np.asarray(b)) for a, b in pairs):
                    halves[function] = fast
            except Exception:  # it asks for its numbers, or keeps more than arrays
                pass
    return halves[function]


class Compiled:
    """The same function, compiled for shapes at which it runs again and again: a loop in Python costs JAX milliseconds
    in every run, and microseconds then. What a backward keeps from one call to the next has shown by then."""

    def __init__(self, run: Run) -> None:
        self.run, self.runs = run, Counter[Any]()
        self.fast: dict[Any, Run] = {}  # by shapes

    def __call__(self, *inputs: Any) -> list[Any]:
        key = tuple((x.shape, str(x.dtype)) for x in inputs)
        self.runs[key] += 1
        if self.runs[key] == OFTEN or self.runs[key] == SOON and loops(self.run, inputs):
            self.fast[key] = self.fast.get(key) or compiled(self.run, inputs) or self.run
        return self.fast.get(key, self.run)(*inputs)


def loops(run: Run, inputs: Sequence[Any]) -> bool:
    try:
        written = str(sys.modules["jax"].make_jaxpr(run)(*inputs))
    except Exception:  # it asks for its numbers
        return False
    return any(each in written for each in LOOPS)


def compiled(run: Run, inputs: Sequence[Any]) -> Run | None:
    """None where it does not compile, as code that asks for its numbers, in `while gap > 1e-6`; where that would take
    longer than it saves; and where something else than rounding is another then."""
    try:
        lowered = sys.modules["jax"].jit(run).lower(*inputs)
        if lowered.as_text().count("\n") > LINES:
            return None
        found: Run = lowered.compile({"xla_allow_excess_precision": False})
        pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(found(*inputs), run(*inputs), strict=True)]
    except Exception:
        return None
    return found if all(alike(a, b) for a, b in pairs) else None


def alike(a: Array, b: Array) -> bool:
    eps = np.finfo(b.dtype).eps if b.dtype.kind in "fc" else 0
    rounding = 8 * float(eps) * np.max(abs(b), initial=0)
    return a.dtype == b.dtype and np.allclose(a, b, rtol=0, atol=rounding, equal_nan=True)
