"""Arrays of the same values in other places of memory give the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.problem import Problem, pack
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.shaken import digits

Array = NDArray[Any]
ROUNDING = 0.02  # in another order sums are rounded otherwise; a layout that is misread is off by more
MORE = 8  # times what rounding does to the gradient
ROOM = 64  # elements around, so that a stray read finds a number that is wrong, and not the end of the memory


def transposed(a: Array) -> Array:
    """The other order of axes in memory: Fortran's, or C's where it was Fortran's."""
    return np.array(a, order="F" if a.flags.c_contiguous else "C") if a.ndim > 1 else a


def spaced(a: Array) -> Array:
    """Every second element of something larger."""
    if not a.ndim or not a.size:
        return a
    room = np.full(2 * ROOM + 2 * a.size, 0.7, a.dtype)
    view = room[ROOM : ROOM + 2 * a.size].reshape(*a.shape[:-1], 2 * a.shape[-1])[..., ::2]
    view[...] = a
    return view


def reversed_(a: Array) -> Array:
    """Negative strides."""
    if not a.ndim or not a.size:
        return a
    room = np.full(2 * ROOM + 2 * a.size, 0.7, a.dtype)
    view = room[ROOM + a.size : ROOM + 2 * a.size].reshape(a.shape)[..., ::-1]
    view[...] = a
    return view


def expanded(a: Array) -> Array:
    """One number in every place, as `y.sum()` hands it down: no steps at all."""
    room = np.full(2 * ROOM + a.size, 0.7, a.dtype)
    room[ROOM] = a.ravel()[0] if a.size else 0
    return np.broadcast_to(room[ROOM : ROOM + 1].reshape((1,) * a.ndim), a.shape)


LAYOUTS: list[Callable[[Array], Array]] = [transposed, spaced, expanded, reversed_]
SAYS = {
    "transposed": "in the other order of memory, Fortran's or C's",
    "spaced": "strided",
    "expanded": "broadcast",
    "reversed_": "reversed",
}


def layout(problem: Problem, g: Array) -> list[Finding]:
    """Stops at the first that fails: code that takes one layout for another may write outside of its arrays."""
    plain = problem.b(problem.example, g)
    for dress in LAYOUTS:
        for what in ("g", "x"):
            if what == "x" and dress is expanded:
                continue
            above, inputs = problem.cotangents(g), problem.unpack(problem.example)
            if what == "g":
                above = [dress(a) for a in above]
            else:
                inputs = [dress(a) if a.dtype.kind in "fc" else a for a in inputs]
                if otherwise(problem, inputs):
                    continue
            copies = [np.ascontiguousarray(a).reshape(a.shape) for a in above]
            named = f"{'the gradient from above' if what == 'g' else 'an input'} is {SAYS[dress.__name__]}"
            try:
                wanted = packed(problem, copies, problem.unpack(problem.example)) if dress is expanded else plain
                found = packed(problem, above, inputs)
            except Exception as error:
                return [finding(problem, f"{named}: {type(error).__name__}: {error}")]
            scale = float(np.max(abs(np.nan_to_num(wanted)), initial=0)) + 1e-300
            with np.errstate(invalid="ignore"):
                gap = abs(np.nan_to_num(found, nan=np.inf) - np.nan_to_num(wanted, nan=np.inf))
            gap = np.where(np.isnan(gap), 0, gap)
            most = float(np.max(gap, initial=0))
            if most > ROUNDING * scale + problem.rounding(g) and most > MORE * shaken(problem, g, plain):
                return [finding(problem, f"another result where {named}", int(np.argmax(gap)), found, wanted)]
    return []


def otherwise(problem: Problem, inputs: list[Array]) -> bool:
    """Is forward itself another one for arrays in these places of memory? A mask that is drawn in their order is."""
    try:
        with np.errstate(all="ignore"):
            found = pack(problem.adapted.forward(*[np.array(a, a.dtype, order="K") for a in inputs]), problem.outputs)
    except Exception:  # that is forward's own
        return False
    here, found = (np.nan_to_num(y, posinf=0, neginf=0) for y in (problem.rounded(problem.example), found))
    return bool(np.max(abs(found - here), initial=0) > ROUNDING * np.max(abs(here), initial=0))


def shaken(problem: Problem, g: Array, plain: Array) -> float:
    """How much the gradient moves when every number that goes in is rounded otherwise: sums in another order do so."""
    signs = np.random.default_rng(7).choice([-1.0, 1.0], len(problem.example))
    moved = problem.b(problem.example * (1 + digits(problem) * signs), g)
    with np.errstate(invalid="ignore"):
        return float(np.max(np.nan_to_num(abs(moved - plain)), initial=0))


def packed(problem: Problem, above: list[Array], inputs: list[Array]) -> Array:
    return pack(problem.call(above, inputs), problem.results)


def finding(problem: Problem, says: str, k: int = 0, found: Any = None, wanted: Any = None) -> Finding:
    part = next(part for part in problem.results if part.begin <= k < max(part.end, 1))
    causes = (Cause("layout_stride", says, "use the strides of the array, or make it contiguous first"),)
    if found is None:
        return Finding(part.name, WRONG, causes=causes)
    values = float(found[k]), float(wanted[k])
    return Finding(part.name, WRONG, abs(values[0] - values[1]), 0.0, part.where(k), *values, causes=causes)
