"""What may have been done to the right Jacobian J to get the one that backward implies, B: one fault, one function.

Each takes the evidence and says how it knows, or nothing. The order of the table is the order of belief: the more
special an explanation, the earlier; what fits everything comes last.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.faults import FAULTS
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


@dataclass
class Evidence:
    """Both Jacobians [output, input] of one input at one point, and at another where there are such."""

    J: Array
    B: Array
    x: Array  # the input, in its shape
    y_shape: tuple[int, ...]
    at: Callable[[Array], Array | None]  # the right Jacobian with another x (flat), if there is one
    y: Array  # the output, flat
    other: tuple[Array, Array] | None = None  # J and B elsewhere
    sizes: dict[str, int] | None = None  # names of sizes, for factors

    @cached_property
    def elementwise(self) -> bool:
        return look.elementwise(self.J)

    @cached_property
    def windowed(self) -> bool:
        return look.windowed(self.J, self.x.shape, self.y_shape)

    @cached_property
    def pooled(self) -> bool:
        """A selection by the numbers themselves, as of the largest in a window."""
        return look.selection(self.J) and not self.fixed

    @cached_property
    def fixed(self) -> bool:
        """Does J stay where it is when x moves: is the layer linear in this input?"""
        if self.other is None or not same(self.J, self.other[0], 1e-4):
            return False
        turned = self.at(self.x.ravel()[::-1])  # of a sort or a maximum, J stays until the order changes
        return turned is None or same(self.J, turned, 1e-4)

    @cached_property
    def ratio(self) -> Array:
        with np.errstate(all="ignore"):
            return np.where(self.some, self.B / np.where(self.some, self.J, 1), np.nan)

    @cached_property
    def some(self) -> Array:
        return nonzero(self.J)

    @cached_property
    def equal(self) -> Array:
        size = np.max(abs(self.J), initial=0)
        return np.asarray(abs(self.B - self.J) <= 1e-5 * size)

    @cached_property
    def diagonals(self) -> tuple[Array, Array] | None:
        """Of an elementwise layer whose backward is elementwise too."""
        if not self.elementwise or not look.elementwise(self.B):
            return None
        return np.diag(self.J), np.diag(self.B)


Says = str | None
Test = Callable[[Evidence], Says]


def vanishes(e: Evidence) -> Says:
    return "the gradient is zero" if not np.max(abs(e.B), initial=0) > 1e-9 * np.max(abs(e.J), initial=0) else None


def adjoint(e: Evidence) -> Says:
    """Of a permutation by data (sort), of an antisymmetric map (cross product), of any square matrix."""
    if e.J.shape[0] != e.J.shape[1] or same(e.J, e.J.T) or not same(e.B, e.J.T):
        return None
    return "the Jacobian itself is applied, not its transpose"


def index_adjoint(e: Evidence) -> Says:
    if adjoint(e) and look.selection(e.J) and e.fixed:
        return "indices of the forward pass are used where their inverse is needed: scatter for gather"
    return None


def flipped(e: Evidence) -> Says:
    return "the right gradient times -1" if same(e.B, -e.J) else None


def mixed_signs(e: Evidence) -> Says:
    return (
        "right but for the sign, which is wrong in places" if same(abs(e.B), abs(e.J)) and not same(e.B, e.J) else None
    )


def factor(e: Evidence) -> Says:
    c = look.constant_ratio(e.B, e.J)
    if c is None:
        return None
    known = named_factor(c, e)
    return f"the right gradient times {c:.6g}" + (f" = {known}" if known else "")


def named_factor(c: float, e: Evidence) -> str:
    sizes = {f"the size of axis {k} of the output": n for k, n in enumerate(e.y_shape) if n > 1}
    sizes |= {f"the size of axis {k} of the input": n for k, n in enumerate(e.x.shape) if n > 1}
    sizes |= {"the number of outputs": max(e.J.shape[0], 1), "2": 2}
    for name, n in sizes.items():
        for value, text in (
            (1 / n, f"1 / {name}"),
            (n, name),
            (n**-0.5, f"1 / sqrt of {name}"),
            (n**0.5, f"sqrt of {name}"),
        ):
            if n > 1 and np.isclose(c, value, rtol=1e-6):
                return text
    return ""


def evaluated_at_output(e: Evidence) -> Says:
    """J(y) where J(x) is meant: of a shape, or elementwise."""
    if e.x.size != e.y.size or e.fixed:
        return None
    there = e.at(e.y)
    return "the derivative is taken at the output, not at the input" if there is not None and same(e.B, there) else None


def holds_a_tensor(e: Evidence) -> Says:
    """x or y stands where a derivative should."""
    if e.diagonals is None:
        return None
    for name, values in (("the input", e.x.ravel()), ("the output", e.y)):
        if values.size > 1 and same(e.diagonals[1], values) and not same(values, np.full_like(values, values[0])):
            return f"the gradient from above is multiplied by {name} itself"
    return None


def shifted(e: Evidence) -> Says:
    if not e.elementwise or e.fixed:
        return None
    for c in (1.0, -1.0, 0.5, -0.5, 2.0, -2.0):
        there = e.at(e.x.ravel() + c)
        if there is not None and same(e.B, there):
            return f"the derivative is right for x {'+' if c > 0 else '-'} {abs(c):g}: a location at another value"
    return None


def scaled(e: Evidence) -> Says:
    if not e.elementwise or e.fixed:
        return None
    for c in (-1.0, 2.0, 0.5):
        there = e.at(e.x.ravel() * c)
        if there is not None and same(e.B, there):
            return f"the derivative is right for {c:g} x"
    return None


def another_axis(e: Evidence) -> Says:
    """A factor of an elementwise layer, spread along the wrong axis."""
    if e.diagonals is None or e.x.ndim < 2 or same(e.diagonals[0], np.full_like(e.diagonals[0], e.diagonals[0][0])):
        return None
    for order, moved in look.axes_moved(e.diagonals[0][None], e.x.shape):
        if same(e.diagonals[1], moved[0]):
            return f"the factor runs along the wrong axis: as if the axes were in the order {order}"
    return None


def first_slice(e: Evidence) -> Says:
    """An elementwise layer whose factor is that of the first step (example, channel) everywhere."""
    if e.diagonals is None or e.x.ndim < 2:
        return None
    right, given = (d.reshape(e.x.shape) for d in e.diagonals)
    for axis in range(e.x.ndim):
        for place in (0, -1):
            kept = np.broadcast_to(np.take(right, [place], axis), e.x.shape)
            if same(given, kept):
                return (
                    f"what belongs to {'the first' if place == 0 else 'the last'} place of axis {axis} is used for all"
                )
    return None


def unmasked(e: Evidence) -> Says:
    if e.diagonals is None:
        return None
    right, given = e.diagonals
    off = ~nonzero(right)
    constant = lambda d: same(d, np.full_like(d, d[0]))
    alike = off.any() and (~off).any() and e.fixed and constant(given) and constant(right[~off])
    return "a mask of the forward pass is not applied: what was dropped gets a gradient" if alike else None


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


def copied(e: Evidence) -> int | None:
    """All inputs get the gradient of one of them."""
    if e.J.shape[1] < 2 or not same(e.B, np.broadcast_to(e.B[:, :1], e.B.shape)):
        return None
    return next((k for k in range(e.J.shape[1]) if same(e.B[:, 0], e.J[:, k]) and nonzero(e.J[:, k]).any()), None)


def copied_place(e: Evidence) -> Says:
    k = copied(e)
    if k is None or not all(same(np.sort(column), np.sort(e.J[:, 0])) for column in e.J.T):
        return None
    return f"every element gets the gradient of element {k}"


def copied_tensor(e: Evidence) -> Says:
    k = copied(e)
    return None if k is None else f"the gradient of element {k} is given for all: copied and not changed"


def moved(e: Evidence) -> Says:
    """The right values in the wrong places."""
    if same(e.B, e.J) or not nonzero(e.B).any():
        return None
    columns = same(np.sort(e.B, 0), np.sort(e.J, 0)) or same(np.sort(e.B, 1), np.sort(e.J, 1))
    whole = same(np.sort(e.B[nonzero(e.B)]), np.sort(e.J[e.some])) and not same(nonzero(e.B) * 1.0, e.some * 1.0)
    return "the right values in the wrong places" if (columns or whole) and not e.elementwise else None


def moved_window(e: Evidence) -> Says:
    return f"{moved(e)}, of windows that slide" if moved(e) and (e.windowed or e.pooled) else None


def moved_axes(e: Evidence) -> Says:
    for order, rows in look.axes_moved(e.J, e.x.shape):
        if same(e.B, rows):
            return f"the axes of the right gradient are in the order {order}"
    return None


def slid(e: Evidence) -> Says:
    """Windows still, but not those: in another place, flipped, of another stride or dilation."""
    if not e.windowed or same(e.B, e.J):
        return None
    return "a layer of sliding windows, whose backward reads them elsewhere" if nonzero(e.B).any() else None


def pooled_elsewhere(e: Evidence) -> Says:
    if e.pooled and not same(e.B, e.J) and look.selection(e.B) and e.J.shape[0] < e.J.shape[1]:
        return "windows of which one element is taken; backward takes another"
    return None


def steps(e: Evidence) -> tuple[Array, Array] | None:
    J, B = (look.blocks(M, e.x.shape, e.y_shape) for M in (e.J, e.B))
    return (J, B) if J is not None and B is not None and look.causal(J) else None


def last_step_only(e: Evidence) -> Says:
    """Each step right by itself, and the way back through time missing or wrong."""
    both = steps(e)
    if both is None:
        return None
    J, B = both
    own = all(same(J[t, :, t], B[t, :, t]) for t in range(len(J)))
    return "right within every step of time; what a step does to later ones is missing or wrong" if own else None


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


def one_slice(e: Evidence) -> Says:
    """Of what was handed to many outputs, the gradient of one comes back, or their mean."""
    if not look.broadcast(e.J) or not nonzero(e.B).any() or (nonzero(e.B) & ~e.some).any():
        return None
    kept = nonzero(e.B).sum(0)
    if same(e.B[nonzero(e.B)], e.J[nonzero(e.B)]) and (kept < e.some.sum(0)).any():
        return (
            f"only {int(kept.max())} of {int(e.some.sum(0).max())} outputs that share the element send a gradient back"
        )
    return None


def weighted_sum(e: Evidence) -> Says:
    if look.broadcast(e.J) and not same(e.B, e.J) and not (nonzero(e.B) & ~e.some).any():
        return "the outputs that share an element come back with weights, not as a plain sum"
    return None


def diagonal_only(e: Evidence) -> Says:
    """The direct path alone: what goes through a mean, a variance, a sum of exponentials is missing."""
    square = e.J.shape[0] == e.J.shape[1]
    if square and look.elementwise(e.B) and not e.elementwise and nonzero(e.J).mean() > 0.2:
        return "every output is taken to depend on its own input alone"
    return None


def subset(e: Evidence) -> bool:
    given = nonzero(e.B)
    return bool(given.any() and (given & e.some == given).all() and (given < e.some).any() and e.equal[given].all())


def one_of_several(e: Evidence) -> Says:
    """Of several terms of a sum, the last (or first) that was written."""
    if not subset(e) or look.dense(e.J):
        return None
    terms, kept = e.some.sum(0), nonzero(e.B).sum(0)
    if (kept <= np.maximum(terms, 1)).all() and (kept[terms > 1] == 1).all() and (terms > 1).any():
        return "of the several terms of a sum only one is there: written over, not added"
    return None


def fewer_terms(e: Evidence) -> Says:
    return "some terms are missing, the others right" if subset(e) and not e.elementwise else None


def beyond(e: Evidence) -> bool:
    """Right where J has something, and something where it has nothing."""
    extra = nonzero(e.B) & ~e.some
    return bool(extra.any() and e.some.any() and e.equal[e.some].all())


def stray(e: Evidence) -> Says:
    """An index that points to the wrong place: what is too much does not depend on x."""
    if not beyond(e) or e.elementwise:
        return None
    extra = nonzero(e.B) & ~e.some
    moves = e.other is not None and not same(e.other[1][extra], e.B[extra], 1e-4)
    return None if moves else "elements that do not take part get a gradient"


def mask_ignored(e: Evidence) -> Says:
    if not beyond(e) or e.elementwise:
        return None
    return "elements that do not take part get a gradient: a mask, or an index to ignore, is ignored"


def wrong_where_zero(e: Evidence) -> Says:
    return "wrong where the derivative is zero" if beyond(e) and e.diagonals is not None else None


def training_statistics(e: Evidence) -> Says:
    """An elementwise layer with the backward of one that subtracts a mean."""
    if not e.elementwise or look.elementwise(e.B) or not e.J.any():
        return None
    rows = e.B.reshape(-1, *e.x.shape)
    for axis in range(1, rows.ndim):
        if rows.shape[axis] > 1 and np.max(abs(rows.sum(axis))) < 1e-6 * np.max(abs(rows)):
            return f"the gradient sums to zero over axis {axis - 1}, as in training; forward uses fixed statistics"
    return None


def only_first_output(e: Evidence) -> Says:
    if e.J.shape[0] > 1 and not nonzero(e.B[1:]).any() and same(e.B[0], e.J.sum(0)):
        return "one number of the gradient from above is taken for all"
    return None


def output_ignored(e: Evidence) -> Says:
    """Some gradients from above have no effect, and others too much."""
    silent = ~nonzero(e.B).any(1) & e.some.any(1)
    if silent.any() and not silent.all() and not e.equal[~silent].all():
        return "a part of the gradient from above is not read: overwritten before it was used"
    return None


def outputs_mixed(e: Evidence) -> Says:
    """One output's gradient goes the way of another's."""
    right = np.array([same(b, j) for b, j in zip(e.B, e.J)])
    if not right.any() or right.all() or len(right) > 60:
        return None
    taken = [any(same(b, j) for j in e.J) for b in e.B[~right]]
    return "the gradient of one output is sent the way of another's" if all(taken) else None


def chain_factor(e: Evidence) -> Says:
    """The right pattern, times something for every input or output."""
    if e.elementwise:
        return None
    off = np.eye(*e.J.shape) == 0
    mask = e.some & off if e.J.shape[0] == e.J.shape[1] else e.some
    if not mask.any() or (nonzero(e.B) & ~e.some).any() or not nonzero(e.B)[mask].any():
        return None
    if e.J.shape[0] > 1 and look.per_row(e.ratio, mask):
        return "the right pattern, times a factor for every output"
    if e.J.shape[1] > 1 and e.J.shape[0] > 1 and look.per_row(e.ratio.T, mask.T):
        return "the right pattern, times a factor for every input"
    return None


def low_rank(e: Evidence) -> Says:
    n = min(e.J.shape)
    if e.elementwise or n < 3:
        return None
    lost, has = look.rank(e.J - e.B), look.rank(e.J)
    if lost <= max(1, has // 2):
        return f"what is missing has rank {lost} (of {has}): a mean or a sum over an axis"
    return None


def of_one_output(e: Evidence) -> Says:
    if e.J.shape[0] == 1 and not (nonzero(e.B) & ~e.some).any():
        return "every element is off by a factor of its own"
    return None


def close(e: Evidence) -> Says:
    """Another approximation of the same function: near everywhere, right nowhere."""
    if e.diagonals is None:
        return None
    right, given = e.diagonals
    gap = abs(given - right)
    if right.size and gap.max() < 0.1 * abs(right).max() and (gap > 1e-7 * abs(right).max()).mean() > 0.6:
        return f"within {gap.max() / abs(right).max():.1%} everywhere: the derivative of another form of the function"
    return None


def factor_of_its_own(e: Evidence) -> Says:
    """Elementwise, and the ratio stays with the element when x moves: a factor that is no function of x."""
    if e.diagonals is None or e.other is None or e.fixed or not look.elementwise(e.other[1]):
        return None
    J, B = np.diag(e.other[0]), np.diag(e.other[1])
    here = e.some.diagonal() & nonzero(J)
    if here.any() and same(
        (e.diagonals[1] / np.where(here, e.diagonals[0], 1))[here], (B / np.where(here, J, 1))[here], 1e-3
    ):
        return "every element is off by a factor that does not move with x"
    return None


def local(e: Evidence) -> Says:
    return "elementwise, and another function of x" if e.elementwise else None


def anything_dense(e: Evidence) -> Says:
    return "the difference has no simple form" if not e.elementwise else None


TABLE: tuple[tuple[Test, tuple[str, ...]], ...] = (
    (vanishes, ("missing_jacobian_term", "missing_upstream_grad")),
    (index_adjoint, ("index_routing", "transpose_or_adjoint")),
    (adjoint, ("transpose_or_adjoint", "index_routing")),
    (flipped, ("sign",)),
    (factor, ("constant_factor", "reduction_broadcast")),
    (evaluated_at_output, ("saved_wrong_tensor",)),
    (another_axis, ("reduction_broadcast", "transpose_or_adjoint")),
    (unmasked, ("missing_chain_factor", "mode_mismatch")),
    (first_slice, ("bptt_time", "index_routing")),
    (holds_a_tensor, ("saved_wrong_tensor", "wrong_local_derivative")),
    (mixed_signs, ("sign", "wrong_local_derivative")),
    (shifted, ("mode_mismatch", "wrong_local_derivative")),
    (scaled, ("wrong_local_derivative", "sign")),
    (wrong_where_zero, ("wrong_local_derivative", "mode_mismatch")),
    (moved_axes, ("transpose_or_adjoint", "reduction_broadcast")),
    (only_first_output, ("missing_upstream_grad", "reduction_broadcast")),
    (copied_place, ("index_routing", "reduction_broadcast")),
    (copied_tensor, ("saved_wrong_tensor", "index_routing")),
    (summed_over, ("reduction_broadcast",)),
    (one_slice, ("reduction_broadcast", "overwrite_vs_accumulate")),
    (last_step_only, ("bptt_time", "missing_jacobian_term")),
    (diagonal_only, ("missing_jacobian_term",)),
    (one_of_several, ("overwrite_vs_accumulate", "index_routing")),
    (moved_window, ("conv_geometry", "index_routing")),
    (moved, ("index_routing", "transpose_or_adjoint")),
    (slid, ("conv_geometry", "index_routing")),
    (pooled_elsewhere, ("conv_geometry", "index_routing")),
    (training_statistics, ("mode_mismatch", "missing_jacobian_term")),
    (stray, ("index_routing", "mode_mismatch")),
    (mask_ignored, ("mode_mismatch", "index_routing")),
    (fewer_terms, ("index_routing", "overwrite_vs_accumulate", "missing_jacobian_term")),
    (factors_swapped, ("bptt_time", "transpose_or_adjoint")),
    (output_ignored, ("aliasing_inplace", "missing_jacobian_term", "overwrite_vs_accumulate")),
    (outputs_mixed, ("missing_chain_factor", "index_routing")),
    (weighted_sum, ("reduction_broadcast", "missing_chain_factor")),
    (chain_factor, ("missing_chain_factor",)),
    (low_rank, ("missing_jacobian_term", "missing_chain_factor")),
    (some_steps, ("bptt_time",)),
    (close, ("mode_mismatch", "wrong_local_derivative")),
    (factor_of_its_own, ("wrong_local_derivative", "missing_chain_factor", "higher_order")),
    (of_one_output, ("wrong_local_derivative", "missing_chain_factor", "overwrite_vs_accumulate")),
    (local, ("wrong_local_derivative", "saved_wrong_tensor", "missing_chain_factor")),
    (anything_dense, ("missing_jacobian_term", "missing_chain_factor", "overwrite_vs_accumulate")),
)  # fmt: skip


def surviving(e: Evidence) -> Iterator[tuple[str, str]]:
    """(class, evidence), the likeliest first; further classes of an explanation follow those of the others."""
    first, later = [], []
    for test, names in TABLE:
        says = test(e)
        if says:
            first.append((names[0], says))
            later += [(name, says) for name in names[1:]]
            if len(first) == 1:
                first += [(name, says) for name in names[1:2]]
    yield from first
    yield from later


def planted(e: Evidence, gradients: list[Array]) -> Iterator[tuple[str, str]]:
    """Faults of the table that plants them in tests."""
    for fault in FAULTS.values():
        pairs = [((g @ e.J).reshape(e.x.shape), g.reshape(e.y_shape), (g @ e.B).reshape(e.x.shape)) for g in gradients]
        if all(same(fault.spoil(right, above), given) for right, above, given in pairs):
            yield fault.cause, fault.says
