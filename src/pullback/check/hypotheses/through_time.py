"""Steps of time, one after the other."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import NOTHING_SIMPLE, Evidence, Says
from pullback.check.hypotheses.sums import output_ignored
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


def steps(e: Evidence) -> tuple[Array, Array] | None:
    """By steps of the axis that is time: every one acts on its own output and on later ones, none on earlier ones."""
    for a, b in product(range(e.x.ndim), range(len(e.y_shape))):
        J, B = (look.blocks(M, e.x.shape, e.y_shape, a, b) for M in (e.J, e.B))
        if J is not None and B is not None and look.causal(J) and all(J[t, :, t].any() for t in range(len(J))):
            return (J, B) if e.in_time else None
    return None


def forwards(e: Evidence) -> Says:
    """What should come back from later steps comes from earlier ones."""
    both = steps(e)
    if both is None or not look.causal(both[1].transpose(2, 1, 0, 3)) or look.causal(both[1]):
        return None
    if np.ptp(e.J[e.some]) < 1e-6 or e.windowed:  # a sum of what came before is no recurrence, nor are windows on it
        return None
    return "the gradient goes forwards in time: steps of backward run in the wrong order"


def last_step_only(e: Evidence) -> Says:
    """Each step right by itself, and the way back through time missing or wrong."""
    both = steps(e)
    if both is None:
        return None
    J, B = both
    own = all(same(J[t, :, t], B[t, :, t]) for t in range(len(J)))
    return "right within every step of time; what a step does to later ones is missing or wrong" if own else None


def last_output_only(e: Evidence) -> Says:
    """Of all steps' gradients from above that of the last alone comes in."""
    if e.elementwise or not e.recurrent():
        return None
    for axis in range(len(e.y_shape)):
        last = np.zeros(e.y_shape, bool)
        np.moveaxis(last, axis, 0)[-1] = True
        rows = last.ravel()
        if rows.all() or nonzero(e.B)[~rows].any() or not e.some[~rows].any():
            continue
        if e.B[rows].any() and e.equal[rows].all():
            return "the gradient of the last step from above comes in, those of the others are lost"
    return None


def of_steps(e: Evidence) -> Says:
    """The state or the parameters of a layer whose other inputs are sequences."""
    text = f"in a layer of steps, each after the other: {NOTHING_SIMPLE}"
    return text if e.recurrent() and steps(e) is None else None


def steps_not_read(e: Evidence) -> Says:
    """Of a layer of steps: some gradients from above have no effect, and others too much."""
    return output_ignored(e) if e.recurrent() else None


def some_steps(e: Evidence) -> Says:
    both = steps(e)
    if both is None:
        return None
    J, B = both
    T = len(J)
    right = [all(same(J[t, :, s], B[t, :, s]) for t in range(T)) for s in range(T)]
    return "some steps of time are right, others not" if any(right) and not all(right) else None


def factors_swapped(e: Evidence) -> Says:
    """A product of matrices in the other order has the same eigenvalues."""
    n = e.J.shape[0]
    if n != e.J.shape[1] or n < 2 or n > 40 or e.elementwise or same(e.B, e.J) or look.elementwise(e.B):
        return None
    if look.rank(e.J) < n or nonzero(e.J).mean() < 0.5:
        return None
    same_spectrum = np.allclose(np.poly(e.J), np.poly(e.B), rtol=1e-5, atol=1e-7 * np.max(abs(e.J)))
    return "the same eigenvalues: the right factors, multiplied in the wrong order" if same_spectrum else None


def anything_dense(e: Evidence) -> Says:
    return f"in a layer of steps, each after the other: {NOTHING_SIMPLE}" if e.recurrent() else None
