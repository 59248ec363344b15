"""Elementwise rules as loops: a table says what happens to one number, and a loop is compiled when it is first used.

    TABLE = {"Softsign": (softsign, softsign_slope)}    # by the rule's class: f and f', of float64 and hyperparameters
    SINGLE = {"Sigmoid": (sigmoid, sigmoid_slope)}      # the same, of float32

An array whose elements lie one after the other, in whatever order of axes, is read where it lies, and the result lies
as it does.
"""

from collections.abc import Callable
from functools import cache, partial
from types import FunctionType
from typing import Any

import numpy as np

from pullback.kernels.arrays import order, plain
from pullback.kernels.buffers import empty
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import parallel

SHARE = 1 << 14  # elements that are worth a chunk of their own
NONE = np.empty((0, 2))
Table = dict[str, tuple[Callable[..., Any], Callable[..., Any]]]
f: Any = None  # what the table says, put in by `copy`
kind: Any = None  # np.float32 or np.float64
body: Any = None


def values(lo, hi, x, y, options):
    here, out = x[lo:hi], y[lo:hi]
    for i in range(here.size):
        out[i] = f(kind(here[i]), *options)


def fill(x, y, options):
    parallel(body, x.size, SHARE, (x, y, options))


def pulled(lo, hi, gy, x, gx, options, corners):
    g, here, out = gy[lo:hi], x[lo:hi], gx[lo:hi]
    for i in range(here.size):
        out[i] = np.float32(f(kind(here[i]), *options)) * g[i]
    for j in range(corners.shape[0]):  # where the user's word picks another slope than the one from the right
        place, chosen = np.float32(corners[j, 0]), np.float32(corners[j, 1])
        for i in range(here.size):
            out[i] = chosen * g[i] if here[i] == place else out[i]


def pull(gy, x, gx, options, corners):
    parallel(body, x.size, SHARE, (gy, x, gx, options, corners))


@cache
def compiled(outer: Any, inner: Any, function: Any, kind: Any, name: str) -> Any:
    """The kernel `outer` around the loop `inner` around a function of the table."""
    loop = part(copy(inner, f"{inner.__name__}_of_{name}", f=function, kind=kind))
    return kernel(copy(outer, f"{outer.__name__}_of_{name}", body=loop))


def copy(function: Any, name: str, **names: Any) -> Any:
    """A function that means something else by some global names; by its own, the cache on disk tells it apart."""
    twin = FunctionType(function.__code__, function.__globals__ | names, name)
    twin.__qualname__ = name
    return twin


def of(table: Table, single: Table = {}) -> tuple[Callable[..., bool], Callable[..., Any]]:
    """`takes` and `made_for` of a twin that is a table, or two."""
    rows = {name: (*row, np.float64) for name, row in table.items()}
    rows |= {name: (*row, np.float32) for name, row in single.items()}
    return lambda rule, x: type(rule).__name__ in rows and 0 not in x.shape, partial(made_for, rows)


def made_for(rows: dict[str, tuple[Any, Any, Any]], rule: Any) -> dict[str, Callable[..., Any]]:
    """The fast methods of a rule that stands in a table."""
    name = type(rule).__name__ + "_tanh" * (rule.options.get("approximate") == "tanh")
    value, slope, kind = rows[name]
    kept = np.float32 if rule.plain else float  # rules that compute in float32 round their hyperparameters to it
    options = tuple(float(kept(v)) for v in rule.options.values() if not isinstance(v, str))
    corners = np.array(getattr(rule, "corners", ()), float).reshape(-1, 2)
    forward = partial(evaluate, compiled(fill, values, value, kind, name), options)
    vjp = partial(scale, compiled(pull, pulled, slope, kind, name), options, corners)
    return {"forward": forward, "vjp": vjp, "jvp": vjp}  # the Jacobian is diagonal


def evaluate(loop: Any, options: tuple[float, ...], x: Any) -> Any:
    axes = order(x)
    z = x if axes is None else x.transpose(axes)
    y = empty(z.shape)
    loop(plain(z).reshape(-1), y.reshape(-1), options)
    return (y if axes is None else y.transpose(np.argsort(axes))), (x,)


def scale(loop: Any, options: tuple[float, ...], corners: Any, gy: Any, x: Any) -> Any:
    axes = order(x)
    if axes is not None:
        x, gy = x.transpose(axes), gy.transpose(axes)
    gx = empty(x.shape)
    loop(plain(gy).reshape(-1), plain(x).reshape(-1), gx.reshape(-1), options, corners)
    return gx if axes is None else gx.transpose(np.argsort(axes))
