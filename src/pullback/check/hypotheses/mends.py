"""A change of one step of backward with which it is right: each kind of change is of a class."""

from collections.abc import Callable

import numpy as np

from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.mending import Mend

SUMS = "add", "subtract"
COMPARISONS = "greater", "less", "greater_equal", "less_equal", "equal", "not_equal"


def mended(e: Evidence, *kinds: str, fits: Callable[[Mend], bool] = lambda mend: True) -> Says:
    mend = e.mend()
    if mend is None or mend.kind not in kinds or not fits(mend):
        return None
    return "the change that mends it is of this kind"


def negated(e: Evidence) -> Says:
    return mended(e, "scale", fits=lambda m: m.number == -1)


def written_over(e: Evidence) -> Says:
    return "right once it is added up" if mended(e, "added") else None


def one_too_many(e: Evidence) -> Says:
    """A term that is there already."""
    return mended(e, "scale", fits=lambda m: not m.number and m.operation in SUMS)


def slope_scaled(e: Evidence) -> Says:
    """A part of a slope; of the whole it would have been said before."""
    return scaled(e) if e.elementwise else None


def scaled(e: Evidence) -> Says:
    return mended(e, "scale", fits=lambda m: m.number not in (0, -1))


def silenced(e: Evidence) -> Says:
    return mended(e, "scale", fits=lambda m: not m.number and m.operation not in SUMS)


def another_branch(e: Evidence) -> Says:
    """Something made on the way decides between the pieces of a function of one number."""
    return mended(e, "operand", fits=lambda m: m.operation in COMPARISONS and not m.whole and e.elementwise)


def another_order(e: Evidence) -> Says:
    return mended(e, "operand", fits=lambda m: m.reordered)


def another_slope(e: Evidence) -> Says:
    return mended(e, "operand", fits=lambda m: m.slope)


def another_whole(e: Evidence) -> Says:
    """The input for the output, or another input: there is little else that it could be."""
    return mended(e, "operand", fits=lambda m: m.whole and not (m.moves or m.reordered))


def another_array(e: Evidence) -> Says:
    return mended(e, "operand", fits=lambda m: not m.moves)


def step_left_out(e: Evidence) -> Says:
    return mended(e, "operand", fits=lambda m: m.moves)


def slope_factor(e: Evidence) -> Says:
    return factor_more(e) if e.elementwise else None


def factor_more(e: Evidence) -> Says:
    return mended(e, "factor", "quotient")


def factor_less(e: Evidence) -> Says:
    return mended(e, "alone")


def inverted(e: Evidence) -> Says:
    """A branch is taken where the other is meant."""
    return mended(e, "operation", fits=lambda m: m.operation in COMPARISONS)


def another_operation(e: Evidence) -> Says:
    return mended(e, "operation")


def another_condition(e: Evidence) -> Says:
    return mended(e, "condition")


def another_size(e: Evidence) -> Says:
    sizes = {
        n for array in (e.x, *e.arguments.values(), *e.results.values()) for n in (*np.shape(array), np.size(array))
    }
    return mended(e, "number", fits=lambda m: m.number in sizes - {0, 1} and m.operation in ("multiply", "divide"))


def another_number(e: Evidence) -> Says:
    return mended(e, "number")


def turned(e: Evidence) -> Says:
    return mended(e, "turned")


def moved(e: Evidence) -> Says:
    return mended(e, "moved")


def summed_otherwise(e: Evidence) -> Says:
    return mended(e, "axes")


def term_more(e: Evidence) -> Says:
    return mended(e, "term")
