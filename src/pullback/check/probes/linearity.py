"""A backward is linear in the gradient from above. One that is not ignores it, multiplies it twice, or adds to it.

Checkers that try one-hot gradients alone pass `g * g`, `|g|` and `relu(g)`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.points import finite, nearby
from pullback.check.problem import Part, Problem
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.structure import nonzero, same
from pullback.check.truth import fits, whole

Array = NDArray[Any]

LITTLE = 0.01  # of an ordinary gradient
MANY = 1000.0  # times an ordinary gradient from above


def linearity(problem: Problem, rng: np.random.Generator, first: Array) -> list[Finding]:
    n = problem.given_size
    one, two = rng.normal(size=n), rng.normal(size=n)
    b = lambda g: problem.b(problem.example, g)
    try:
        at_one, at_two, at_zero = b(one), b(two), b(np.zeros(n))
        pairs = [
            (b(one + two), at_one + at_two), (b(-2 * one), -2 * at_one), (at_zero, np.zeros_like(at_zero)),
            (b(np.full(n, 0.3)), 3 * b(np.full(n, 0.1))),
        ]  # fmt: skip
        large = b(MANY * one) / MANY  # what clips, clips this
        pairs += [(large, at_one)] if np.isfinite(large).all() else []
    except Exception as error:  # it has run for another gradient from above
        text = f"backward raises {type(error).__name__} for another gradient from above, such as zeros: {error}"
        return [Finding(problem.results[0].name, WRONG, causes=(Cause("contract_shape_dtype", text),))]
    findings = []
    for part in problem.results:
        own = slice(part.begin, part.end)
        if (lost := np.isfinite(at_one[own]) & ~np.isfinite(at_zero[own])).any():
            k = int(np.argmax(lost)) + part.begin
            findings.append(not_zero(part, k, at_zero, has_constant([(a[own], c[own]) for a, c in pairs[:2]])))
            continue
        if not all(np.isfinite(a[own]).all() and np.isfinite(c[own]).all() for a, c in pairs):
            continue
        scale = max(float(np.max(abs(c[own]), initial=0)) for a in pairs for c in a)
        gaps = [float(np.max(abs(a[own] - c[own]), initial=0)) for a, c in pairs]
        # Rounding in the last digits is no fault in single precision; in double it is that of a sum in less.
        if max(gaps) > (3e-3 if problem.single else 1e-7) * scale + problem.rounding(one) and scale > 1e-12:
            worst = pairs[int(np.argmax(gaps))]
            k = int(np.argmax(abs(worst[0][own] - worst[1][own]))) + part.begin
            causes = named(problem, part, one, two, at_one[own], at_two[own], at_zero[own], first)
            findings.append(
                Finding(
                    part.name, WRONG, max(gaps), 0.0, part.where(k), float(worst[0][k]), float(worst[1][k]), "", causes
                )
            )
    return findings


def has_constant(pairs: Sequence[tuple[Array, Array]]) -> bool:
    """Is there a term that nothing from above is multiplied with? b(g + h) lacks it once, beside b(g) + b(h), and
    b(-2 g) has it three times more than -2 b(g)."""
    (added, sum_of_two), (doubled, twice) = pairs
    once, thrice = sum_of_two - added, doubled - twice
    return same(thrice, 3 * once, 1e-6) and not same(added, sum_of_two, 1e-6)


def not_zero(part: Part, k: int, at_zero: Array, constant: bool) -> Finding:
    """Where nothing comes from above nothing goes on: what is masked out has a gradient of zero."""
    text = f"{at_zero[k]} for a gradient from above of zero, where it is a number for others"
    nan = Cause("singular_point_nan", text, "look for a case of its own for g == 0")
    causes: tuple[Cause, ...] = nan, Cause("edge_shape", text)
    if constant:
        ignored = f"a term is not multiplied by the gradient from above; {text}"
        causes = Cause("missing_upstream_grad", ignored, "multiply by the gradient from above: the chain rule"), nan
    return Finding(part.name, WRONG, np.inf, 0.0, part.where(k), float(at_zero[k]), 0.0, "your example", causes)


def named(
    problem: Problem, part: Part, one: Array, two: Array, b1: Array, b2: Array, b0: Array, first: Array
) -> tuple[Cause, ...]:
    returned = problem.call(problem.cotangents(one), problem.unpack(problem.example))[part.place]
    if np.asarray(returned).dtype.kind in "biu":
        text = f"the gradient is cut to whole numbers: it is {np.asarray(returned).dtype}"
        hint = "make its array of floats: np.zeros_like of integers is of integers"
        return (Cause("contract_shape_dtype", text, hint), Cause("wrong_local_derivative", text))
    if same(b1, b2, 1e-9):
        return without_upstream(problem, part, b1, first)
    truth = whole(problem, problem.example) if fits(problem) and problem.mode == "vjp" else None
    J = None if truth is None else truth.value[:, part.begin : part.end]
    b = lambda g: problem.b(problem.example, g)[part.begin : part.end]
    if saturates(b, one, two):
        text = "linear in small gradients from above, and not in large ones: they are cut off, or squashed"
        hint = "clip what the optimiser gets, not what backward hands on"
        return (Cause("missing_upstream_grad", text, hint), Cause("wrong_local_derivative", text))
    if (J is None or (nonzero(J).sum(0) > 1).any()) and rounded(problem, b, one):
        text = "right for single gradients from above, and not for many: they are summed in low precision"
        return (Cause("low_precision_accumulation", text, "sum in float32 or better"), Cause("cancellation", text))
    if np.max(abs(b0), initial=0) > 0:
        return something_added(problem, part, b0, b1)
    text = "the result is not linear in the gradient from above"
    if same(b(2 * one), 4 * b1, 1e-6):
        says = f"{text}: it is multiplied in twice"
        return (Cause("saved_wrong_tensor", says), Cause("missing_chain_factor", says))
    if same(b(-one), b1, 1e-6) or J is not None and same(abs(one @ J), b1, 1e-4):
        return (Cause("sign", f"{text}: its sign makes no difference"), Cause("wrong_local_derivative", text))
    if all(same(b(2 * g), 2 * b(g), 1e-6) for g in (one, two, -one)):
        text = f"{text}: where it is positive something else is done than where it is negative, as should be asked of x"
        return (Cause("saved_wrong_tensor", text), Cause("wrong_local_derivative", text))
    if same(b(2 * one), b1, 1e-6):
        return (Cause("missing_upstream_grad", f"{text}: its size makes no difference"), Cause("sign", text))
    return (
        Cause("saved_wrong_tensor", f"{text}: it stands where another array is meant"),
        Cause("missing_upstream_grad", text), Cause("aliasing_inplace", text),
    )  # fmt: skip


def saturates(b: Callable[[Array], Array], one: Array, two: Array) -> bool:
    """Of two small gradients from above the sum is right to the last digits: no precision is lost."""
    small = 1e-4
    added, alone = b(small * (one + two)), b(small * one)
    adds = same(added, alone + b(small * two), 1e-9) and same(alone, 2 * b(small / 2 * one), 1e-9)
    return adds and same(b(-small * one), -alone, 1e-9) and bool(added.any())


def rounded(problem: Problem, b: Callable[[Array], Array], g: Array) -> bool:
    """Odd, and linear for gradients from above that are zero but for two numbers: only long sums go wrong."""
    pair = np.zeros_like(g)
    pair[[0, -1]] = g[[0, -1]] + 1
    first, last = pair.copy(), pair.copy()
    first[-1:], last[:1] = 0, 0
    alone = [b(first), b(last)] if len(g) > 1 else [b(pair)]
    return (
        not b(0 * g).any() and same(b(-g), -b(g), 1e-9) and same(b(pair), sum(alone), 4e-3)
        and same(b(3 * first), 3 * alone[0], 4e-3)
    )  # fmt: skip


def without_upstream(problem: Problem, part: Part, b: Array, first: Array) -> tuple[Cause, ...]:
    """The gradient from above makes no difference at all."""
    text = "the gradient from above makes no difference"
    upstream = Cause("missing_upstream_grad", text, "multiply by the gradient from above: the chain rule")
    if fits(problem) and problem.mode == "vjp":
        wanted = (first @ whole(problem, problem.example).value)[part.begin : part.end]
        if same(b, wanted, 1e-4) and wanted.any():
            says = "the answer to the very first gradient from above is given to all: something is kept between calls"
            return Cause("stale_buffer", says, "compute it anew for every call"), upstream
        if same(b, whole(problem, problem.example).value.sum(0)[part.begin : part.end], 1e-4):
            return (replace(upstream, evidence=f"{text}: it is taken for ones"),)
    for name, values in tensors(problem):
        if values.size == b.size > 1 and same(values, b) and not same(values, np.ones_like(values)):
            saved = Cause("saved_wrong_tensor", f"what comes back is {name} itself", "the wrong array is returned")
            return saved, upstream
    ones = np.ones(problem.given_size)
    elsewhere = [problem.b(nearby_with_room(problem, k), ones)[part.begin : part.end] for k in (0, 1)]
    moves = not all(same(other, b) for other in elsewhere)
    stale = Cause("stale_buffer", f"{text}, nor do the inputs: a buffer that was never written")
    if not moves and (np.ptp(b) or same_as_zero(problem, part)):
        return Cause("saved_wrong_tensor", f"{text}, nor do the inputs"), stale, upstream
    if same_as_zero(problem, part):
        says = f"{text}, and the derivative is zero: what stood in its memory before is left there"
        stale = Cause("stale_buffer", says, "write to every element, zeros as well")
        return stale, Cause("mode_mismatch", says), upstream
    return upstream, Cause("mode_mismatch", text), stale


def tensors(problem: Problem) -> Iterator[tuple[str, Array]]:
    """All that forward takes and gives, flat."""
    outputs = ((part.name, problem.first[part.place]) for part in problem.outputs)
    for name, array in (*zip(problem.names, problem.arrays), *outputs):
        if np.asarray(array).dtype.kind == "f":
            yield name, np.asarray(array).ravel()


def same_as_zero(problem: Problem, part: Part) -> bool:
    if not fits(problem) or problem.mode == "jvp":
        return False
    return not np.max(abs(whole(problem, problem.example).value[:, part.begin : part.end]), initial=0) > 1e-9


def something_added(problem: Problem, part: Part, b0: Array, b1: Array) -> tuple[Cause, ...]:
    """A gradient of zero from above gives something."""
    zero = np.zeros(problem.given_size)
    elsewhere = [problem.b(nearby_with_room(problem, k), zero)[part.begin : part.end] for k in (0, 1)]
    if all(same(b0, other, 1e-9) for other in elsewhere):
        if same(b0, np.full_like(b0, b0[0]), 1e-9) and abs(b0[0]) < LITTLE * np.max(abs(b1 - b0)):
            text = f"{b0[0]:.3g} is added to every number, at any inputs and whatever comes from above"
            eps = Cause("missing_upstream_grad", text, "look for an eps outside of its brackets, a / (b + eps)")
            return eps, Cause("wrong_local_derivative", text), Cause("stale_buffer", text)
        if adds(problem, b0[0]) and same(b0, np.full_like(b0, b0[0]), 1e-9):
            text = f"where nothing comes from above {b0[0]:.3g} is added to every number, as forward does"
            names = "missing_upstream_grad", "wrong_local_derivative", "stale_buffer"
            return tuple(Cause(name, text) for name in names)
        text = "where nothing comes from above something is added, always the same: a buffer that was not cleared"
        stale = Cause("stale_buffer", text, "zero the buffer before it is summed into")
        return stale, Cause("edge_shape", text), Cause("missing_upstream_grad", text)
    text = "a term is not multiplied by the gradient from above"
    for name, values in tensors(problem):
        # where it stands, nothing of the gradient from above is
        alone = len(set(b0[b0 != 0])) > 1 and not (b1 - b0)[b0 != 0].any()
        if values.size == b0.size and alone and same(b0, np.where(b0 == 0, 0, values)):
            saved = Cause("saved_wrong_tensor", f"where the gradient from above is meant stands {name}")
            return saved, Cause("missing_upstream_grad", text)
    return Cause("missing_upstream_grad", text), Cause("missing_jacobian_term", text)


def adds(problem: Problem, c: float) -> bool:
    """Does forward add this number to all that it computes?"""
    zeros = np.zeros_like(problem.example)
    return finite(problem, zeros) and same(problem.f(zeros), np.full(problem.sizes[1], c), 1e-9)


def nearby_with_room(problem: Problem, k: int) -> Array:
    return nearby(problem, np.random.default_rng(k), k)
