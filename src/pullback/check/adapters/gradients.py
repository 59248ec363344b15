"""Which gradient belongs to which input: by name where they have names, else in order, else by shape."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import permutations
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf, is_array
from pullback.check.adapters.containers import attributes, contents, flat, is_named, is_record
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


MOST = 4  # arguments whose gradients may stand in any order


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
    if any(len(leaf.path) > 1 for leaf in leaves) and all(leaf.argument for leaf in leaves):
        if (placed := in_their_places(found, leaves)) is not None:
            return placed
        gradients = by_arguments(found, gradients, leaves)
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
    """Every gradient in tuples, lists, dicts and records, with its name if it has one."""
    found = to_numpy(found)
    if not isinstance(found, np.ndarray) and (isinstance(found, Mapping) or is_record(found) or holds_arrays(found)):
        for key, item in gradients_in(found):
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


def holds_arrays(value: Any) -> bool:
    """An object of any kind in which there are gradients."""
    return any(is_array(to_numpy(part)) for part in attributes(value).values())


def keyed(value: Any) -> list[tuple[Any, Any]]:
    """Of a container, or of any other object."""
    return contents(value) or list(attributes(value).items())


def gradients_in(value: Any) -> list[tuple[Any, Any]]:
    """Of an object what is, or holds, an array: the rest is no gradient, but a setting that goes along."""
    is_gradient = lambda part: part is None or any(isinstance(to_numpy(each), ARRAYS) for each in flat(part))
    return [(key, part) for key, part in keyed(value) if isinstance(value, Mapping) or is_gradient(part)]


ARRAYS = np.ndarray, np.generic


def in_their_places(found: Any, leaves: Sequence[Leaf]) -> tuple[Any, ...] | None:
    """Each gradient where its input stands among the arguments, as {"w": gw} for {"w": w}; None where they stand
    otherwise."""
    count = sum(gradient is not None for _, gradient in parts(found))
    for places in placings(found, leaves):
        with suppress(LookupError):
            gradients = [standing(places.get(leaf.path[0]), leaf) for leaf in leaves]
            if sum(gradient is not None for gradient in gradients) >= count:
                return tuple(gradients)
    return None


def placings(found: Any, leaves: Sequence[Leaf]) -> Iterator[dict[int, Any]]:
    """The ways to read what backward gives as something for each argument: for all of them, for those that are or hold
    arrays, for those with a derivative, or for arrays alone; or by their names."""
    of = lambda some: list(dict.fromkeys(leaf.path[0] for leaf in some))
    moving = [leaf for leaf in leaves if leaf.moves]
    alone = [leaf for leaf in moving if len(leaf.path) == 1]
    for homes in (list(range(leaves[-1].path[0] + 1)), of(leaves), of(moving), of(alone)):
        if type(found) in (tuple, list) and len(found) >= len(homes):
            yield dict(zip(homes, found))
        if len(homes) == 1:
            yield {homes[0]: found}
    if isinstance(found, Mapping) or is_record(found):
        yield {leaf.path[0]: part_of(found, leaf.argument) for leaf in leaves}


def standing(gradient: Any, leaf: Leaf) -> Any:
    """What stands in the gradient of an argument where the leaf stands in the argument."""
    for key in leaf.path[1:]:
        gradient = part_of(gradient, key)
    gradient = to_numpy(gradient)
    if contents(gradient) and not is_array(gradient):
        raise LookupError(leaf.path)
    return gradient if gradient is None else array_of(gradient)


def part_of(gradient: Any, key: Any) -> Any:
    """That of a key, w or dw; None where there is no such name."""
    known = dict(keyed(gradient))
    if key in known:
        return known[key]
    if is_named(gradient) and isinstance(key, int):
        return gradient[key]
    if gradient is not None and not known or type(gradient) in (tuple, list):
        raise LookupError(key)
    alike = [each for each in known if isinstance(key, str) and key in bare(str(each))]
    return known[alike[0]] if len(alike) == 1 else None


def by_arguments(found: Any, gradients: list[Any], leaves: Sequence[Leaf]) -> list[Any]:
    """One after the other, of what is in a container too, in whatever order of the arguments they fit: nobody has said
    in which."""
    owners = [k for k, leaf in enumerate(leaves) if leaf.moves or len(gradients) == len(leaves)]
    together: dict[int, list[int]] = {}
    for k in owners:
        together.setdefault(leaves[k].path[0], []).append(k)
    if len(gradients) != len(owners) or len(together) > MOST or any(contents(to_numpy(part)) for part in found):
        return gradients
    fits = lambda k, gradient: gradient is None or np.shape(gradient) == shape(leaves[k].value)
    for some in permutations(together.values()):
        order = [k for each in some for k in each]
        if all(map(fits, order, gradients)):
            return [gradient for _, gradient in sorted(zip(order, gradients), key=lambda each: each[0])]
    return gradients


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
