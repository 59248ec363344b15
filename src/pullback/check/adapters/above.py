"""How a backward takes the gradients of several outputs, where it takes one thing: as a tuple, or that of the first
output alone? The text of it may tell; else what runs, and fits, and is right."""

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from textwrap import dedent
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf, names_of
from pullback.check.adapters.code import contained
from pullback.check.adapters.gradients import shape
from pullback.check.adapters.owners import Run, fresh, is_right

SEVERAL = re.compile(r"(?!grads?_of)\w*(grads|gradients|outputs|cotangents|upstreams)|gs|cts|g[yz]s|d(out|y|z|h)s")

Both = tuple[Callable[..., Any], Callable[..., Any]]  # forward and backward


def chosen(ways: Sequence[Both], leaves: Sequence[Leaf], example: Sequence[Any]) -> int:
    """The first way in which the gradients are right; else the first in which they fit; else the first."""
    seen = [tried(*way, leaves, example) for way in ways]
    return max(range(len(ways)), key=lambda k: (seen[k], -k))


def tried(forward: Callable[..., Any], backward: Callable[..., Any], leaves: Sequence[Leaf], example: Any) -> int:
    """2 where the gradients are right, 1 where they have the shapes of the inputs."""
    with suppress(Exception), contained(), np.errstate(all="ignore"):  # what does not run is none
        rng, arrays = np.random.default_rng(0), fresh(example)
        outputs = forward(*fresh(arrays))
        above = [np.asarray(rng.normal(size=y.shape)).astype(y.dtype) for y in outputs]
        found = backward(fresh(above), fresh(arrays))
        owners = [k for k, gradient in enumerate(found) if gradient is not None]
        if len(found) == len(leaves) and all(np.shape(found[k]) == shape(leaves[k].value) for k in owners):
            return 1 + is_right(Run(forward, arrays, above, [found[k] for k in owners]), owners)
    return 0


def takes_several(backward: Any, place: int, count: int) -> bool:
    """Is the parameter called like several, or taken apart into as many?"""
    names = names_of(backward)
    return place < len(names) and (
        SEVERAL.fullmatch(names[place]) is not None or is_unpacked(backward, names[place], count)
    )


def is_unpacked(backward: Any, name: str, count: int) -> bool:
    """`g1, g2 = grads`"""
    try:
        tree = ast.parse(dedent(inspect.getsource(backward)))
    except (OSError, SyntaxError, TypeError, ValueError):
        return False
    taken = (each for each in ast.walk(tree) if isinstance(each, ast.Assign) and ast.unparse(each.value) == name)
    return any(isinstance(each.targets[0], ast.Tuple) and len(each.targets[0].elts) == count for each in taken)
