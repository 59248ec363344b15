"""The derivative is right, but for other arguments: one is left out, turned round, or stands where another is meant.

Each test puts something else in the place of an argument of forward, and asks whether what backward gives is the
derivative there.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.hypotheses.evidence import Evidence, Says

Array = NDArray[Any]


def kept_wrongly(e: Evidence) -> Says:
    """Backward is right if another array stands where forward keeps one."""
    found = e.exchanges()
    return found.says if found and not found.factor else None


def kept_without_a_factor(e: Evidence) -> Says:
    """It is right if what forward keeps is multiplied by something else that is at hand."""
    found = e.exchanges()
    return found.says if found and found.factor else None


def left_out(e: Evidence) -> Says:
    """A factor of the chain: a weight, a scale, a gate."""
    return first(e, ((name, np.ones_like(a), f"as if {name} were 1: it is left out") for name, a in moving(e)))


def cut_off(e: Evidence) -> Says:
    return first(
        e, ((name, np.zeros_like(a), f"as if {name} were 0: what goes through it is missing") for name, a in moving(e))
    )


def twice(e: Evidence) -> Says:
    """Squared, or divided by where it must be multiplied."""
    return first(e, powers(e))


def powers(e: Evidence) -> Iterator[tuple[str, Array, str]]:
    for name, a in moving(e):
        yield name, a * a, f"{name} is multiplied in twice"
        if np.all(a):
            yield name, 1 / a, f"it is divided by {name}, not multiplied, or the other way round"


def conjugated(e: Evidence) -> Says:
    """Of a complex number that forward makes of two inputs, one for each part."""
    says = negated(e) if e.complex_within() else None
    return f"{says}, in code that computes with complex numbers: a conjugate is missing, or too much" if says else None


def negated(e: Evidence) -> Says:
    return first(e, ((name, -a, f"right for -{name}") for name, a in moving(e)))


def mask_forgotten(e: Evidence) -> Says:
    """What is on or off, and has no derivative."""
    masks = [(name, a) for name, a in e.partners.items() if np.isin(a, (0, 1)).all() and a.any() and not a.all()]
    return first(e, ((name, np.ones_like(a), f"{name} is not applied") for name, a in masks))


def transposed(e: Evidence) -> Says:
    """Axes of a parameter exchanged, where the sizes do not forbid it: in- and output channels."""
    return first(e, axes_exchanged(e))


def axes_exchanged(e: Evidence) -> Iterator[tuple[str, Array, str]]:
    for name, a in moving(e):
        for axis in range(a.ndim - 1):
            turned = a.swapaxes(axis, axis + 1).reshape(a.shape)
            yield name, turned, f"right for {name} with its axes {axis} and {axis + 1} exchanged"


def kernel_flipped(e: Evidence) -> Says:
    """The axes of a kernel are the last ones, and those of channels, two, come before them; some have it otherwise."""
    if not e.windowed:
        return None
    return first(e, flips(e, lambda a: range(max(min(2, a.ndim - 1), 0), a.ndim))) or first(
        e, flips(e, lambda a: range(a.ndim))
    )


def reversed_(e: Evidence) -> Says:
    return first(e, flips(e, lambda a: range(a.ndim)))


def flips(e: Evidence, axes_of: Callable[[Array], range]) -> Iterator[tuple[str, Array, str]]:
    for name, a in moving(e):
        axes = axes_of(a)
        for some in [*((k,) for k in axes), *(tuple(axes)[k:] for k in range(len(axes) - 1))]:
            yield name, np.flip(a, some), f"right for {name} reversed along {some}"


def a_step_off(e: Evidence) -> Says:
    """Of a layer that takes steps along the first axis: what belongs to one is read in the next, or the one before."""
    steps = e.y_shape[0] if e.y_shape and e.recurrent() else 0
    return first(e, ((name, a, says) for name, a, says in off_by_some(e, 1) if a.shape[:1] == (steps,)))


def rolled(e: Evidence) -> Says:
    """Blocks of a parameter in another order: gates, groups, rows off by one."""
    return first(e, off_by_some(e))


def off_by_some(e: Evidence, axes: int | None = None) -> Iterator[tuple[str, Array, str]]:
    """Moved along all axes, or along the first of them."""
    for name, a in e.partners.items():
        if a.dtype.kind in "iu":
            yield name, np.maximum(a - 1, 0), f"right for {name} - 1"
            continue
        for axis, n in enumerate(np.shape(a)[:axes]):
            for step in sorted({1, -1, n // 2} - {0}):
                yield name, np.roll(a, step, axis), f"right for {name} moved by {step} along axis {axis}"


def another(e: Evidence) -> Says:
    """An argument or the output where another argument of that shape is meant."""
    return first(e, exchanges(e))


def exchanges(e: Evidence) -> Iterator[tuple[str, Array, str]]:
    for name, a in e.arguments.items():
        for other, b in {**e.arguments, **e.results}.items():
            if (
                other != name
                and np.shape(a) == np.shape(b)
                and np.size(a) > 1
                and a.dtype.kind == np.asarray(b).dtype.kind
            ):
                yield name, np.asarray(b), f"{other} stands where {name} is meant"


def moving(e: Evidence) -> list[tuple[str, Array]]:
    return [(name, a) for name, a in e.partners.items() if a.dtype.kind == "f"]


def first(e: Evidence, changes: Iterator[tuple[str, Array, str]]) -> Says:
    """The first change that explains the gradient."""
    if not e.partners or not e.B.any():
        return None
    tried = (says for name, array, says in changes if e.fits_with({name: array.astype(e.arguments[name].dtype)}))
    return next(tried, None)
