"""What was handed to many comes back from one, from none, or from the wrong ones."""

from itertools import combinations

import numpy as np

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero, same


def summed_over(e: Evidence) -> Says:
    """Every element gets the sum (or the mean) over all of them, or over an axis."""
    given, right = (M.reshape(-1, *e.x.shape) for M in (e.B, e.J))
    for axes in [tuple(range(1, right.ndim)), *((k,) for k in range(1, right.ndim))]:
        spread = lambda a: np.broadcast_to(a, right.shape)
        if not axes or same(right, spread(right.mean(axes, keepdims=True))):
            continue
        for name, total in (("sum", right.sum(axes, keepdims=True)), ("mean", right.mean(axes, keepdims=True))):
            if same(given, spread(total)):
                return f"every element gets the {name} over axes {tuple(k - 1 for k in axes)} of the right gradient"
    return None


def summed_before(e: Evidence) -> Says:
    """Σ g Σ b in the place of Σ g b: what every output has of the input is summed (or averaged) before g comes in."""
    right = e.J.reshape(*e.y_shape, -1)
    axes_of_y = range(len(e.y_shape))
    for axes in [some for count in axes_of_y for some in combinations(axes_of_y, count + 1)]:
        if same(right, np.broadcast_to(right.mean(axes, keepdims=True), right.shape)):
            continue
        for name, total in (("sum", right.sum(axes, keepdims=True)), ("mean", right.mean(axes, keepdims=True))):
            if same(e.B, np.broadcast_to(total, right.shape).reshape(e.B.shape)):
                return f"the {name} over axes {axes} of the output is taken before the gradient from above comes in"
    return None


def one_slice(e: Evidence) -> Says:
    """Of what was handed to many outputs, the gradient of one comes back, or their mean."""
    if not look.broadcast(e.J) or not nonzero(e.B).any() or (nonzero(e.B) & ~e.some).any():
        return None
    kept, there = nonzero(e.B).sum(0), e.some.sum(0)
    if same(e.B[nonzero(e.B)], e.J[nonzero(e.B)]) and (kept < there).any():
        return f"only {int(kept.max())} of {int(there.max())} outputs that share the element send a gradient back"
    return None


def weighted_sum(e: Evidence) -> Says:
    if look.broadcast(e.J) and not same(e.B, e.J) and not (nonzero(e.B) & ~e.some).any():
        return "the outputs that share an element come back with weights, not as a plain sum"
    return None


def only_first_output(e: Evidence) -> Says:
    if e.J.shape[0] < 2 or nonzero(e.B[1:]).any() or (c := look.constant_ratio(e.B[0], e.J.sum(0))) is None:
        return None
    if np.isclose(c, 1):
        return "one number of the gradient from above is taken for all"
    return None if look.broadcast(e.J) else f"one number of the gradient from above is taken for all, times {c:.4g}"


def output_ignored(e: Evidence) -> Says:
    """Some gradients from above have no effect, and others too much."""
    if e.elementwise:
        return None
    silent = ~nonzero(e.B).any(1) & e.some.any(1)
    if silent.any() and not silent.all() and not e.equal[~silent].all():
        return "a part of the gradient from above is not read: the last is kept, or it is overwritten before its use"
    return None
