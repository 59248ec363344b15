"""One step of forward, differentiated wrongly, explains the gradient: each such mistake is of a class."""

from collections.abc import Callable

import numpy as np

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.steps import Mistake

MODES = "train", "running", "momentum", "eval", "moving"
MATRICES = "matmul", "dot", "einsum", "tensordot"
ROUND = 2, 3, 4, 6, 8, 12, 0.5  # and their inverses: numbers that a formula loses


def first(e: Evidence, *kinds: str, fits: Callable[[Mistake], bool] = lambda mistake: True) -> Says:
    return next((each.text for each in e.in_steps if each.kind in kinds and fits(each)), None)


def near(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-4, atol=1e-7))


def negated(e: Evidence) -> Says:
    """Not where one that is lost says the same: x² is 3 x² without the 2 x² that comes through x x of x x x, and is
    that also with a wrong sign at the last x."""
    return None if first(e, "path", fits=lost) else first(e, "path", fits=lambda m: near(m.factor, -1))


def lost(m: Mistake) -> bool:
    return near(m.factor, 0)


def back_in_time(e: Evidence) -> Says:
    return (first(e, "turns") or first(e, "path", fits=lambda m: lost(m) and m.again)) if e.in_time else None


def turn_left_out(e: Evidence) -> Says:
    """Of a loop whose turns have nothing to do with one another, and places of their own."""
    return first(e, "turns") if not e.in_time and e.silent else None


def turn_not_added(e: Evidence) -> Says:
    """Of such a loop, whose turns are added up."""
    return first(e, "turns") if not e.in_time and not e.silent else None


def another_turn(e: Evidence) -> Says:
    """What belongs to one step of time is read in another."""
    return first(e, "turn")


def slope_in_time(e: Evidence) -> Says:
    """What a turn leaves to the next comes back without a factor: of a gate, of a decay."""
    return first(e, "slope", "function", fits=lambda m: m.carried)


def use_lost(e: Evidence) -> Says:
    """A matrix that goes into a product as it is, and another way as well. It is no data: with those, it is a path
    that is forgotten."""
    own = np.sort(e.x, None)
    if e.x.ndim and e.y_shape and look.apart(e.J, e.x.shape, e.y_shape, 0, 0):
        return None

    def whole(m: Mistake) -> bool:
        if not lost(m) or m.step is None or m.step.name not in MATRICES or e.x.ndim < 2:
            return False
        return bool(np.array_equal(np.sort(m.step.operands[m.operand], None), own))

    return first(e, "path", fits=whole)


def term_of_a_slope(e: Evidence) -> Says:
    return first(e, "path", fits=lost) if e.elementwise else None


def path_lost(e: Evidence) -> Says:
    return first(e, "path", fits=lost) or first(e, "statistics", "held")


def masked(e: Evidence) -> Says:
    """By a mask that forward does not have, such as one that lets nothing look ahead."""
    return first(e, "mask")


def statistics_held(e: Evidence) -> Says:
    """Those of all examples, in code that knows of another mode, in which they are."""
    return first(e, "statistics", fits=knows_modes)


def knows_modes(m: Mistake) -> bool:
    return any(known in word for word in m.words for known in MODES)


def variance_otherwise(e: Evidence) -> Says:
    """Divided by n in the one, by n - 1 in the other."""

    def biased(m: Mistake) -> bool:
        if m.step is None or m.step.name not in ("var", "std"):
            return False
        n = np.size(m.step.operands[0]) / np.size(m.step.result)
        return n > 1 and any(near(m.factor, c) for c in ((n - 1) / n, n / (n - 1), ((n - 1) / n) ** 0.5))

    return first(e, "path", fits=biased)


def another_constant(e: Evidence) -> Says:
    """A number that is short in decimals, and would be so too with the factor: a hyperparameter of another value, and
    none that is left out. Whole numbers, such as the coefficients of a polynomial, are the formula itself."""

    def short(c: float) -> bool:
        return near(c, float(f"{c:.2g}"))

    def constant(m: Mistake) -> bool:
        if m.step is None or m.step.name not in ("multiply", "divide") or any(near(m.factor, c) for c in plain()):
            return False
        numbers = [float(each) for each in m.step.operands if np.ndim(each) == 0]
        if any(near(m.factor, c) or near(m.factor, 1 / c) for c in (*m.numbers, *numbers) if c):
            return False
        pairs = [(c, c * m.factor) for c in numbers if abs(c) != 1]  # 1 / x is the formula, too
        return any(all(map(short, pair)) and not all(near(c, round(c)) for c in pair) for pair in pairs)

    return first(e, "path", fits=constant)


def plain() -> list[float]:
    return [*ROUND, *(1 / c for c in ROUND)]


def scaled_slope(e: Evidence) -> Says:
    """Of an elementwise layer, or of one branch of a loss: where another one is taken, it is right."""
    branch = len(e.J) == 1 and bool((e.equal & e.some).any())
    return scaled(e) if e.elementwise or branch else None


def scaled(e: Evidence) -> Says:
    """Not where another array mends it: then it is no number that is wrong."""
    return first(e, "path") if not mended_by(e, "operand") else None


def mended_by(e: Evidence, *kinds: str) -> bool:
    mend = e.mend()
    return mend is not None and mend.kind in kinds


def constant_lost(e: Evidence) -> Says:
    """A factor that is a number: a temperature, a scale."""
    return first(e, "slope", fits=by_a_number) if not e.elementwise else None


def by_a_number(m: Mistake) -> bool:
    product = m.step is not None and m.step.name in ("multiply", "divide")
    return m.step is not None and product and any(np.size(each) == 1 for each in m.step.operands)


def slope_of_a_slope(e: Evidence) -> Says:
    alone = lambda m: m.step is not None and sum(np.size(each) > 1 for each in m.step.operands) == 1
    return first(e, "slope", "function", fits=alone) if e.elementwise else None


def factor_lost(e: Evidence) -> Says:
    """Of a product of two arrays not where another array mends it: then it is that one that is wrong."""
    product = lambda m: m.step is not None and sum(np.size(each) > 1 for each in m.step.operands) > 1
    mended = mended_by(e, "operand")
    return first(e, "slope", "function", fits=lambda m: not (mended and product(m)))


def factor_twice(e: Evidence) -> Says:
    return first(e, "twice")


def slope_by_elements(e: Evidence) -> Says:
    """Of a layer that acts element by element this would say nothing."""
    return first(e, "elements") if not e.elementwise else None


def another_array(e: Evidence) -> Says:
    """Not where one factor less mends it: with that it is the other one, and so there twice."""
    return first(e, "other") if not mended_by(e, "alone") else None


def other_flag(e: Evidence) -> Says:
    """Training for evaluation, or the other way round."""
    return first(e, "option")


def transposed(e: Evidence) -> Says:
    return first(e, "transposed")


def other_axes(e: Evidence) -> Says:
    return first(e, "axes")
