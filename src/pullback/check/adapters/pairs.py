"""Pairs of functions.

gx, gw, gb = affine_backward(gy, x, w, b)         plain: the gradients of the outputs, then the inputs
out, cache = affine_forward(x, w, b)              with a cache
dx, dw, db = affine_backward(dout, cache)
dx = sigmoid_prime(x)                             a derivative without a gradient from above
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from pullback.check.adapters.above import chosen, takes_several
from pullback.check.adapters.arguments import names_of
from pullback.check.adapters.binding import Binding, asks_for_cache, bound
from pullback.check.adapters.code import Adapted, Code, StyleError, guarded, is_function, name_of, outputs, scaled
from pullback.check.adapters.engines import gradients_alone_moved, kept
from pullback.check.adapters.frameworks import to_numpy
from pullback.check.adapters.handing import handed
from pullback.check.adapters.owners import settle

LOOKS = "a pair of functions: forward(*inputs) with backward(*gradients, *inputs) or backward(*gradients, cache)"


def recognise(code: Code) -> Adapted | None:
    if not (is_function(code.forward) and callable(code.backward)):
        return None
    given, results = len(code.arguments.values), len(code.trial) if isinstance(code.trial, tuple) else 1
    binding = bound(code.backward, code.forward, given, results)
    if binding is None:
        takes = f"{name_of(code.backward)}({', '.join(names_of(code.backward))})"
        kept = " (it keeps no cache)" if results == 1 and asks_for_cache(code.backward) else ""
        raise StyleError(
            f"{takes} does not fit {code.name}, which took {given} and gave {results}{kept}: a backward takes the "
            "gradients of the outputs, and then a cache (what forward gives last) or the inputs"
        )
    count = binding.count("cotangent") or results  # what else forward gives is kept for the backward
    if any(y is None for y in (code.trial[:count] if isinstance(code.trial, tuple) else [code.trial])):
        raise StyleError(f"{code.name} gives None: it is not written yet, or lacks a return")
    way = with_a_cache if binding.count("cache") else plain
    return way(code, together_or_not(code, binding, results, way))


def in_one(trial: Any) -> bool:
    """(y, z), cache: outputs of different shapes in a tuple of their own."""
    first = trial[0] if isinstance(trial, tuple) else None
    return isinstance(first, tuple) and len({np.shape(to_numpy(y)) for y in first}) > 1


def together_or_not(code: Code, binding: Binding, results: int, way: Callable[..., Adapted]) -> Binding:
    """Where backward takes one gradient, and forward gives several outputs: is it a tuple of all of theirs?"""
    count = len(code.trial[0]) if in_one(code.trial) else results - binding.count("cache")
    if binding.count("cotangent") != 1 or count < 2:
        return binding
    named = takes_several(code.backward, binding.place, count)
    if in_one(code.trial):
        return binding.in_a_tuple if named and binding.count("cache") else binding
    ways = [binding.in_a_tuple, binding] if named else [binding, binding.in_a_tuple]
    example = code.arguments.example()
    found = [way(code, each) for each in ways]
    return ways[chosen([(each.forward, each.backward) for each in found], code.arguments.leaves, example)]


def plain(code: Code, binding: Binding) -> Adapted:
    """Where no gradient from above is taken, it multiplies what comes out: of a loss, or element by element.

    A cache may be an input or output itself: `out, x = relu_forward(x)`, `dx = relu_backward(dout, x)`.
    """

    count = binding.count("cotangent") or None

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            found = code.run(inputs)
        return outputs(found[:count] if isinstance(found, tuple) else found)

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        """After its forward where that leaves anything behind: its output, something in an object, or the dice."""
        output = code.lifted(forward(*inputs)) if binding.count("output") else ()
        with code.dice(), code.framework.scope():
            if code.keeps or code.dice.thrown:
                code.run(inputs)
            left = dict(input=code.filled(inputs), output=output)
            given = binding.arguments(cotangent=code.lifted(cotangents), **handed(left))
            found = code.gradients(code.backward(*given, **code.taken_back(code.changed)))
        return found if binding.takes_gradients else scaled(found, cotangents)

    settle(code, forward, backward)
    return code.adapted(forward, backward)


def with_a_cache(code: Code, binding: Binding) -> Adapted:
    """forward gives outputs, then the cache. Outputs beyond the gradients that backward takes are left out."""
    count = binding.count("cotangent") or -1

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            shown = code.run(inputs)[:count]
        return outputs(shown[0] if binding.count("together") and in_one(shown) else shown)

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any], times: int = 1) -> tuple[Any, ...]:
        with code.dice():
            *output, cache = code.run(inputs)
            cache = handed({"cache": cache})["cache"]
        before = kept(cache) if times > 1 else {}
        with code.framework.scope():
            for turn in range(times):
                if turn and gradients_alone_moved(before, kept(cache)):
                    return (None,) * len(inputs)
                above = code.lifted(cotangents if times == 1 else [np.array(g) for g in cotangents])
                given = dict(cotangent=above, input=code.filled(inputs), output=output, cache=[cache])
                options = code.taken_back(code.changed)
                found = code.gradients(code.backward(*binding.arguments(**given), **options))
        return found

    settle(code, forward, backward)
    return code.adapted(forward, backward)._replace(again=guarded(partial(backward, times=2)))
