"""The same layer at other sizes: axes of one size in the example stay axes of one size.

A large layer is diagnosed at a small size, and sums are tried at greater lengths. What sizes belong together is not
known: a guess is good if forward runs with it.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.problem import Problem, pack

Sizes = dict[int, int]
SMALL = (
    (3, 5, 4, 7, 6),
    (2, 3, 5, 7, 4),
    (2, 3, 4, 3, 4),
)  # for sizes in ascending order, from the smallest that changes
KEPT = 7  # a size that is small already, such as that of a kernel


def smaller(problem: Problem, fits: Callable[[Problem], bool]) -> Problem | None:
    """The same layer at the first sizes that fit."""
    found = (resized(problem, sizes) for sizes in guesses(problem))
    return next((small for small in found if small is not None and all(small.sizes) and fits(small)), None)


def guesses(problem: Problem) -> Iterator[Sizes]:
    """Sizes without a common divisor; or one that is a few times another stays so, as of the gates of an LSTM."""
    present = sorted({n for array in problem.arrays for n in array.shape if n > KEPT})
    for targets in SMALL:
        for together in (False, True):
            fresh, found = cycle(targets), Sizes()
            for n in present:
                of = next((small for small in found if together and n in (2 * small, 3 * small, 4 * small)), None)
                found[n] = next(fresh) if of is None else n // of * found[of]
            yield found


def resized(problem: Problem, sizes: Sizes) -> Problem | None:
    """The layer with these sizes in the place of others; None if it does not run so."""
    arrays = [fitted(array, sizes) for array in problem.arrays]
    leaves = [leaf._replace(value=array) for leaf, array in zip(problem.adapted.leaves, arrays)]
    places = [part.place for part in problem.inputs]
    found = Problem(problem.adapted._replace(leaves=leaves), places, 0, problem.mode, problem.convention)
    found.called = problem.called
    try:
        with np.errstate(all="ignore"):
            alike = [np.ndim(y) for y in found.first] == [np.ndim(y) for y in problem.first]
            value = found.f(found.example) if found.single else pack(found.first, found.outputs)
            return found if alike and np.isfinite(value).all() else None
    except Exception:  # whatever their code does with sizes that it was not given
        return None


def fitted(array: NDArray[Any], sizes: Sizes) -> NDArray[Any]:
    """The first elements along every axis, from the beginning again where there are too few; labels stay in range."""
    bound = min((n for n in sizes if n > np.max(array, initial=0)), default=None) if array.dtype.kind in "iu" else None
    for axis, n in enumerate(array.shape):
        array = np.take(array, np.arange(sizes.get(n, n)) % max(n, 1), axis) if n else array
    return array if bound is None else array % sizes[bound]
