"""The whole gradient, changed in one way: lost, turned, scaled."""

import numpy as np

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import same

ROUNDING = 1e-12  # of the largest derivative


def vanishes(e: Evidence) -> Says:
    return "the gradient is zero" if not np.max(abs(e.B), initial=0) > 1e-9 * np.max(abs(e.J), initial=0) else None


def cancels(e: Evidence) -> Says:
    """Of probabilities less targets the sum is zero, but for rounding."""
    left = np.max(abs(e.B), initial=0)
    if not 0 < left < ROUNDING * np.max(abs(e.J), initial=0):
        return None
    return "the gradient is zero but for rounding: its terms cancel in a sum over one axis too many"


def right_elsewhere(e: Evidence) -> Says:
    """Of an elementwise layer other shapes say nothing, for they have other numbers: unless the last are off. Nor do
    they where it is right at this shape too, with other numbers."""
    if right_with_other_numbers(e):
        return None
    wrong = np.flatnonzero(~e.equal.all(0))
    scattered = e.elementwise and not np.array_equal(wrong, np.arange(e.x.size)[-len(wrong) :])
    return f"right at other shapes ({e.right_at[0]}): it hangs on this one" if e.right_at and not scattered else None


def right_with_other_numbers(e: Evidence) -> Says:
    """At a tie, or at a zero, in the example."""
    numbers = e.x.ravel()
    special = len(np.unique(numbers)) < len(numbers) or not numbers.all()
    if e.other is None or not special or not same(*e.other):
        return None
    return "right with other numbers: it hangs on those of your example, of which some are alike, or 0"


def moves_nothing(e: Evidence) -> Says:
    """A function in steps."""
    meant = "if that of another function is meant, say which, such as like='hardtanh'"
    text = f"forward stands still, or moves in steps: its derivative is zero, and this is not; {meant}"
    return text if not np.any(e.J) and np.any(e.B) else None


def flipped(e: Evidence) -> Says:
    return "the right gradient times -1" if same(e.B, -e.J) else None


def mixed_signs(e: Evidence) -> Says:
    differs = same(abs(e.B), abs(e.J)) and not same(e.B, e.J)
    return "right but for the sign, which is wrong in places" if differs else None


def sign_of_some(e: Evidence) -> Says:
    """Of all terms of one sign: what is subtracted is taken for added. To move them would do as well here."""
    there = e.other is None or same(abs(e.other[0]), abs(e.other[1]))
    off, signs = ~e.equal, np.sign(e.J)
    some = [np.array_equal(off, signs == sign) for sign in (-1, 1)]
    return mixed_signs(e) if there and any(some) and off.any() and e.equal[e.some].any() else None


def factor(e: Evidence) -> Says:
    c = look.constant_ratio(e.B, e.J)
    if c is None or same(e.B, e.J) or e.other is not None and not same(e.other[1], c * e.other[0]):
        return None
    known = next((name for name in named_factor(e) if name != "2"), "")
    return f"the right gradient times {c:.6g}" + (f" = {known}" if known else "")


def moving_factor(e: Evidence) -> Says:
    """One factor for all, and at another place another."""
    c = look.constant_ratio(e.B, e.J)
    there = None if e.other is None else look.constant_ratio(e.other[1], e.other[0])
    if c is None or there is None or np.isclose(c, there, rtol=1e-5) or e.J.shape == (1, 1):
        return None
    return f"the right gradient times {c:.6g}, and elsewhere times {there:.6g}: a factor that moves with the inputs"


def mean_of_some(e: Evidence) -> Says:
    """A mean over the examples that have a gradient at all, where forward's is over all, or the other way round."""
    places = (e.J, e.B), e.other or (e.B, e.B)
    c, there = (look.constant_ratio(B, J) for J, B in places)
    if c is None or there is None or e.other is None:
        return None
    for axis, n in enumerate(e.x.shape):
        some = [np.moveaxis(J.reshape(-1, *e.x.shape), 1 + axis, 0).reshape(n, -1).any(1).sum() for J, _ in places]
        ratios = n / np.maximum(some, 1)
        if some[0] < n and any(np.allclose([c, there], ratios**sign) for sign in (1, -1)):
            which = f"{some[0]} of {n} along axis {axis} of {e.name or 'x'}"
            return f"the right gradient times {c:.6g}: a mean over those that have a gradient, {which}, or over all"
    return None


def of_logits(e: Evidence) -> Says:
    """The gradient of what stands before: of logits, where forward takes their softmax, its logarithm, or a sigmoid."""
    if not e.x.ndim or e.x.size < 2 or not np.isfinite(e.x).all() or same(e.B, e.J, 1e-3):
        return None
    right = e.J.reshape(-1, *e.x.shape)
    given, x = e.B.reshape(right.shape), e.x
    for axis in range(x.ndim) if x.max() < 30 else ():
        total = lambda a, axis=axis: a.sum(axis - x.ndim, keepdims=True)
        if same(given, x * (right - total(right * x))):
            return "it is the gradient of logits: forward takes what softmax makes of them"
        if same(given, right - np.exp(x) * total(right)):
            return "it is the gradient of logits: forward takes what log_softmax makes of them"
    if x.min() > 0 and x.max() < 1 and same(given, right * x * (1 - x)):
        return "it is the gradient of logits: forward takes what a sigmoid makes of them"
    return None


def named_factor(e: Evidence) -> list[str]:
    """What the factor may be: a size of this shape, and of every other that was looked at, one of which has another."""
    found = sizes_like(look.constant_ratio(e.B, e.J), e)
    for other in e.others:
        also = sizes_like(look.constant_ratio(other.B, other.J), other)
        found = {name: sizes | also[name] for name, sizes in found.items() if name in also}
    known = lambda name, sizes: not e.others or len(sizes) > 1 or name.split()[-1] == "2"
    return [name for name, sizes in found.items() if known(name, sizes)]


def sizes_like(c: float | None, e: Evidence) -> dict[str, set[int]]:
    """By what it may be called, the size that it is made of."""
    sizes = {f"the size of axis {k} of the output": n for k, n in enumerate(e.y_shape) if n > 1}
    sizes |= {f"the size of axis {k} of the input": n for k, n in enumerate(e.x.shape) if n > 1}
    sizes |= {"the number of outputs": e.J.shape[0], "2": 2}
    found: dict[str, set[int]] = {}
    if c is None:
        return found
    for name, n in sizes.items():
        powers = (n**-1.0, f"1 / {name}"), (n, name), (n**-0.5, f"1 / sqrt of {name}"), (n**0.5, f"sqrt of {name}")
        known = *powers, *of_one_less(n, name)
        found |= {text: {n} for value, text in known if n > 1 and np.isclose(c, value, rtol=1e-6)}
    return found


def of_one_less(n: int, name: str) -> list[tuple[float, str]]:
    """A variance is divided by n in the one, by n - 1 in the other."""
    c, less = (n - 1) / n, f"for n = {name}"
    if n < 3 or name == "2":
        return []
    return [
        (c, f"(n - 1) / n {less}"), (1 / c, f"n / (n - 1) {less}"),
        (c**0.5, f"the root of (n - 1) / n {less}"), (c**-0.5, f"the root of n / (n - 1) {less}"),
    ]  # fmt: skip


def adjoint(e: Evidence) -> Says:
    """Of a permutation by data (sort), of an antisymmetric map (cross product), of any square matrix."""
    if e.J.shape[0] != e.J.shape[1] or same(e.J, e.J.T) or not same(e.B, e.J.T):
        return None
    return "the Jacobian itself is applied, not its transpose"


def index_adjoint(e: Evidence) -> Says:
    """Of a permutation, of places or by the numbers themselves (a sort)."""
    if adjoint(e) and look.selection(e.J):
        return "indices of the forward pass are used where their inverse is needed: scatter for gather"
    return None


def moved_axes(e: Evidence) -> Says:
    for order, rows in look.axes_moved(e.J, e.x.shape):
        if same(e.B, rows):
            return f"the axes of the right gradient are in the order {order}"
    return None


def another_axis(e: Evidence) -> Says:
    """A factor of an elementwise layer, spread along the wrong axis."""
    if e.diagonals is None or e.x.ndim < 2 or same(e.diagonals[0], np.full_like(e.diagonals[0], e.diagonals[0][0])):
        return None
    for order, moved in look.axes_moved(e.diagonals[0][None], e.x.shape):
        if same(e.diagonals[1], moved[0]):
            return f"the factor runs along the wrong axis: as if the axes were in the order {order}"
    return None
