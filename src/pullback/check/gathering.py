"""The evidence on one input: the right Jacobian and the one that backward implies, at the example and elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.exchange import mistaken
from pullback.check.hypotheses import Evidence
from pullback.check.mending import mends
from pullback.check.moves import Move, coordinate, dense, dice
from pullback.check.points import nearby
from pullback.check.problem import Part, Problem
from pullback.check.resizing import replaced
from pullback.check.steps import mistakes
from pullback.check.steps.carried import hands_on
from pullback.check.steps.tape import ALONE, Tape, ran
from pullback.check.structure import same
from pullback.check.truth import Truth, fits, implied, whole

Array = NDArray[Any]
T = TypeVar("T")

PATIENCE = 2.0  # seconds of work, whatever else the machine does, for other arguments in the place of those of forward
ROWS = 400  # gradients from above that are tried one by one
ROWS_ALONE = 2000  # where a fault shows at no smaller size
NUMBERS = 40  # of an argument that are moved one by one
SHARES = 3, 12  # outputs that are looked at then, and numbers of the input
ROUGH = 1e-3  # a difference that is none of rounding
AXES = 8  # all orders of more would be too many to try


def taken_apart(problem: Problem) -> bool:
    """Is it small enough for both Jacobians?"""
    axes = max(len(part.shape) for part in (*problem.inputs, *problem.outputs))
    return fits(problem) and problem.given_size <= (ROWS_ALONE if problem.alone else ROWS) and axes <= AXES


def careful(call: Callable[..., T], otherwise: T) -> Callable[..., T]:
    """Whatever their code does with inputs that it was not given."""

    def tried(*arguments: Any) -> T:
        try:
            return call(*arguments)
        except Exception:
            return otherwise

    return tried


def gathered(problem: Problem, v: Array, part: Part) -> Evidence | None:
    """Both Jacobians, if they are small enough."""
    if not taken_apart(problem):
        return None
    if problem.mode == "jvp":
        return None if len(problem.inputs) > 1 or len(problem.outputs) > 1 else pushed(problem, v)
    own = slice(part.begin, part.end)
    tried: dict[Any, bool] = {}
    spent: list[float] = []
    known: dict[bytes, Array | None] = {}

    def jacobians(w: Array) -> tuple[Array, Array]:
        truth = whole(problem, w)
        B = implied(problem, w)[:, own]
        return settled(truth, B, own), B

    def moved(x: Array) -> Array:
        w = v.copy()
        w[own] = x
        return w

    def at(x: Array) -> Array | None:
        """Several explanations ask for the same place, each again when other shapes are there."""
        key = x.tobytes()
        if key not in known:
            known[key] = jacobian_at(x)
        return known[key]

    def jacobian_at(x: Array) -> Array | None:
        if x.size != part.end - part.begin:
            return None
        truth = Truth(problem, moved(x), [coordinate(k) for k in range(part.begin, part.end)])
        vague = ~np.isfinite(truth.value) | truth.unknown
        return None if vague.any() else truth.value[rows]

    def alike_at(x: Array, M: Array) -> bool:
        """Told from one direction where that says no, and else from all."""
        if x.size != part.end - part.begin:
            return False
        along, _ = given_along()
        truth = Truth(problem, moved(x), [along])
        known = np.isfinite(truth.value).all() and not (truth.unknown | truth.kink).any()
        if known and not same(truth.value[rows, 0], M @ along.of(np.zeros(len(v)), 1.0)[own], ROUGH):
            return False
        there = at(x)
        return there is not None and same(M, there)

    def both_at(x: Array) -> tuple[Array, Array] | None:
        J, B = at(x), implied(problem, moved(x))[rows, own]
        return None if J is None or not np.isfinite(B).all() else (J, B)

    @cache
    def given_along() -> tuple[Move, Array]:
        """A direction in which all elements of the input move, and what B says of it."""
        t = dice(np.random.default_rng(6), part.end - part.begin)
        return dense(t, part.begin), B[rows] @ t

    def fits_with(changes: dict[str, Array]) -> bool:
        """Told from that direction, and roughly at first."""
        key = tuple((name, array.tobytes()) for name, array in changes.items())
        if key not in tried:
            start = time.process_time()
            tried[key] = sum(spent) < PATIENCE and really_fits_with(changes)
            spent.append(time.process_time() - start)
        return tried[key]

    def really_fits_with(changes: dict[str, Array]) -> bool:
        other = replaced(problem, [changes.get(name, array) for name, array in arguments.items()])
        if other is None or other.sizes != problem.sizes:
            return False
        along, given = given_along()
        with np.errstate(all="ignore"):
            rough = (other.f(along.of(other.example, 1e-3)) - other.f(along.of(other.example, -1e-3))) / 2e-3
        if not same(rough[rows], given, 1e-2):
            return False
        truth = Truth(other, other.example, [along])
        known = np.isfinite(truth.value).all() and not truth.unknown.any() and not truth.kink.any()
        return bool(known and same(truth.value[rows, 0], given))

    def right_with(changes: dict[str, Array]) -> bool:
        """Told from that direction, and two gradients from above."""
        other = replaced(problem, [changes.get(name, array) for name, array in arguments.items()])
        if other is None or other.sizes != problem.sizes:
            return False
        along, _ = given_along()
        truth = Truth(other, other.example, [along])
        if not np.isfinite(truth.value).all() or (truth.unknown | truth.kink).any():
            return False
        above = np.zeros((2, problem.given_size))
        above[:, rows] = np.random.default_rng(9).normal(size=above[:, rows].shape)
        return all(same(along.along(other.b(other.example, g)), truth.pulled(g)[0][0]) for g in above)

    def moves_with(name: str) -> tuple[bool, bool]:
        """Told from one gradient from above, in one direction."""
        part_of = next((each for each in problem.inputs if each.name == name), None)
        if part_of is None:
            return False, False
        rng = np.random.default_rng(7)
        w, g = v.copy(), np.zeros(problem.given_size)
        w[part_of.begin : part_of.end] = far[part_of.begin : part_of.end]
        g[rows] = rng.normal(size=len(g[rows]))
        t = dense(dice(rng, part.end - part.begin), part.begin)
        right = [float(Truth(problem, u, [t]).pulled(g)[0][0]) for u in (v, w)]
        given = [t.along(problem.b(u, g)) for u in (v, w)]
        return not same(right[0], right[1], 1e-4), not same(given[0], given[1], 1e-6)

    def scales_with(name: str) -> bool:
        """Told from one direction: with twice of it, J is twice as large."""
        part_of = next(each for each in problem.inputs if each.name == name)
        w, g = v.copy(), np.zeros(problem.given_size)
        w[part_of.begin : part_of.end] *= 2
        g[rows] = np.random.default_rng(7).normal(size=len(g[rows]))
        one, two = (Truth(problem, u, [given_along()[0]]).pulled(g)[0][0] for u in (v, w))
        return same(two, 2 * one, 1e-4)

    @cache
    def shares(name: str) -> tuple[Array, Array] | None:
        """How J and B move with every number of an argument, for the outputs that are most wrong: [number, entry]."""
        mover = next((each for each in problem.inputs if each.name == name), None)
        if mover is None or mover.end - mover.begin > NUMBERS or mover.width == 2:
            return None
        moves = np.eye(len(v))[mover.begin : mover.end]
        t = dice(np.random.default_rng(8), len(moves))
        straight = [Truth(problem, v + k * t @ moves, [given_along()[0]]).value for k in range(3)]
        if not same(straight[2] - straight[0], 2 * (straight[1] - straight[0])):
            return None
        off = abs(J - B)[rows]
        some = np.argsort(-off.max(1))[: SHARES[0]]
        columns = np.argsort(-off[some].max(0))[: SHARES[1]]
        above = np.eye(problem.given_size)[np.arange(problem.given_size)[rows][some]]
        along = [coordinate(k) for k in part.begin + columns]

        def both(w: Array) -> tuple[Array, Array]:
            right = Truth(problem, w, along).value[rows][some]
            return right.ravel(), np.concatenate([problem.b(w, g)[own][columns] for g in above])

        here, further, there = both(v), both(v + t @ moves), [both(v + move) for move in moves]
        found = [np.stack([each[side] for each in there]) - here[side] for side in (0, 1)]
        linear = (same(far - near, t @ T) for far, near, T in zip(further, here, found))
        return (found[0], found[1]) if all(linear) else None

    def causal() -> bool:
        truth, output = whole(problem, v), problem.outputs[0]
        for each in problem.inputs:
            J = truth.value[output.begin : output.end, each.begin : each.end]
            blocks = [look.blocks(J, each.shape, output.shape, 0, 0)] if each.shape and output.shape else []
            if any(found is not None and len(found) > 2 and look.causal(found) for found in blocks):
                return True
        return False

    @cache
    def taped() -> Tape:
        """Forward's steps, whoever calls the function that they are in."""
        return ran(problem, v, depth=ALONE)[1]

    def complex_within() -> bool:
        steps = (step for steps in taped().steps.values() for step in steps)
        return any(np.iscomplexobj(each) for step in steps for each in (*step.operands, step.result))

    def sliding() -> bool:
        truth = whole(problem, v).value[rows]
        others = [each for each in problem.inputs if each != part and each.shape]
        return any(look.windowed(truth[:, each.begin : each.end], each.shape, y_shape) for each in others)

    def back(x: Array) -> Array:
        above = np.zeros(problem.given_size)
        above[rows] = 1
        return problem.b(moved(x), above)[own]

    def elsewhere() -> tuple[Array, Array] | None:
        found = jacobians(far)
        return (found[0][rows], found[1][rows]) if all(np.isfinite(M).all() for M in found) else None

    both = careful(jacobians, None)(v)
    if both is None:
        return None
    J, B = both
    far = nearby(problem, np.random.default_rng(2), 1)
    if not all(np.isfinite(M).all() for M in (J, B)):
        return None
    x = v[own].reshape(part.shape if part.width == 1 else (-1,))
    rows, y_shape = shown(problem, J, B)
    several = tuple((output.name, slice(output.begin, output.end)) for output in problem.outputs)
    y = problem.f(v)
    real = part.width == 1
    arguments = (
        dict(zip(problem.names, problem.unpack(v))) if real and len(set(problem.names)) == len(problem.names) else {}
    )
    return Evidence(
        J[rows],
        B[rows],
        x,
        y_shape,
        careful(at, None),
        y[rows],
        both_at=careful(both_at, None),
        alike_at=careful(alike_at, False),
        elsewhere=careful(elsewhere, None),
        moves_with=careful(moves_with, (False, False)),
        scales_with=careful(scales_with, False),
        shares=careful(shares, None),
        causal=causal,
        hands_on=careful(cache(lambda: hands_on(taped())), None),
        complex_within=careful(complex_within, False),
        sliding=careful(sliding, False),
        exchanges=careful(cache(lambda: mistaken(problem, v, part)), None),
        mistakes=careful(lambda: mistakes(problem, v, part), ()),
        mend=lambda: mends(problem, v).get(part.name) if np.array_equal(v, problem.example) else None,
        back=careful(back, None),
        f=careful(lambda x: problem.f(moved(x))[rows], np.full_like(y[rows], np.nan)),
        outputs=several if rows == slice(None) else (),
        name=part.name,
        arguments=arguments,
        results={output.name: output.of(y) for output in problem.outputs} if real else {},
        fits_with=careful(fits_with, False),
        right_with=careful(right_with, False),
        away=far[own].copy(),
    )


def repeated(elsewhere: Iterable[Problem], here: Evidence) -> Iterator[Evidence]:
    """The same of this input at other shapes, where the fault shows there too.

    Some backwards know the sizes of the example by heart: what they leave zero elsewhere says nothing.
    """
    for problem in elsewhere:
        own = next((each for each in problem.inputs if each.name == here.name), None)
        found = None if own is None else careful(gathered, None)(problem, problem.example, own)
        if found is not None and found.equal.all():
            here.right_at.append(found.where)
        elif found is not None and found.silent <= here.silent:
            yield found


def shown(problem: Problem, J: Array, B: Array) -> tuple[slice, tuple[int, ...]]:
    """The first output whose gradient goes back wrongly, and its shape: what it is shows better in one than in all."""
    for part in problem.outputs:
        rows = slice(part.begin, part.end)
        if part.width == 1 and (len(problem.outputs) == 1 or B[rows].any() and not same(B[rows], J[rows])):
            return rows, part.shape
    return slice(None), (problem.given_size,)


def pushed(problem: Problem, v: Array) -> Evidence | None:
    truth = whole(problem, v)
    B = implied(problem, v).T
    if not np.isfinite(B).all() or not np.isfinite(truth.value).all():
        return None
    (taken,), (given,) = problem.inputs, problem.outputs
    y = problem.f(v)
    x, y_shape = v.reshape(taken.shape if taken.width == 1 else (-1,)), given.shape if given.width == 1 else y.shape
    return Evidence(truth.value, B, x, y_shape, lambda x: None, y)


def settled(truth: Truth, B: Array, own: slice) -> Array:
    """The Jacobian nearest to B: at kinks any member will do, and what is unknown is no difference."""
    low, high = np.minimum(truth.left, truth.right)[:, own], np.maximum(truth.left, truth.right)[:, own]
    J = np.where(truth.kink[:, own], np.clip(B, low, high), truth.value[:, own])
    return np.where(truth.unknown[:, own] | ~np.isfinite(J), B, J)
