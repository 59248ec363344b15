"""Which gradient belongs to which input: by name where they have names, else in order, else by shape."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf, is_array
from pullback.check.adapters.frameworks import to_numpy

# dW, d_W, g_W, grad_W, W_grad, gradW, gW and the like are gradients of W.
AFFIXES = [
    re.compile(affix)
    for affix in (
        r"_?(grads?|gradients?|bar)$|Grad(ient)?s?$",
        r"^(grads?|gradients?|d|g|delta)_(?=.)",
        r"^(grad|d)(?=.)",
        r"^g(?=\w{1,2}$)",
    )
]


def assigned(found: Any, leaves: Sequence[Leaf]) -> tuple[Any, ...]:
    """One gradient per leaf, None for those without one; as they were found, where that is not one each."""
    gradients = told_apart(found, leaves)
    if len(gradients) != len(leaves):
        return gradients
    return tuple(gradient if leaf.moves else None for gradient, leaf in zip(gradients, leaves))


def told_apart(found: Any, leaves: Sequence[Leaf]) -> tuple[Any, ...]:
    moving = [k for k, leaf in enumerate(leaves) if leaf.moves]
    if isinstance(found, list) and len(moving) == 1:
        found = whole(found, leaves[moving[0]])
    named = list(parts(found))
    gradients = [gradient for _, gradient in named]
    if all(name for name, _ in named) and (places := by_name([name for name, _ in named], leaves)):
        return spread(gradients, places, len(leaves))
    if len(gradients) == len(leaves):
        return tuple(gradients)
    if len(gradients) == len(moving):
        return spread(gradients, moving, len(leaves))
    owners = [k for k in moving if leaves[k].owns]
    if len(gradients) == len(owners):
        return spread(gradients, owners, len(leaves))
    if len(gradients) < len(moving) and (places := by_shape(gradients, leaves, moving)):
        return spread(gradients, places, len(leaves))
    return tuple(gradients)


def whole(found: list[Any], leaf: Leaf) -> Any:
    """A matrix of Python's own; or its rows one by one, where they make an array of the input's shape."""
    if is_array(found):
        return np.asarray(found)
    rows = [to_numpy(each) for each in found]
    alike = all(isinstance(each, np.ndarray) and each.shape == shape(leaf.value)[1:] for each in rows)
    return np.stack(rows) if rows and alike and (len(rows), *rows[0].shape) == shape(leaf.value) else found


def parts(found: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every gradient in tuples, lists and dicts, with its name if it has one."""
    found = to_numpy(found)
    if isinstance(found, dict):
        for key, item in found.items():
            yield from parts(item, str(key))
    elif (
        isinstance(found, tuple)
        or isinstance(found, list)
        and any(not isinstance(item, (int, float)) for item in found)
    ):
        for item in found:
            yield from parts(item, name)
    else:
        yield name, found if found is None else array_of(found)


def array_of(gradient: Any) -> Any:
    array = np.asarray(gradient)
    if array.dtype.kind in "USV" or array.dtype.kind == "O" and not array.ndim:
        raise TypeError(f"backward gives a {type(gradient).__name__} where a gradient should be: an array of numbers")
    return array


def bare(name: str) -> list[str]:
    """The names of what a gradient of this name may belong to: dW -> W."""
    return [left for affix in AFFIXES if (left := affix.sub("", name)) not in ("", name)]


def by_name(names: Sequence[str], leaves: Sequence[Leaf]) -> list[int]:
    """Where the inputs of these names stand; nothing where one of them is unknown."""
    known = {leaf.name: k for k, leaf in enumerate(leaves)}
    places = [next((known[each] for each in (name, *bare(name)) if each in known), -1) for name in names]
    return [] if -1 in places or len(set(places)) < len(places) else places


def by_shape(gradients: Sequence[Any], leaves: Sequence[Leaf], moving: Sequence[int]) -> list[int]:
    """The first inputs of fitting shapes, in order; nothing where one has none."""
    free, places = list(moving), []
    for gradient in gradients:
        fitting = [k for k in free if gradient is not None and shape(leaves[k].value) == gradient.shape]
        if not fitting:
            return []
        places.append(fitting[0])
        free = [k for k in free if k > fitting[0]]
    return places


def shape(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else np.shape(value)


def spread(gradients: Sequence[Any], places: Sequence[int], count: int) -> tuple[Any, ...]:
    found = dict(zip(places, gradients, strict=True))
    return tuple(found.get(k) for k in range(count))
