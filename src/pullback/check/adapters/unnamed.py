"""Gradients under names that nobody knows, as `self.updates = [dW, db]`: whose are they?

What a backward leaves in its object may be the gradient of a parameter of that shape. Among several of one shape the
names tell, if one has more in common with a parameter than all others; or else numbers, or the order of a list. What is
not right may be something else, such as a gradient on the way: it is believed to belong to a parameter only if it keeps
its shape where the inputs have another.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.check.adapters.code import contained
from pullback.check.adapters.gradients import bare, parts
from pullback.check.adapters.handing import contents
from pullback.check.adapters.holders import GRADIENT, Path, is_float, look, paths
from pullback.check.adapters.owners import Run, fresh, is_right

if TYPE_CHECKING:
    from pullback.check.adapters.classes import Held

Way = dict[Path, Path]  # parameter -> its gradient
Arrays = dict[Path, Any]

MOST = 20  # orders of gradients of one shape


def unnamed(held: "Held", parameters: Sequence[Path]) -> Way:
    """The gradients of these parameters, which no name tells, as far as they can be told."""
    found: Way = {}
    with suppress(Exception), contained(), np.errstate(all="ignore"):  # what does not run is not for us to say
        before, after, made = left_behind(held)
        kept = {path: before[path] for path in parameters if np.array_equal(before[path], after[path])}
        steady = of_one_shape(held, made) if kept and made else set()
        for some, gradients in groups(kept, made):
            found |= believed(held, ways(some, gradients), steady)
    return found


def left_behind(held: "Held") -> tuple[Arrays, Arrays, Arrays]:
    """The arrays in the layer before backward, those after it, and of these what it has made and does not return."""
    run = held.ran(held.given)
    above, before = drawn(run.output), arrays_in(held.after(run, held.given))
    own = held.given[: len(held.code.arguments.leaves)]
    returned = [gradient for _, gradient in parts(held.went_back(run, above, own))]
    after, others = arrays_in(run.layer), [*returned, *above]
    named = [look(run.layer, place) for place in held.slots.values() if place]
    made: dict[int, Path] = {}
    for path, value in after.items():
        same = lambda other, value=value: other is not None and np.array_equal(other, value)
        if not (same(before.get(path)) or any(map(same, others)) or any(value is each for each in named)):
            made.setdefault(id(value), path)
    return before, after, {path: after[path] for path in made.values()}


def arrays_in(layer: Any) -> Arrays:
    return {path: value for path, value in paths(layer, contents) if is_float(value)}


def drawn(outputs: Sequence[Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [np.asarray(rng.normal(size=y.shape)).astype(y.dtype) for y in outputs]


def of_one_shape(held: "Held", gradients: Arrays) -> set[Path]:
    """Those that have the same shape where the inputs have one more along an axis, if the layer takes that."""
    layers = []
    for inputs in longer(held.code.arguments.example()):
        with suppress(Exception), contained():
            run = held.ran([*inputs, *held.given[len(inputs) :]])
            held.went_back(run, drawn(run.output), inputs)
            layers.append(run.layer)
    alike = lambda path: all(np.shape(look(layer, path)) == gradients[path].shape for layer in layers)
    return {path for path in gradients if layers and alike(path)}


def longer(example: Sequence[Any]) -> Iterator[list[Any]]:
    """Along each axis of the first array, and in all arrays in which that axis has its size."""
    for axis, n in enumerate(example[0].shape):
        fits = lambda a, axis=axis, n=n: a.ndim > axis and a.shape[axis] == n
        yield [np.concatenate([a, a.take([-1], axis)], axis) if fits(a) else a for a in example]


def groups(parameters: Arrays, gradients: Arrays) -> Iterator[tuple[list[Path], list[Path]]]:
    """Those of one shape, but for axes of one."""
    loose = lambda array: tuple(n for n in np.shape(array) if n > 1)
    of = lambda arrays, shape: [path for path, array in arrays.items() if loose(array) == shape]
    for shape in dict.fromkeys(map(loose, parameters.values())):
        yield of(parameters, shape), of(gradients, shape)


def ways(parameters: Sequence[Path], gradients: Sequence[Path]) -> list[Way]:
    """To tell whose these are, which are all of one shape: the one that names tell, or else every one that there is."""
    named = [(parameter, namesake(parameter, gradients)) for parameter in parameters]
    told = {parameter: gradient for parameter, gradient in named if gradient is not None}
    if len(told) == len(set(told.values())) == len(parameters):
        return [told]
    if len(parameters) != len(gradients):
        return []
    return [dict(zip(parameters, some)) for some in islice(permutations(gradients), MOST)]


def namesake(parameter: Path, gradients: Sequence[Path]) -> Path | None:
    """The one whose name has more in common with it than that of any other."""
    shared = [in_common(parameter, each) for each in gradients]
    most = max(shared, default=0)
    return gradients[shared.index(most)] if most and shared.count(most) == 1 else None


def in_common(parameter: Path, gradient: Path) -> int:
    """Words of the one that are in the other, or begin as there: query, where the other has q."""
    others = words(gradient) - {*GRADIENT}
    return sum(
        any(word == each or each.isalpha() and word.startswith(each) for each in others) for word in words(parameter)
    )


def words(path: Path) -> set[str]:
    """layers.0.dW1 has layers, dw1, w1, of those the letters and the numbers by themselves, and 0 at its place."""
    names = [name for key in path if isinstance(key, str) for name in re.findall(r"[A-Za-z]+\d*|\d+", key)]
    names += [left for name in names for left in bare(name)]
    numbers = {f"{k}: {key}" for k, key in enumerate(path) if isinstance(key, int)}
    return numbers | {word.lower() for name in names for word in (name, *re.findall(r"[A-Za-z]+|\d+", name))}


def believed(held: "Held", several: Sequence[Way], steady: set[Path]) -> Way:
    """The only one; or that which is right, or the order of a list."""
    first = several[0] if several else {}
    sure = bool(first) and steady.issuperset(first.values()) and (len(several) == 1 or in_a_list(first))
    if sure and len(several) == 1:
        return first
    return next((way for way in several if fits(held, way)), first if sure else {})


def in_a_list(way: Way) -> bool:
    homes = {path[:-1] for path in way.values()}
    return len(homes) == 1 and all(isinstance(path[-1], int) for path in way.values())


def fits(held: "Held", way: Way) -> bool:
    """Are these the gradients of forward? Told from differences, and roughly."""
    slots, known = held.slots, len(held.given)
    arrays = [*held.given, *(np.array(look(held.layer, path)) for path in way)]
    held.slots = {**slots, **way}
    try:
        above = drawn(held.forward(*fresh(arrays)))
        found = held.backward(fresh(above), fresh(arrays))[known:]
        return is_right(Run(held.forward, arrays, above, list(found)), range(known, len(arrays)))
    finally:
        held.slots = slots
