"""Is the gradient the derivative? Also at kinks, where any member of the set of derivatives is."""

from collections.abc import Iterator
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import Move, combined, coordinate, dense
from pullback.check.points import JUMP, NARROW
from pullback.check.problem import Part, Problem
from pullback.check.shaken import digits, rounding
from pullback.check.truth import Truth, fits

Array = NDArray[Any]

ROWS = 40  # outputs with kinks that are looked at one by one
VAGUE = 0.1  # of the largest derivative that is known: an error that is no rounding
TOLD = 4  # choices at kinks that are looked at from near, as no more are told
FACTOR = 50.0  # of doubt that a member of a set of derivatives is given


class Mismatch(NamedTuple):
    """A gradient that is not the derivative: along a direction, for one gradient from above."""

    part: Part
    column: int  # of the truth
    found: float
    wanted: float
    uncertainty: float
    g: Array
    kind: str  # "smooth", "kink" or "joint": one by one each is a derivative, but not together

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.found))

    @property
    def weight(self) -> float:
        return abs(self.found - self.wanted) if self.finite else float("inf")


class Convention(NamedTuple):
    """What was chosen at a kink: no fault."""

    part: Part
    column: int
    found: float
    left: float
    right: float
    alone: bool  # by one number, and not along a direction of several

    @property
    def share(self) -> float:
        """Where it lies between the smallest and the largest."""
        return (self.found - min(self.left, self.right)) / (abs(self.right - self.left) + 1e-300)


def tolerance(problem: Problem) -> float:
    return 1e-6 if not problem.single else 1e-3 if digits(problem) < 1e-5 else 5e-2


class Comparison:
    """backward against the truth at one point: the worst mismatch of every part, and the conventions met.

    Where `kinks` do not count, a number that is none of the derivatives at one is not looked at."""

    def __init__(
        self, problem: Problem, truth: Truth, gradients: list[Array], example: bool = True, kinks: bool = True
    ) -> None:
        self.problem, self.truth, self.example, self.count_kinks = problem, truth, example, kinks
        self.found: dict[str, Mismatch] = {}
        self.conventions: list[Convention] = []
        self.errors: dict[str, tuple[float, float]] = {}  # the largest of every part, and the doubt there
        self.looked = 0  # kinks seen from near
        self.sides: dict[tuple[int, ...], Truth] = {}  # along sums of directions
        self.judged = 0  # numbers compared
        self.power = 0.0  # the largest derivative met
        self.owners = owners(problem, truth)
        if problem.mode == "jvp":
            return self.push(gradients)
        rows = truth.smooth_rows
        for g in gradients:
            smooth = np.where(rows, g, 0)
            if smooth.any():
                self.smooth(smooth)
        for row in np.flatnonzero(~rows)[:ROWS]:
            self.kinks(int(row))

    @cached_property
    def defined(self) -> bool:
        """Is forward a number everywhere here? Else a gradient of nan may be 0 times a derivative that is not there."""
        with np.errstate(all="ignore"):
            return not np.isnan(self.problem.f(self.truth.v)).any()

    @cached_property
    def upright(self) -> Array:
        """Along which directions an output may have an infinite derivative: a gradient of nan is 0 times that."""
        truth = self.truth
        return np.asarray(np.any(truth.unknown & ~(truth.error <= VAGUE * truth.size), 0))

    def note(self, mismatch: Mismatch) -> None:
        known = self.found.get(mismatch.part.name)
        if known is None or mismatch.weight > known.weight:
            self.found[mismatch.part.name] = mismatch

    def smooth(self, g: Array, keep: Array | None = None) -> None:
        """Compare what is smooth (and, of its columns, those to keep)."""
        wanted, doubt = self.truth.pulled(g)
        b = self.problem.b(self.truth.v, g)
        found = self.truth.measured(b)
        for part, columns in self.owners:
            columns = columns if keep is None else columns[keep[columns]]
            if not columns.size or part.name in self.found:
                continue
            scale = float(np.max(abs(np.nan_to_num(wanted[columns])), initial=0))
            bound = tolerance(self.problem) * scale + doubt[columns] + 1e-12 * self.truth.size
            bound = bound + self.problem.rounding(g)
            gap = np.where(np.isfinite(found[columns]), abs(found[columns] - wanted[columns]), np.inf)
            gap = np.where(np.isfinite(wanted[columns]), gap, 0)
            gap = np.where(np.isfinite(found[columns]) | self.defined, gap, 0)
            gap = np.where(self.upright[columns] & ~np.isfinite(found[columns]), 0, gap)
            if keep is not None and not self.example:  # a norm at zero: nan, where there is no derivative at all
                gap = np.where(np.any(self.truth.kink, 0, keepdims=True)[0, columns] & ~np.isfinite(gap), 0, gap)
            self.judged, self.power = self.judged + columns.size, max(self.power, scale)
            self.measure(part, gap, doubt[columns])
            for k in np.argsort(-(gap / (bound + 1e-300)))[:3]:
                c = columns[k]
                doubted = gap[k] > bound[k] and self.confirmed(c, g, found[c], bound[k])
                if doubted and self.counts(c, g, gap[k], bound[k]):
                    self.note(Mismatch(part, int(c), float(found[c]), float(wanted[c]), float(doubt[c]), g, "smooth"))
                    break

    def measure(self, part: Part, gap: Array, doubt: Array) -> None:
        """How far the gradient is from the derivative, right or wrong."""
        k = int(np.argmax(gap))
        if gap[k] >= self.errors.get(part.name, (0.0, 0.0))[0]:
            self.errors[part.name] = float(gap[k]), float(doubt[k])

    def counts(self, column: int, g: Array, gap: float, bound: float) -> bool:
        """Is it more than rounding does to the right derivative, or wrong in double precision as well?"""
        problem, v, direction = self.problem, self.truth.v, self.direction(column)
        if gap > abs(g) @ rounding(problem, v, direction):
            return True
        exact = problem.exact(v, g) if problem.narrow else None
        return exact is not None and abs(direction.along(exact) - self.truth.pulled(g)[0][column]) > bound

    def confirmed(self, column: int, g: Array, found: float, bound: float) -> bool:
        """No other step of the differences speaks for what was found, and there is a derivative at all."""
        direction = self.direction(column)
        if not self.differentiable(direction, g):
            return False
        if not np.isfinite(found):
            return True
        own = self.within_its_number(direction)
        for h in (0.3, 2e-3, 2e-5, *own):
            again = Truth(self.problem, self.truth.v, [direction], h)
            smooth = again.smooth_rows | (h in own)  # so near to zero rounding hides what is smooth
            wanted, doubt = again.pulled(np.where(smooth, g, 0))
            if not smooth[g != 0].all():
                continue
            if abs(found - wanted[0]) <= max(bound, doubt[0]) and doubt[0] < 0.1 * abs(found) + bound:
                return False
        return True

    def within_its_number(self, direction: Move) -> list[float]:
        """A step that does not leave a tiny number behind: 1 / x at 1e-20."""
        place = direction.coordinate()
        size = 0.0 if place is None else float(abs(self.truth.v[place]))
        return [size / 50] if 0 < size < 1e-4 else []

    def differentiable(self, direction: Move, g: Array) -> bool:
        """Derivatives add up. At ties they do not, even where each of them is the same from both sides (a median). And
        nothing kinks on the way in between, as singular values do at zero, where each input alone changes one of them.
        """
        if self.jumps(direction, g):
            return False
        rng = np.random.default_rng(0)
        count = 8 if fits(self.problem) else 1
        free = ~self.truth.kink[g != 0].any(0) if self.truth.directions is None else 1.0  # kinks of its own aside
        moves = [dense(rng.normal(size=len(self.truth.v)) * free) for _ in range(count)]
        along = Truth(
            self.problem, self.truth.v, [direction, *moves, *(direction + move for move in moves)]
        ).sharpened()
        if along.kink[g != 0].any():
            return False
        values, doubt = along.pulled(np.where(along.unknown.any(1), 0, g))
        one, several, both = 0, slice(1, 1 + count), slice(1 + count, None)
        gap = values[both] - values[several] - values[one]
        size = tolerance(self.problem) * 100 * (1 + np.max(abs(values)))
        return bool(np.all(abs(gap) <= size + doubt[both] + doubt[several] + doubt[one]))

    def jumps(self, direction: Move, g: Array) -> bool:
        """Is forward itself not continuous here? Which of several equal scores is the largest, nobody can tell."""
        problem, v, asked = self.problem, self.truth.v, g != 0

        def moved(step: float) -> float:
            beside = (problem.f(direction.of(v, side))[asked] for side in (step, -step))
            return max(float(np.max(abs(y - here), initial=0)) for y in beside)

        with np.errstate(all="ignore"):
            here = problem.f(v)[asked]
            far = moved(NARROW)
            return far > JUMP * float(np.max(abs(here), initial=0)) and moved(NARROW / 16) > far / 2

    def direction(self, column: int) -> Move:
        return coordinate(column) if self.truth.directions is None else self.truth.directions[column]

    def kinks(self, row: int) -> None:
        """One output at a kink: every derivative lies between those of its sides, and together they are one."""
        truth = self.truth
        g = np.eye(1, len(truth.value), row)[0]
        kink, unknown = truth.kink[row], truth.unknown[row]
        self.smooth(g, keep=~(kink | unknown))
        found = truth.measured(self.problem.b(truth.v, g))
        left, right, doubt = truth.left[row], truth.right[row], truth.sides_error[row]
        for part, columns in self.owners:
            for c in columns[kink[columns]]:
                low, high = sorted((left[c], right[c]))
                slack = FACTOR * doubt[c] + 10 * tolerance(self.problem) * (abs(low) + abs(high))
                slack += self.problem.rounding(g)
                if low - slack <= found[c] <= high + slack:
                    if self.is_choice(c, row):
                        alone = self.direction(c).coordinate() is not None
                        self.conventions.append(Convention(part, int(c), found[c], left[c], right[c], alone))
                elif self.looked_at(found[c]) and self.confirmed_kink(c, row, found[c], slack):
                    wanted = float(np.clip(found[c], low, high)) if np.isfinite(found[c]) else float(right[c])
                    self.note(Mismatch(part, int(c), float(found[c]), wanted, float(doubt[c]), g, "kink"))
        if self.count_kinks and 2 <= kink.sum() <= 12 and np.isfinite(found[kink]).all():
            self.joint(row, g, np.flatnonzero(kink), found)

    def looked_at(self, found: float) -> bool:
        return self.count_kinks or not np.isfinite(found)

    def is_choice(self, column: int, row: int) -> bool:
        """Is there a kink to smaller steps as well? What turns within a step seems to have one wherever it is. A few
        are looked at; those behind them are taken to be like them."""
        if self.looked == TOLD:
            return bool(self.conventions)
        self.looked += 1
        near = (Truth(self.problem, self.truth.v, [self.direction(column)], h) for h in (2e-3, 2e-5))
        left, right = self.truth.left[row, column], self.truth.right[row, column]
        far = lambda again: max(abs(again.left[row, 0] - left), abs(again.right[row, 0] - right))
        alike = lambda again: again.kink[row, 0] and far(again) < abs(right - left) / 2
        return all(again.unknown[row, 0] or alike(again) for again in near)

    def confirmed_kink(self, column: int, row: int, found: float, slack: float) -> bool:
        """Smaller steps do not speak for what was found: what seems to be a kink may be jumps close together."""
        if self.jumps(self.direction(column), np.eye(1, len(self.truth.value), row)[0]):
            return False
        for h in (2e-3, 2e-5) if np.isfinite(found) else ():
            again = Truth(self.problem, self.truth.v, [self.direction(column)], h)
            low, high = sorted((again.left[row, 0], again.right[row, 0]))
            if not again.unknown[row, 0] and low - slack <= found <= high + slack:
                return False
        return True

    def joint(self, row: int, g: Array, columns: Array, found: Array) -> None:
        """Ties of two, three, all: along t a convex function's derivatives are at most f'(x; t).

        Those of a concave one are at least that. Which it is, is seen from its two sides; where it is neither, nothing
        is said.
        """
        signs = several(len(columns))
        sides = self.along(tuple(columns), signs)
        left, right = sides.left[row], sides.right[row]
        slack = FACTOR * sides.sides_error[row] + 1e-5 * (abs(left) + abs(right) + self.truth.size)
        total = signs @ found[columns]
        if np.all(right >= left - slack):
            outside = np.maximum(total - right, left - total) - slack
        elif np.all(left >= right - slack):
            outside = np.maximum(total - left, right - total) - slack
        else:
            return
        k = int(np.argmax(outside))
        if outside[k] > 0:
            part = next(part for part, own in self.owners if columns[0] in own)
            self.note(Mismatch(part, int(columns[0]), float(total[k]), float(right[k]), 0.0, g, "joint"))

    def along(self, columns: tuple[int, ...], signs: Array) -> Truth:
        """The truth along sums of these directions. As a rule many outputs have their kinks along the same ones."""
        if columns not in self.sides:
            signed = lambda c, sign: self.direction(c) if sign > 0 else -self.direction(c)
            moves = [combined([signed(c, sign) for c, sign in zip(columns, row) if sign]) for row in signs]
            self.sides[columns] = Truth(self.problem, self.truth.v, moves)
        return self.sides[columns]

    def push(self, tangents: list[Array]) -> None:
        """The same of a forward derivative: along every tangent, output by output."""
        for t in tangents:
            along = Truth(self.problem, self.truth.v, [dense(t)])
            found = self.problem.b(self.truth.v, t)
            wanted, doubt = along.value[:, 0], 20 * along.error[:, 0]
            low, high = np.minimum(along.left, along.right)[:, 0], np.maximum(along.left, along.right)[:, 0]
            size = float(np.max(abs(np.nan_to_num(wanted)), initial=0))
            bound = tolerance(self.problem) * size + doubt
            gap = np.where(np.isfinite(found), abs(found - wanted), np.inf)
            within = along.kink[:, 0] & (low - bound <= found) & (found <= high + bound)
            gap = np.where(within | along.unknown[:, 0], 0, gap)
            for part in self.problem.results:
                self.measure(part, gap[part.begin : part.end], doubt[part.begin : part.end])
            self.judged, self.power = self.judged + len(found), max(self.power, size)
            if np.max(gap - bound, initial=0) > 0:
                bound = bound + rounding(self.problem, self.truth.v, dense(t))
            if np.max(gap - bound, initial=0) > 0:
                k = int(np.argmax(gap - bound))
                part = next(part for part in self.problem.results if part.begin <= k < part.end)
                self.note(Mismatch(part, k, float(found[k]), float(wanted[k]), float(doubt[k]), t, "smooth"))


def several(n: int) -> Array:
    """Of n directions two, three and all together, one less another, and each alone: a row of signs for each sum."""
    alone = np.eye(n)
    some = [*combinations(range(n), 2), *combinations(range(n), 3), tuple(range(n))][:40]
    less = [alone[a] - alone[b] for a, b in combinations(range(n), 2)][:20]
    return np.array([*(alone[list(each)].sum(0) for each in some), *less, *alone])


def gone_in_double(problem: Problem, truth: Truth, mismatch: Mismatch) -> bool:
    """Is it right in double precision, and a number in its own? Then digits are lost, and nothing else is."""
    exact = problem.exact(truth.v, mismatch.g) if problem.narrow and mismatch.finite and problem.mode == "vjp" else None
    return exact is not None and abs(truth.measured(exact)[mismatch.column] - mismatch.wanted) < mismatch.weight / 10


def owners(problem: Problem, truth: Truth) -> list[tuple[Part, Array]]:
    """The columns of the truth that belong to each input."""
    if truth.directions is None:
        return [(part, np.arange(part.begin, part.end)) for part in problem.inputs]
    return [
        (part, np.flatnonzero([move.moves(part.begin, part.end) for move in truth.directions]))
        for part in problem.inputs
    ]


def cotangents(problem: Problem, rng: np.random.Generator, plain: bool = True) -> Iterator[Array]:
    """Random ones, and one number everywhere, as a sum or a mean hands it down: long sums of it show low precision."""
    size = problem.given_size
    yield rng.normal(size=size)
    yield rng.normal(size=size) * 2
    if plain:
        yield np.full(size, 0.1)
