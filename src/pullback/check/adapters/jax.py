"""JAX: functions, with `custom_vjp` or `custom_jvp` or JAX's own derivative."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.code import Adapted, Code, is_function
from pullback.check.adapters.handing import handed, watching

LOOKS = "a function of JAX, custom_vjp and custom_jvp included"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or code.framework.name != "jax" or not is_function(code.forward):
        return None
    jax = sys.modules["jax"]

    def run(*inputs: Any) -> list[Any]:
        return list(jax.tree_util.tree_leaves(handing(code)(*code.arguments.filled(inputs))))

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.framework.scope():
            return tuple(np.array(y) for y in run(*code.lifted(inputs)))

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        with code.framework.scope():
            found = jax.vjp(run, *code.lifted(inputs))[1](code.lifted(cotangents))
            moves = [np.asarray(x).dtype.kind in "fc" for x in inputs]
            return tuple(np.array(g) if may else None for g, may in zip(found, moves, strict=True))

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


def handing(code: Code) -> Any:
    """The function; if somebody watches a custom_vjp, one whose backward gets the residuals through their hands."""
    jax, function = sys.modules["jax"], code.forward
    if not watching or not isinstance(function, jax.custom_vjp):
        return function
    watched = jax.custom_vjp(function.fun, function.nondiff_argnums)

    def backward(*given: Any) -> Any:
        *fixed, residuals, above = given
        arrays = jax.tree_util.tree_map(lambda a: np.array(a) if hasattr(a, "shape") else a, residuals)
        back = jax.tree_util.tree_map(
            lambda a: code.framework.lift(a) if hasattr(a, "shape") else a, handed({"residuals": arrays})["residuals"]
        )
        return function.bwd(*fixed, back, above)

    watched.defvjp(function.fwd, backward)
    return watched
