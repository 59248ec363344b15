"""What is wrong with a gradient that is not the derivative: the fault is named by what it did to the right one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.gathering import gathered, repeated
from pullback.check.hypotheses import NOTHING_SIMPLE, Evidence, Explanation, planted, surviving
from pullback.check.leftover import left_over
from pullback.check.moves import dense, dice
from pullback.check.points import Point, nearby
from pullback.check.probes.manners import remembered
from pullback.check.probes.values import Mismatch
from pullback.check.problem import Part, Problem
from pullback.check.report import Cause
from pullback.check.shaken import digits
from pullback.check.structure import constant_ratio, nonzero, same
from pullback.check.truth import Truth, fits, whole

Array = NDArray[Any]

LARGE = 10.0  # from here on a number is large
LITTLE = 1e-4  # of a derivative: a change that explains less does so by chance
SLIGHT, EXACT = 0.02, 1e-8  # of a derivative: what rounding takes, and what is none
FEW = 1e-4  # a unit in the last place that only half precision has
BESIDE = 1e-3  # of a number and 1
HALF = 1e5  # above all numbers of half precision
TINY = 1e-6  # a derivative that has died out
DIGITS = {"bfloat16": 8, "float16": 11, "float32": 24}  # binary ones
SEVERAL = 3  # numbers that are so by no chance
FINITE = 0.4  # of the logarithm of the largest number: the square of an exponential of so much does not overflow

HINTS = {
    "singular_point_nan": "look for 0 / 0 and inf - inf, also in a branch that is not taken: np.where evaluates both",
    "overflow_large_input": "use the form whose exponential has a negative argument",
    "saved_wrong_tensor": "compare with the formula what is read: x, y, the gradient, or another gate's",
    "index_routing": "send a one-hot gradient through by hand, and see where it lands",
    "wrong_local_derivative": "differentiate the formula again, piece by piece",
    "missing_jacobian_term": "add what reaches the input another way: through a mean, a sum, or a further output",
    "missing_upstream_grad": "multiply by the gradient from above: the chain rule",
    "mode_mismatch": "forward and backward must use the same form, mode, mask and options",
    "conv_geometry": "check flips, stride, dilation, padding and what no window reaches",
    "reduction_broadcast": "what was broadcast forward is summed backward, over the same axes",
    "constant_factor": "look for a mean in the place of a sum, a missing 2, 1/N or scale",
    "kink_convention": "choose one member of the set; several ties share one gradient",
    "overwrite_vs_accumulate": "use += (np.add.at where indices repeat)",
    "sign": "check the sign of this term",
    "transpose_or_adjoint": "backward is the transpose: of a permutation its inverse, of A B it is Bᵀ Aᵀ",
    "missing_chain_factor": "one of the factors of the chain is missing, or there twice",
    "bptt_time": "what a step passes to the next comes back from it: add it before going on",
    "complex_conjugate": "mind which factor is conjugated; say `convention=` to check against one",
    "aliasing_inplace": "a buffer is overwritten before it was used for the last time",
    "cancellation": "use a form that does not subtract nearly equal numbers",
    "low_precision_accumulation": "sum in float32 or better",
}  # fmt: skip


def diagnose(
    problem: Problem,
    point: Point,
    mismatch: Mismatch,
    ordinary: bool,
    elsewhere: Iterable[Problem] = (),
    in_double: bool = False,
) -> tuple[Cause, ...]:
    """Classes of faults, the likeliest first. `ordinary`: the gradient is right at ordinary inputs; `elsewhere`: the
    same layer at other shapes, where what explains the fault here has to explain it too; `in_double`: it is right in
    double precision."""
    found = (Explanation(*each) for each in classes(problem, point, mismatch, ordinary, elsewhere, in_double))
    hint = lambda each: "" if NOTHING_SIMPLE in each.says else HINTS.get(each.name, "")  # none says more than is known
    named = [Cause(each.name, each.says, hint(each), each.guess, each.exact) for each in found]
    unique = {cause.name: cause for cause in reversed(named)}
    return tuple(unique[name] for name in dict.fromkeys(cause.name for cause in named))


def classes(
    problem: Problem,
    point: Point,
    mismatch: Mismatch,
    ordinary: bool,
    elsewhere: Iterable[Problem],
    in_double: bool,
) -> Iterable[tuple[Any, ...]]:
    if not mismatch.finite:
        yield from not_finite(problem, point, mismatch)
        return
    if mismatch.kind == "smooth" and (
        text := rounded(problem, point, mismatch) or of_few_digits(problem, point, mismatch)
    ):
        yield "low_precision_accumulation", text
        return
    if mismatch.kind == "smooth" and in_double:
        text = "right in double precision, and not in that of the input: digits are lost on the way"
        lost = "cancellation", "low_precision_accumulation"
        yield from ((name, text) for name in (lost if digits(problem) < FEW else lost[::-1]))
        return
    if mismatch.kind != "smooth":
        yield "kink_convention", "at a kink, and none of the derivatives that there are"
        yield "overwrite_vs_accumulate", "several ties take the whole gradient each"
    if ordinary and point.ties:
        yield "kink_convention", f"right at ordinary inputs, wrong with {point.where}: each of several takes all"
    if any(part.width == 2 for part in (*problem.inputs, *problem.outputs)):
        yield from conjugated(problem, point, mismatch)
    if ordinary and not point.coordinates and remembered(problem, mismatch.g):
        yield "stale_buffer", "right for the first inputs it was called with, and for no others: something is kept"
    if ordinary and not point.coordinates and first_answer(problem, point, mismatch):
        yield "stale_buffer", "the answer for the first inputs is given for others: something is kept between calls"
    if ordinary and abs(mismatch.found) < 1e-12 < abs(mismatch.wanted) and point.coordinates:
        if zero_beside(problem, point, mismatch):
            yield (
                "wrong_local_derivative",
                f"right at ordinary inputs, and zero here ({point.where}) and beside it, where the function is smooth",
            )
        yield "kink_convention", "zero at a special value, where the function is smooth"
        yield "wrong_local_derivative", "right at ordinary inputs, wrong at a special value"
    if abs(mismatch.found) < 1e-12 and overflown(problem, point, mismatch):
        name = "overflow_large_input" if exponential(problem, point) else "low_precision_accumulation"
        yield name, "zero, and right where all inputs are small: something overflows on the way"
    evidence = gathered(problem, point.v, mismatch.part)
    if evidence is None:
        yield from [] if problem.mode == "jvp" else sampled(problem, point, mismatch)
        return
    off = largest_part(evidence.B - evidence.J, evidence.J)
    if off < LITTLE:
        text = f"off by {off:.1e} of the largest, and no more: an eps that forward has in another place, say"
        names = "mode_mismatch", "wrong_local_derivative", "missing_jacobian_term"
        yield from ((name, text) for name in names if mismatch.kind == "smooth")  # at a kink another one is a choice
        return
    rng = np.random.default_rng(1)
    yield from exchanged(problem, point, mismatch)
    yield from sent_to_another(problem, point, mismatch)
    yield from lonely(problem, point, mismatch, evidence)
    if not ordinary and problem.mode == "vjp":
        remainder = problem.once("left over", point.v, lambda: left_over(problem, point.v))
        yield from [("edge_shape", remainder)] if remainder else []
    found = surviving(evidence, repeated([] if ordinary else elsewhere, evidence))
    known = [] if found and found[0].guess else found[:1]  # a planted fault that fits exactly says more than a guess
    yield from known
    if problem.mode == "vjp":
        yield from planted(evidence, list(rng.normal(size=(2, evidence.J.shape[0]))))
    yield from found[len(known) :]


def zero_beside(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Is what is zero at special numbers also zero a little away from them, to both sides?"""
    some = [k for k in point.coordinates if mismatch.part.begin <= k < mismatch.part.end]
    step = np.zeros(len(point.v))
    step[some] = BESIDE * (1 + abs(point.v[some]))
    return bool(some) and not any(problem.b(point.v + side * step, mismatch.g)[some].any() for side in (-1, 1))


def rounded(problem: Problem, point: Point, mismatch: Mismatch) -> str:
    """Is only a sum of gradients from above a little off, and none of them by itself?"""
    off = mismatch.weight / max(abs(mismatch.wanted), 1e-300)
    evidence = gathered(problem, point.v, mismatch.part) if off < SLIGHT and problem.mode == "vjp" else None
    if evidence is None or largest_part(evidence.B - evidence.J, evidence.J) > EXACT:
        return ""
    return f"right for every gradient from above by itself, and off by {off:.1e} for a sum of them: it rounds"


def of_few_digits(problem: Problem, point: Point, mismatch: Mismatch) -> str:
    """Is it only a little off, and every number that is returned one of a narrower type than the input's?"""
    part, own = mismatch.part, slice(mismatch.part.begin, mismatch.part.end)
    largest = np.max(abs(problem.b(point.v, mismatch.g)[own]), initial=0)
    if problem.mode == "jvp" or abs(mismatch.found - mismatch.wanted) > SLIGHT * largest:
        return ""
    given = problem.b(point.v, np.random.default_rng(5).normal(size=problem.given_size))[own]
    halves, _ = np.frexp(given[np.isfinite(given) & (given != 0)])
    for name, bits in DIGITS.items():
        if len(halves) >= SEVERAL and bits < digits_of(part) and not np.any(halves * 2.0**bits % 1):
            return f"every number of it is one of {name}, and the input is of more digits: it is computed in {name}"
    return ""


def digits_of(part: Part) -> int:
    return int(np.finfo(part.dtype).nmant) + 1


def largest_part(gap: Array, of: Array) -> float:
    """How large the gap is, by each number that goes in, beside the largest derivative by that."""
    sizes, largest = np.max(abs(gap), axis=0, initial=0), np.max(abs(of), axis=0, initial=0)
    return float(np.max(sizes / np.maximum(largest, 1e-300), initial=0))


def first_answer(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Does backward give here what was right at the example?"""
    own = slice(mismatch.part.begin, mismatch.part.end)
    if not fits(problem) or problem.mode == "jvp":
        return False
    first = whole(problem, problem.example).pulled(mismatch.g)[0][own]
    return bool(first.any()) and same(problem.b(point.v, mismatch.g)[own], first)


def exchanged(problem: Problem, point: Point, mismatch: Mismatch) -> Iterable[tuple[str, str]]:
    """The gradient of another input of this shape: of another gate's bias, of keys for queries."""
    own = mismatch.part
    others = [part for part in problem.inputs if part.shape == own.shape and part != own]
    if not others or problem.mode == "jvp":
        return
    truth = whole(problem, point.v)
    above = list(np.random.default_rng(4).normal(size=(2, problem.given_size)))
    pairs = [(truth.pulled(g)[0], own.of(problem.b(point.v, g))) for g in above]
    for other in others:
        alike = [same(other.of(right), given) for right, given in pairs]
        if all(alike) and not all(same(abs(own.of(right)), abs(given)) for right, given in pairs):  # no mere sign
            yield "index_routing", f"it is the gradient of {other.name}: the wrong one is returned, or stored"


def sent_to_another(problem: Problem, point: Point, mismatch: Mismatch) -> Iterable[tuple[str, str]]:
    """What this input lacks, or has too much of, another has too much of, or lacks: no part of it, but all."""
    own = mismatch.part
    others = [part for part in problem.inputs if part.shape == own.shape and part != own]
    if not others or problem.mode == "jvp":
        return
    truth = whole(problem, point.v)
    above = [np.where(truth.smooth_rows, g, 0) for g in np.random.default_rng(4).normal(size=(2, problem.given_size))]
    pairs = [(truth.pulled(g)[0], problem.b(point.v, g)) for g in above]
    for other in others:
        sent = [(own.of(given - right), other.of(right - given)) for right, given in pairs]
        moved = [nonzero(too_much) for too_much, _ in sent]
        all_of_it = all(
            not (nonzero(own.of(right)) & nonzero(own.of(given)))[where].any()
            for (right, given), where in zip(pairs, moved)
        )
        if all_of_it and all(where.any() for where in moved) and all(same(*each) for each in sent):
            yield (
                "index_routing",
                f"what {own.name} lacks, {other.name} has too much, or the reverse: sent to the wrong one",
            )


def lonely(problem: Problem, point: Point, mismatch: Mismatch, e: Evidence) -> Iterable[tuple[str, str]]:
    """Wrong in isolated places, where the input is 0."""
    wrong, zero = ~e.equal.all(0), e.x.ravel() == 0
    places = [e.J, *(e.other or ())[:1]]  # of a cosine, the right slope at 0 is 0, and elsewhere another number
    moves = any(nonzero(J)[:, zero].any() for J in places)  # a row of padding is all zeros, and has no say
    if wrong.any() and np.array_equal(wrong, zero) and not zero.all() and moves:
        what = "zero" if not e.B[:, wrong].any() else "wrong"
        yield "kink_convention", f"{what} where the input is 0, and right elsewhere: the function is smooth there"


def overflown(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Is what is zero here another number where the large inputs are a thousand times smaller?"""
    large, own = abs(point.v) > LARGE, slice(mismatch.part.begin, mismatch.part.end)
    if fits(problem) and problem.mode == "vjp":
        own = slice(mismatch.column, mismatch.column + 1)
    if not large.any() or problem.b(point.v, mismatch.g)[own].any():
        return False
    return bool(problem.b(np.where(large, point.v / 1000, point.v), mismatch.g)[own].any())


def exponential(problem: Problem, point: Point) -> bool:
    """Is a number so large that its exponential is none in this precision? In half of it a sum overflows sooner."""
    largest = min(float(np.finfo(part.dtype).max) for part in (*problem.inputs, *problem.outputs))
    return largest > HALF and (not problem.single or bool(np.max(abs(point.v)) > np.log(largest)))


def not_finite(problem: Problem, point: Point, mismatch: Mismatch) -> Iterable[tuple[str, str]]:
    """Large numbers overflow, special ones divide by zero: which is it? They may stand in another input than this."""
    big = (abs(point.v) > LARGE) & np.isfinite(point.v)
    text = f"{mismatch.found} where the derivative is {mismatch.wanted:.4g}"
    if big.any() and np.isfinite(point.v).all():
        clipped = lambda most: np.where(big, np.clip(point.v, -most, most), point.v)
        if np.isfinite(problem.b(clipped(2.0), mismatch.g)).all():
            largest = min(float(np.finfo(part.dtype).max) for part in (*problem.inputs, *problem.outputs))
            no_overflow = clipped(FINITE * np.log(largest))
            vanishes = abs(mismatch.wanted) < TINY * np.max(abs(mismatch.g))
            early = vanishes and not np.isfinite(problem.b(no_overflow, mismatch.g)).all()
            says = "finite when the large inputs are small"
            if early and overflows(problem, point, mismatch):
                early, says = False, f"{says}, and a number overflows on the way to it"
            elif early:
                says += ", and these are not so large that an exponential of them overflows: 0 times infinity, or 0 / 0"
            names = "overflow_large_input", "singular_point_nan"
            yield from ((name, f"{text}, and {says}") for name in (names[::-1] if early else names))
            return
    if nan_everywhere(problem, point, mismatch):
        yield "singular_point_nan", "nan everywhere, and so it is at other inputs, where nothing is special"
        return
    if bent(problem, point, mismatch):
        kink = f"{mismatch.found} where forward has no derivative, but a slope to each side"
        choice = "such as 0 at the zero of a norm (as PyTorch; JAX and TensorFlow give nan)"
        yield "singular_point_nan", f"{kink}: any number between them will do, {choice}"
        return
    yield "singular_point_nan", f"{text}: at a special value, such as 0, a tie or an empty row"
    yield "overflow_large_input", text


def bent(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Has forward a kink along this input, so that there is nothing that its gradient must be?"""
    at_kinks = fits(problem) and problem.mode != "jvp" and whole(problem, point.v).kink[:, mismatch.column]
    return bool(np.any(at_kinks))


def overflows(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Is the first thing that NumPy would warn of, in backward, that a number is too large?"""
    warned: list[str] = []
    with np.errstate(over="call", divide="call", invalid="call", call=lambda kind, flag: warned.append(kind)):
        problem.adapted.backward(problem.cotangents(mismatch.g), problem.unpack(point.v))
    return warned[:1] == ["overflow"]


def nan_everywhere(problem: Problem, point: Point, mismatch: Mismatch) -> bool:
    """Is there no other number in this gradient, here and at inputs that chance has chosen?"""
    own, away = slice(mismatch.part.begin, mismatch.part.end), nearby(problem, np.random.default_rng(2), 1)
    return (away != point.v).any() and all(np.isnan(problem.b(v, mismatch.g)[own]).all() for v in (point.v, away))


def conjugated(problem: Problem, point: Point, mismatch: Mismatch) -> Iterable[tuple[str, str]]:
    """Right for real numbers, or of the conjugate: then a conjugate is missing, or too much."""
    if problem.mode == "jvp":
        t = without_imaginary(problem.given, mismatch.g)
        if np.allclose(whole(problem, point.v).value @ t, problem.b(point.v, t), rtol=1e-5, atol=1e-8):
            yield "complex_conjugate", "right along real directions, wrong along imaginary ones"
    elif mismatch.part.width == 2:
        real, g = without_imaginary(problem.inputs, point.v), without_imaginary(problem.given, mismatch.g)
        own = slice(mismatch.part.begin, mismatch.part.end, 2)
        wanted, found = Truth(problem, real).pulled(g)[0][own], problem.b(real, g)[own]
        if np.allclose(wanted, found, rtol=1e-5, atol=1e-8):
            yield "complex_conjugate", "right where all numbers are real, wrong where they are complex"
    if mismatch.part.width == 2:
        yield from of_the_conjugate(problem, point, mismatch)


def of_the_conjugate(problem: Problem, point: Point, mismatch: Mismatch) -> Iterable[tuple[str, str]]:
    own, g = slice(mismatch.part.begin, mismatch.part.end), mismatch.g
    truth = whole(problem, point.v) if problem.mode == "jvp" else Truth(problem, point.v)
    right = lambda g: truth.value @ g if problem.mode == "jvp" else truth.pulled(g)[0]
    found, turned = problem.b(point.v, g)[own], conjugate(problem.given, g)
    back = lambda flat: conjugate(problem.results, flat)[own]
    for wanted, what in (
        (back(right(g)), "what is returned"),
        (right(turned)[own], "what comes in"),
        (back(right(turned)), "what comes in, and what is returned,"),
    ):
        if np.allclose(wanted, found, rtol=1e-5, atol=1e-8):
            yield "complex_conjugate", f"right but that {what} is conjugated"


def without_imaginary(parts: Sequence[Part], flat: Array) -> Array:
    found = flat.copy()
    for part in parts:
        if part.width == 2:
            found[part.begin + 1 : part.end : 2] = 0
    return found


def conjugate(parts: Sequence[Part], flat: Array) -> Array:
    return 2 * without_imaginary(parts, flat) - flat


def sampled(problem: Problem, point: Point, mismatch: Mismatch) -> Iterable[tuple[Any, ...]]:
    """Too large for Jacobians: what a few projections tell, along random directions for random gradients from above."""
    wanted, found = projections(problem, point.v, mismatch.part)
    c = constant_ratio(found, wanted)
    if not np.max(abs(found), initial=0) > 1e-9 * np.max(abs(wanted), initial=0):
        yield "missing_jacobian_term", "the gradient is zero"
    elif c is not None and not same(found, wanted):
        yield ("sign" if np.isclose(c, -1, rtol=1e-4) else "constant_factor"), f"the right gradient times {c:.6g}"
    alone = problem.alone or "at smaller sizes it shows no fault"
    text = f"a layer of this size is not taken apart, and {alone}: {NOTHING_SIMPLE}"
    yield "missing_jacobian_term", text, True


def projections(problem: Problem, v: Array, part: Part) -> tuple[Array, Array]:
    """What the gradient of one input should be and is, along directions in which it all moves."""
    rng = np.random.default_rng(3)
    truth = Truth(problem, v, [dense(dice(rng, part.end - part.begin), part.begin) for _ in range(3)])
    above = [np.where(truth.smooth_rows, rng.normal(size=problem.sizes[1]), 0) for _ in range(2)]
    return np.stack([truth.pulled(g)[0] for g in above]), np.stack([truth.measured(problem.b(v, g)) for g in above])
