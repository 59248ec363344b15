"""Losses of two numbers, x and t, as loops: a table says what one pair costs, and how that moves with x and with t.

    TABLE = {"SquaredError": Row(value, slope_x, slope_t)}     # by the rule's class, of float64 and `options(rule)`

Nothing is kept but the inputs. A loss that is summed up reads them once and writes nothing. Weights are the rule's.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.elementary import exact
from pullback.kernels.pointwise import compiled
from pullback.kernels.threads import parallel

SHARE = 1 << 14  # elements in a chunk, whose sum is a number of its own: the same with any number of threads
NONE = np.empty(0, np.float32)
f: Any = None  # what the table says, put in by `compiled`
body: Any = None


class Row(NamedTuple):
    value: Any
    slope_x: Any
    slope_t: Any
    options: Callable[[Any], tuple[float, ...]] = lambda rule: ()


@exact
def weigh(a, b):
    """a b, where nothing of an infinite amount is nothing."""
    return a * (0.0 if a == 0.0 else b)


def values(lo, hi, x, t, y, sums, options):
    """Every value in y; or if y is empty, their sums, chunk by chunk."""
    for k in range(lo, hi):
        here = slice(k * SHARE, min((k + 1) * SHARE, x.size))
        x_now, t_now, out = x[here], t[here], y[here]
        total = 0.0
        if y.size:
            for i in range(x_now.size):
                out[i] = f(np.float64(x_now[i]), np.float64(t_now[i]), *options)
        else:
            for i in range(x_now.size):
                total += f(np.float64(x_now[i]), np.float64(t_now[i]), *options)
        sums[k] = total


def fill(x, t, y, sums, options):
    parallel(body, sums.size, 1, (x, t, y, sums, options))


def pulled(lo, hi, weighs, gy, one, x, t, out, options):
    """Slopes times gy; or if gy is empty, times one number. If it `weighs`, nothing of an infinite slope is nothing."""
    x_now, t_now, now = x[lo:hi], t[lo:hi], out[lo:hi]
    if gy.size:
        g = gy[lo:hi]
        for i in range(x_now.size):
            slope = f(np.float64(x_now[i]), np.float64(t_now[i]), *options)
            now[i] = np.float64(g[i]) * (0.0 if weighs and g[i] == 0 else slope)
    else:
        for i in range(x_now.size):
            slope = f(np.float64(x_now[i]), np.float64(t_now[i]), *options)
            now[i] = one * (0.0 if weighs and one == 0 else slope)


def pull(weighs, gy, one, x, t, out, options):
    parallel(body, x.size, SHARE, (weighs, gy, one, x, t, out, options))


def of(table: dict[str, Row]) -> tuple[Callable[..., bool], Callable[..., Any]]:
    """`takes` and `made_for` of a twin that is a table."""

    def takes(rule: Any, x: Any, t: Any, *weights: Any) -> bool:
        return type(rule).__name__ in table and 0 not in x.shape and all(w is None for w in weights)

    return takes, partial(made_for, table)


def made_for(table: dict[str, Row], rule: Any) -> dict[str, Callable[..., Any]]:
    name, row = type(rule).__name__, table[type(rule).__name__]
    made = lambda outer, inner, function, word: compiled(outer, inner, function, np.float64, f"{name}{word}")
    pulls = made(pull, pulled, row.slope_x, "_x"), made(pull, pulled, row.slope_t, "_t")
    options = tuple(float(number) for number in row.options(rule))
    return {
        "forward": partial(forward, made(fill, values, row.value, ""), options, rule),
        "vjp": partial(vjp, *pulls, options, rule),
        "saved": rule.keep,
    }


def forward(loop: Any, options: tuple[float, ...], rule: Any, *inputs: Any) -> Any:
    x, t = (plain(a) for a in inputs[:2])
    y = empty(x.shape) if rule.reduction == "none" else NONE
    sums = np.empty(-(-x.size // SHARE))
    loop(x.reshape(-1), t.reshape(-1), y.reshape(-1), sums, options)
    return (y if y.size else np.float32(rule.reduce(sums, rule.count(x)))), inputs


def vjp(by_x: Any, by_t: Any, options: tuple[float, ...], rule: Any, gy: Any, *inputs: Any) -> Any:
    x, t = (plain(a) for a in inputs[:2])
    g, one = (plain(gy).reshape(-1), 0.0) if gy.size == x.size else (NONE, float(rule.spread(gy, rule.count(x))))

    def slope(loop: Any, weighs: bool) -> Any:
        out = empty(x.shape)
        loop(weighs, g, one, x.reshape(-1), t.reshape(-1), out.reshape(-1), options)
        return out

    return slope(by_x, False), lambda: slope(by_t, True)  # as the rule has it
