"""Closures: `y, back = layer(x)`, and then `gx, gw = back(gy)`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType
from typing import Any

import numpy as np

from pullback.check.adapters.above import chosen, takes_several
from pullback.check.adapters.arguments import names_of, takes_anything
from pullback.check.adapters.code import Adapted, Code, guarded, is_function, outputs
from pullback.check.adapters.engines import gradients_alone_moved, kept
from pullback.check.adapters.handing import handed
from pullback.check.adapters.owners import settle

LOOKS = "a function that returns its output and its backward: y, back = layer(x)"


def recognise(code: Code) -> Adapted | None:
    if code.backward is not None or not is_function(code.forward):
        return None
    if not (isinstance(code.trial, tuple) and len(code.trial) > 1 and callable(code.trial[-1])):
        return None

    *shown, back = code.trial
    if takes_one(back) and (len(shown) > 1 or isinstance(shown[0], tuple)):
        ways = [adapted(code, together=True), adapted(code, alone=True)]
        if len(shown) > 1 and not takes_several(back, 0, len(shown)):
            ways.reverse()
        both = [(each.forward, each.backward) for each in ways]
        return ways[chosen(both, code.arguments.leaves, code.arguments.example())]
    return adapted(code)


def takes_one(back: Any) -> bool:
    return len(names_of(back)) == 1 and not takes_anything(back)


def adapted(code: Code, together: bool = False, alone: bool = False) -> Adapted:
    """back is given the gradient of each output, of all of them in a tuple, or of the first alone."""

    def forward(*inputs: Any) -> tuple[Any, ...]:
        with code.dice():
            *output, _ = code.run(inputs)
        return outputs(tuple(output) if len(output) > 1 and not alone else output[0])

    def backward(cotangents: Sequence[Any], inputs: Sequence[Any], times: int = 1) -> tuple[Any, ...]:
        with code.dice():
            *_, back = code.run(inputs)
        before = kept(cells_of(back)) if times > 1 else {}
        with code.framework.scope(), with_handed(back):
            for turn in range(times):
                if turn and gradients_alone_moved(before, kept(cells_of(back))):
                    return (None,) * len(inputs)
                above = cotangents if times == 1 else [np.array(g) for g in cotangents]
                lifted = code.lifted(above)
                found = code.gradients(back(tuple(lifted)) if together else back(*lifted))
        return found

    settle(code, forward, backward)
    return code.adapted(forward, backward)._replace(again=guarded(partial(backward, times=2)))


@contextmanager
def with_handed(back: Any) -> Iterator[None]:
    """What it has from the function around it is handed over to it like any other cache. Cells in which something else
    was put get back what they had; what backward itself writes to the others stays, and shows in its next run."""
    cells, before = cells_by_name(back), cells_of(back)
    others = {name: value for name, value in handed(before).items() if value is not before[name]}
    try:
        for name, value in others.items():
            cells[name].cell_contents = value
        yield
    finally:
        for name in others:
            cells[name].cell_contents = before[name]


def cells_by_name(back: Any) -> dict[str, CellType]:
    return dict(zip(back.__code__.co_freevars, back.__closure__ or ())) if hasattr(back, "__code__") else {}


def cells_of(back: Any) -> dict[str, Any]:
    """What it has from the function around it."""
    return {name: cell.cell_contents for name, cell in cells_by_name(back).items() if cell != CellType()}
