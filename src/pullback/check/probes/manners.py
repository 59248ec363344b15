"""What backward must leave alone, and that it answers the same question alike."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dense, dice
from pullback.check.points import whole
from pullback.check.probes.values import Comparison
from pullback.check.problem import Part, Problem, pack, real
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.structure import same
from pullback.check.truth import Truth, fits

Array = NDArray[Any]

MORE = 100  # times as much is left of a gradient ten thousand times as large: noise is not
LITTLE = 1e-3  # of the gradient next to it
TIMES, FEWEST = 16, 4  # that the same call is made again
NUMBERS = 8e6  # that may go in and come out then: of many, some differ soon
MARK = 7.25e7  # also in single precision


def mutation(problem: Problem, g: Array) -> list[Finding]:
    """Nothing that was handed over may change: gradients from above, inputs, and the outputs that others still use."""
    inputs, above = problem.unpack(problem.example), problem.cotangents(g)
    outputs = [np.asarray(y) for y in problem.adapted.forward(*inputs)]
    who = "forward" if changed(inputs, problem.unpack(problem.example)) else "backward"  # a cache needs both
    watched = [("the gradient from above", above), ("an input", inputs), ("the output of forward", outputs)]
    before = [[np.array(a) for a in arrays] for _, arrays in watched]
    problem.call(above, inputs)
    for (what, arrays), copies in zip(watched, before):
        if changed(arrays, copies):
            text = f"{who if arrays is inputs else 'backward'} writes to {what}"
            cause = Cause("aliasing_inplace", text, "work on a copy: others still need it")
            return [Finding(problem.results[0].name, WRONG, causes=(cause, Cause("overwrite_vs_accumulate", text)))]
    return []


def lasting(problem: Problem, g: Array) -> list[Finding]:
    """A result belongs to whoever asked for it: the next call, with another gradient from above, leaves it alone."""
    found = problem.call(problem.cotangents(g), problem.unpack(problem.example))
    copies = [np.array(a) for a in found]
    try:
        problem.call(problem.cotangents(-2 * g), problem.unpack(problem.example))
    except Exception:  # that is said elsewhere
        return []
    parts = [part for part in problem.results if changed([np.asarray(found[part.place])], [copies[part.place]])]
    text = "the next call writes over the gradient that this one gave: both are the same memory"
    cause = Cause("aliasing_inplace", text, "return a copy of a buffer that is kept")
    return [Finding(part.name, WRONG, causes=(cause, Cause("stale_buffer", text))) for part in parts]


def changed(arrays: Sequence[Array], copies: Sequence[Array]) -> bool:
    return any(not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") for a, b in zip(arrays, copies))


def repetition(problem: Problem, g: Array, rng: np.random.Generator) -> list[Finding]:
    """The same call gives the same; what is added up between calls is told from what is random."""
    times = int(np.clip(NUMBERS // sum(problem.sizes), FEWEST, TIMES))
    found = [problem.b(problem.example, g) for _ in range(3)]
    spread = lambda some: max(float(np.max(abs(a - b), initial=0)) for a, b in zip(some, some[1:]))
    size = float(np.max(abs(np.nan_to_num(found[0])), initial=0))
    small = (1e-3 if problem.single else 1e-6) * size + problem.rounding(g)
    if not np.isfinite(found).all():
        return []
    if spread(found) <= small:
        found += [problem.b(problem.example, g) for _ in range(times)]
        problem.b(problem.example, rng.normal(size=len(g)))
        found += [problem.b(problem.example, g)]
    if unwritten := never_written(problem):
        return unwritten
    if spread(found) <= small:
        return []
    steps = [b - a for a, b in zip(found, found[1:])]
    index = int(np.argmax(abs(np.stack(steps)).max(0)))
    part = next(part for part in problem.results if part.begin <= index < part.end)
    if len(found) == 3 and np.allclose(steps[0], steps[1], rtol=1e-6, atol=small):
        evidence, name, other = "every call adds the same to the result", "stale_buffer", "overwrite_vs_accumulate"
        hint = "clear the buffer before it is summed into"
    elif len(found) > 3 and spread(found[:-1]) <= small:
        evidence, name, other = (
            "the result changes after a call with another gradient",
            "stale_buffer",
            "aliasing_inplace",
        )
        hint = "what an earlier call left behind must not be read"
    elif MORE * left_behind(problem, g) < left_behind(problem, 1e4 * g):
        evidence, name, other = (
            "the same call gives different results, and for a gradient of zeros what earlier calls left behind",
            "stale_buffer",
            "race_nondeterminism",
        )
        hint = "clear the buffer before it is read"
    else:
        evidence, name, other = "the same call gives different results", "race_nondeterminism", "stale_buffer"
        hint = "two writers of one place, or random numbers that are not those of the forward pass"
    return [
        Finding(
            part.name, WRONG, spread(found), 0.0, part.where(index), float(found[1][index]), None,
            causes=(Cause(name, evidence, hint), Cause(other, evidence)),
        )
    ]  # fmt: skip


def left_behind(problem: Problem, g: Array) -> float:
    """What a call leaves to the next, which gets a gradient of zeros."""
    problem.b(problem.example, g)
    return float(np.max(abs(problem.b(problem.example, np.zeros_like(g))), initial=0))


def early(problem: Problem, g: Array) -> list[Finding]:
    """A backward that moves its parameters by a learning rate reads them for the last time before it does."""
    if problem.mode == "jvp" or problem.adapted.still is None:
        return []
    moved = problem.b(problem.example, g)
    still = pack(problem.adapted.still(problem.cotangents(g), problem.unpack(problem.example)), problem.inputs)
    parts = [part for part in problem.inputs if not np.allclose(part.of(moved), part.of(still), equal_nan=True)]
    text = "it depends on the learning rate: with 0 it is another; backward moves a parameter before it reads it"
    cause = Cause("aliasing_inplace", text, "compute all gradients first, and move the parameters then")
    return [worst(part, moved, still, cause) for part in parts]


def worst(part: Part, found: Array, wanted: Array, cause: Cause) -> Finding:
    """Wrong, and most so at one place."""
    index = part.begin + int(np.argmax(abs(part.of(found) - part.of(wanted))))
    error = float(abs(found[index] - wanted[index]))
    return Finding(part.name, WRONG, error, 0.0, part.where(index), float(found[index]), None, causes=(cause,))


def again(problem: Problem, g: Array) -> list[Finding]:
    """A second call, over what the first left behind, gives the same; what it keeps to itself, it may take apart."""
    if problem.mode == "jvp" or problem.adapted.again is None:
        return []
    plain = problem.b(problem.example, g)
    try:
        with np.errstate(all="ignore"):
            found = problem.adapted.again(problem.cotangents(g), problem.unpack(problem.example))
    except Exception:  # nobody says that it may be called twice
        return []
    for part in problem.inputs:
        first, gradient = part.of(plain), found[part.place]
        if gradient is None or np.shape(gradient) != first.shape or not np.isfinite(first).all():
            continue
        second = part.shaped(real(np.asarray(gradient), part.width == 2).ravel())
        gap = abs(second - first)
        if np.max(gap, initial=0) > (1e-3 if problem.single else 1e-6) * np.max(abs(first)) + problem.rounding(g):
            return [each for each in [differing(problem, part, first, second)] if each]
    return []


def right_at_first(problem: Problem, part: Part) -> bool:
    """What the first call gets wrong already, it is not for what an earlier one has left."""
    along = dense(dice(np.random.default_rng(5), part.end - part.begin), part.begin)
    truth = Truth(problem, problem.example, [along])
    g = np.where(truth.smooth_rows, np.random.default_rng(4).normal(size=problem.given_size), 0)
    return same(along.along(problem.b(problem.example, g)), truth.pulled(g)[0][0], LITTLE)


def differing(problem: Problem, part: Part, first: Array, second: Array) -> Finding | None:
    """Twice the same is a sum. Anything else was written over, unless forward has run once more: then it was left, if
    it was right before."""
    gap = abs(second - first)
    index = tuple(map(int, np.unravel_index(int(np.argmax(gap)), gap.shape)))
    names = "stale_buffer", "aliasing_inplace"
    if np.allclose(second, 2 * first, rtol=1e-6):
        text, hint = "a second backward gives the sum of both", "clear the buffer before it is summed into"
    elif problem.adapted.anew:
        if not right_at_first(problem, part):
            return None
        text = "forward and backward of the same object, once more, give something else: a number of the first is left"
        hint = "what an earlier call left behind must not be read"
    else:
        text = "a second backward gives something else: it writes to what forward kept"
        names, hint = names[::-1], "work on a copy of what is kept for backward"
    causes = Cause(names[0], text, hint), Cause(names[1], text)
    return Finding(
        part.name, WRONG, float(gap[index]), 0.0, index, second[index].item(), first[index].item(),
        causes=causes,
    )  # fmt: skip


def never_written(problem: Problem) -> list[Finding]:
    """Numbers that come back as fresh memory held them."""
    try:
        with fresh_memory_of(MARK):
            left = np.flatnonzero(problem.b(problem.example, np.ones(problem.given_size)) == MARK)
    except Exception:  # a compiler, say, that knows np.empty by another name
        return []
    if not left.size:
        return []
    part = next(part for part in problem.results if part.begin <= left[0] < part.end)
    text = f"{part.name}{list(part.where(left[0]))} is never written: what was in memory before comes back"
    hint = "np.empty holds anything: use np.zeros, or write to every element"
    return [Finding(part.name, WRONG, causes=(Cause("stale_buffer", text, hint), Cause("race_nondeterminism", text)))]


@contextmanager
def fresh_memory_of(mark: float) -> Iterator[None]:
    """Memory that nobody has written to holds anything; for the time being, this number."""
    libraries = [sys.modules[name] for name in ("numpy", "torch") if name in sys.modules]
    own = [(library, name, getattr(library, name)) for library in libraries for name in ("empty", "empty_like")]
    try:
        for library, name, make in own:
            setattr(library, name, partial(marked, make, mark))
        yield
    finally:
        for library, name, make in own:
            setattr(library, name, make)


def marked(make: Callable[..., Any], mark: float, *arguments: Any, **options: Any) -> Any:
    found = make(*arguments, **options)
    found[...] = mark if "float" in str(found.dtype) else 0
    return found


def remembered(problem: Problem, g: Array) -> bool:
    """Is a gradient that is right at the example wrong already next to it? Code without a memory cannot be: the
    example is like any other point, if its numbers are. Whole numbers may not be: a scale of 1, a shift of 0."""
    v = problem.example.copy()
    for part in problem.inputs:
        values = v[part.begin : part.end]
        if not whole(values):
            values *= 1 + 1e-3 * np.cos(np.arange(values.size))
    if not fits(problem):
        return False
    truth, before = Truth(problem, v), problem.b(problem.example, g)
    shows = lambda each: np.max(abs(each.part.of(before))) > LITTLE * abs(each.wanted)  # of 0, all is right
    moves = lambda part: truth.value[:, part.begin : part.end].any()
    wrong = Comparison(problem, truth, [g], example=False).found.values()
    return any(shows(each) and moves(each.part) for each in wrong)


def forward_repeats(problem: Problem) -> bool:
    """A forward that gives something else every time has no derivative to compare with."""
    first, second = problem.f(problem.example), problem.f(problem.example)
    return bool(np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True))
