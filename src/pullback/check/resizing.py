"""The same layer at other sizes: axes of one size in the example stay axes of one size.

A large layer is diagnosed at a small size, and sums are tried at greater lengths. What sizes belong together is not
known: a guess is good if forward runs with it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.points import nearby
from pullback.check.problem import Problem, pack

Sizes = dict[int, int]
Shapes = list[tuple[int, ...]]
SMALL = (
    (3, 5, 4, 7, 6),
    (2, 3, 5, 7, 4),
    (2, 3, 4, 3, 4),
)  # for sizes in ascending order, from the smallest that changes
AWAY = (7, 5, 3, 2, 4), (9, 4, 5, 2, 3)  # sizes that a small example gets instead of its own, from the largest down
ENOUGH = 150  # numbers that go in or come out, at another shape
KEPT = 7, 4  # a size that is small already, such as that of a kernel; and if that is too many


def smaller(problem: Problem, fits: Callable[[Problem], bool]) -> Iterator[Problem]:
    """The same layer at sizes that fit, the likeliest first."""
    found = chain(
        (resized(problem, sizes) for sizes in guesses(problem)), (reshaped(problem, shapes) for shapes in cuts(problem))
    )
    known = set()
    for small in found:
        shapes = small and tuple(array.shape for array in small.arrays)
        if small is not None and shapes not in known and all(small.sizes) and fits(small):
            known.add(shapes)
            yield small


def guesses(problem: Problem) -> Iterator[Sizes]:
    """Sizes without a common divisor; or one that is a few times another stays so, as of the gates of an LSTM."""
    for kept, targets in product(KEPT, SMALL):
        present = sorted({n for array in problem.arrays for n in array.shape if n > kept})
        for together in (False, True) if present else ():
            fresh, found = cycle(targets), Sizes()
            for n in present:
                of = next((small for small in found if together and n in (2 * small, 3 * small, 4 * small)), None)
                found[n] = next(fresh) if of is None else n // of * found[of]
            yield found


def cuts(problem: Problem) -> Iterator[Shapes]:
    """The largest array alone becomes smaller, from its last axis on: an image, whatever its size has to do with the
    number of channels."""
    shapes = [array.shape for array in problem.arrays]
    k = max(range(len(shapes)), key=lambda each: prod(shapes[each]))
    for first in reversed(range(len(shapes[k]))):
        cut = [min(n, 4 - axis % 2) if axis >= first else n for axis, n in enumerate(shapes[k])]
        yield [*shapes[:k], tuple(cut), *shapes[k + 1 :]]
    if len(shapes[k]) > 1 and shapes[k][0] > 1:  # one example: what is wrong may need all of an image
        yield [*shapes[:k], (1, *shapes[k][1:]), *shapes[k + 1 :]]


def others(problem: Problem) -> list[Problem]:
    """The same layer at two other small shapes, as far as forward and backward run there."""
    found = [each for each in (away(problem, targets) for targets in AWAY) if each]
    alike = len(found) > 1 and [a.shape for a in found[0].arrays] == [a.shape for a in found[1].arrays]
    return found[:1] if alike else found


def away(problem: Problem, targets: Sequence[int]) -> Problem | None:
    """Each size becomes another, from the largest down; a size of one only where no other can change."""
    most = max(ENOUGH, *problem.sizes)
    shapes, found = [array.shape for array in problem.arrays], None
    for fresh in changes(shapes, targets):
        if sum(prod(fresh[part.place]) * part.width for part in problem.inputs) > most:
            continue  # to run it first, and then not to take it, would cost gigabytes
        each = reshaped(problem, fresh)
        if each is not None and all(each.sizes) and max(each.sizes) <= most and runs(each):
            shapes[:], found = fresh, each
    if found is not None:
        found.example[:] = nearby(found, np.random.default_rng(targets[0]), 1)
    return found


def changes(shapes: Shapes, targets: Sequence[int]) -> Iterator[Shapes]:
    """One size becomes another: its axes together, with those a few times as large, or else alone.

    The caller changes `shapes` where that has run.
    """
    first = list(shapes)
    present = sorted({n for shape in first for n in shape if n}, reverse=True)
    within = lambda n: any(n in shape for shape in shapes)
    for k, n in enumerate(present):
        if n == 1 and shapes != first:
            continue
        wanted = *targets[k % len(targets) :], *targets[: k % len(targets)], n + 1, n + 2, 2 * n
        for to in sorted((t for t in wanted if t != n and not within(t)), key=lambda t: t < n):
            for sizes in ({n: to}, {m: m // n * to for m in present if m % n == 0}):
                if within(n):
                    yield [tuple(sizes.get(m, m) for m in shape) for shape in shapes]
    for k, shape in enumerate(first):
        for axis, n in enumerate(shape):
            to = n + 1 if n == targets[0] else targets[0]
            if n > 1 and shapes[k][axis] == n:
                yield [(*s[:axis], to, *s[axis + 1 :]) if j == k else s for j, s in enumerate(shapes)]


def raised(problem: Problem) -> Exception | None:
    """What backward raises at the example."""
    try:
        problem.call(problem.cotangents(np.ones(problem.given_size)), problem.unpack(problem.example))
    except Exception as error:  # whatever their code does with sizes that it was not given
        return error
    return None


def runs(problem: Problem) -> bool:
    """Some backwards know the sizes of the example by heart."""
    try:
        found = problem.call(problem.cotangents(np.ones(problem.given_size)), problem.unpack(problem.example))
    except Exception:  # whatever their code does with sizes that it was not given
        return False
    count = len(problem.arrays if problem.mode == "vjp" else problem.first)
    return len(found) == count and all(np.shape(found[part.place]) == part.shape for part in problem.results)


def resized(problem: Problem, sizes: Sizes) -> Problem | None:
    """The layer with these sizes in the place of others; None if it does not run so."""
    return reshaped(problem, [tuple(sizes.get(int(n), int(n)) for n in array.shape) for array in problem.arrays])


def reshaped(problem: Problem, shapes: Shapes) -> Problem | None:
    """The layer at other shapes of its arrays; None if it does not run so."""
    before = [array.shape for array in problem.arrays]
    sizes = {n: to for shape, fresh in zip(before, shapes) for n, to in zip(shape, fresh)}
    if any(array.shape != shape and limits(array, sizes) for array, shape in zip(problem.arrays, shapes)):
        return None
    found = replaced(problem, [fitted(array, shape, sizes) for array, shape in zip(problem.arrays, shapes)])
    return found if found and [np.ndim(y) for y in found.first] == [np.ndim(y) for y in problem.first] else None


def replaced(problem: Problem, arrays: Sequence[NDArray[Any]], places: Sequence[int] | None = None) -> Problem | None:
    """The layer at other inputs, of which those at `places` are judged; None if it does not run so."""
    leaves = [leaf._replace(value=array) for leaf, array in zip(problem.adapted.leaves, arrays)]
    judged = [part.place for part in problem.inputs] if places is None else places
    found = Problem(problem.adapted._replace(leaves=leaves), judged, 0, problem.mode, problem.convention)
    found.called, found.grain = problem.called, problem.grain
    try:
        with np.errstate(all="ignore"):
            value = found.f(found.example) if found.single else pack(found.first, found.outputs)
            return found if np.isfinite(value).all() else None
    except Exception:  # whatever their code does with inputs that it was not given
        return None


def limits(array: NDArray[Any], sizes: Sizes) -> bool:
    """Are these ends of stretches of another array, in order? They are below no size, as labels or indices are, and
    other ones of them would mean something else."""
    integers = array.dtype.kind in "iu" and array.ndim == 1 and array.size > 1
    return bool(integers and np.all(np.diff(array) >= 0) and array[-1] > array[0] and array[-1] >= max(sizes))


def fitted(array: NDArray[Any], shape: tuple[int, ...], sizes: Sizes) -> NDArray[Any]:
    """The first elements along every axis, from the beginning again where there are too few; labels stay in range, and
    what is no label, such as -1 for one to ignore, stays as it is."""
    bound = min((n for n in sizes if n > np.max(array, initial=0)), default=None) if array.dtype.kind in "iu" else None
    for axis, (n, to) in enumerate(zip(array.shape, shape)):
        array = np.take(array, np.arange(to) % max(n, 1), axis) if n else array
    return array if bound is None else np.where(array < 0, array, array % sizes[bound])
