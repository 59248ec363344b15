"""A change of one step of backward with which it is right: each kind of change is of a class."""

from collections.abc import Callable
from itertools import combinations
from math import prod

import numpy as np

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.mending import Mend

SUMS = "add", "subtract"
COMPARISONS = "greater", "less", "greater_equal", "less_equal", "equal", "not_equal"


def mended(e: Evidence, change: str, *kinds: str, fits: Callable[[Mend], bool] = lambda mend: True) -> Says:
    mend = e.mend()
    return f"right {change}" if mend is not None and mend.kind in kinds and fits(mend) else None


def negated(e: Evidence) -> Says:
    return mended(e, "with the other sign in one place", "scale", fits=lambda m: m.number == -1)


def written_over(e: Evidence) -> Says:
    return mended(e, "once it is added up", "added")


def one_too_many(e: Evidence) -> Says:
    """A term that is there already."""
    return mended(e, "without one of its terms", "scale", fits=lambda m: not m.number and m.operation in SUMS)


def slope_scaled(e: Evidence) -> Says:
    """A part of a slope; of the whole it would have been said before."""
    return scaled(e) if e.elementwise else None


def scaled(e: Evidence) -> Says:
    return mended(e, "with one step times a number", "scale", fits=lambda m: m.number not in (0, -1))


def silenced(e: Evidence) -> Says:
    return mended(e, "where one step gives zero", "scale", fits=lambda m: not m.number and m.operation not in SUMS)


def another_branch(e: Evidence) -> Says:
    """Something made on the way decides between the pieces of a function."""
    return mended(
        e,
        "where something else decides between the branches",
        "operand",
        fits=lambda m: m.operation in COMPARISONS and not m.whole,
    )


def another_order(e: Evidence) -> Says:
    return mended(e, "with an array in another order", "operand", fits=lambda m: m.reordered)


def another_slope(e: Evidence) -> Says:
    return mended(e, "with the slope of another function of forward", "operand", fits=lambda m: m.slope)


def slope_at_output(e: Evidence) -> Says:
    """Of a hidden layer: of the last one it would have been said before."""
    change = "with a slope at what goes into the function, not at what comes out"
    return mended(e, change, "operand", fits=lambda m: m.at_output)


def another_whole(e: Evidence) -> Says:
    """The input for the output, or another input: there is little else that it could be."""
    return mended(
        e, "with another array in the place of one", "operand", fits=lambda m: m.whole and not (m.moves or m.reordered)
    )


def another_array(e: Evidence) -> Says:
    return mended(e, "with another array in the place of one", "operand", fits=lambda m: not m.moves)


def step_left_out(e: Evidence) -> Says:
    return mended(e, "with one step more, or less, on the way", "operand", fits=lambda m: m.moves)


def slope_factor(e: Evidence) -> Says:
    return factor_more(e) if e.elementwise else None


def factor_more(e: Evidence) -> Says:
    return mended(e, "with one factor more", "factor", "quotient")


def factor_less(e: Evidence) -> Says:
    return mended(e, "with one factor less", "alone")


def inverted(e: Evidence) -> Says:
    """A branch is taken where the other is meant."""
    return mended(e, "with a condition the other way round", "operation", fits=lambda m: m.operation in COMPARISONS)


def another_operation(e: Evidence) -> Says:
    return mended(e, "with another operation in one step", "operation")


def another_condition(e: Evidence) -> Says:
    return mended(e, "with another condition", "condition")


def count_in_a_term(e: Evidence) -> Says:
    """The path through a mean is divided by a wrong count, and the direct path is not: that shows in few directions."""
    says = another_count(e)
    return says if says and 2 * look.rank(e.B - e.J) <= min(e.J.shape) else None


def another_count(e: Evidence) -> Says:
    """Of one axis, or of others, where numbers are counted over several."""
    mend, sizes = e.mend(), sizes_of(e)
    sums = sizes.union(*(counted(shape) for shape in shapes_of(e)))
    counts = lambda m: m.counted and m.before in sums and m.number not in sizes
    change = f"where {mend.number:g} numbers are counted, not {mend.before:g}" if mend is not None else ""
    return mended(e, change, "number", fits=lambda m: counts(m) and m.operation in ("multiply", "divide"))


def another_size(e: Evidence) -> Says:
    sizes = sizes_of(e) | {prod(shape) for shape in shapes_of(e)}
    return mended(
        e,
        "with another size in the place of a number",
        "number",
        fits=lambda m: m.number in sizes - {0, 1} and m.operation in ("multiply", "divide"),
    )


def shapes_of(e: Evidence) -> list[tuple[int, ...]]:
    return [np.shape(array) for array in (e.x, *e.arguments.values(), *e.results.values())]


def sizes_of(e: Evidence) -> set[int]:
    return {n for shape in shapes_of(e) for n in shape}


def counted(shape: tuple[int, ...]) -> set[int]:
    """Over two axes and more."""
    return {prod(some) for k in range(2, len(shape) + 1) for some in combinations(shape, k)}


def another_number(e: Evidence) -> Says:
    return mended(e, "with another number in one place", "number")


def turned(e: Evidence) -> Says:
    return mended(e, "with a matrix transposed", "turned", "operand", fits=lambda m: m.turned)


def made_symmetric(e: Evidence) -> Says:
    return mended(e, "with a matrix and its transpose, where there is one of them", "symmetric")


def less_rounded(e: Evidence) -> Says:
    """What it is computed with was rounded, and with more digits it is right."""
    return mended(e, "without a step that only rounds", "operand", fits=lambda m: m.rounded)


def turns_in_time(e: Evidence) -> Says:
    return other_turns(e) if e.recurrent() else None


def turns_of_windows(e: Evidence) -> Says:
    return other_turns(e) if e.windowed else None


def turns_of_places(e: Evidence) -> Says:
    """Each of them has places of its own, some of which get nothing."""
    return other_turns(e) if e.silent else None


def other_turns(e: Evidence) -> Says:
    return mended(e, "with one turn of a loop more, or less", "turns")


def from_the_other_end(e: Evidence) -> Says:
    return mended(e, "with a running sum from the other end", "reversed")


def in_full_precision(e: Evidence) -> Says:
    return mended(e, "where nothing is rounded on the way", "exact")


def another_index(e: Evidence) -> Says:
    return mended(e, "with another index in one place", "index")


def conjugated(e: Evidence) -> Says:
    return mended(e, "with a conjugate more, or less, on the way", "conjugated")


def backwards_in_time(e: Evidence) -> Says:
    """One turn reads what another has left."""
    return backwards(e) if e.in_time else None


def backwards(e: Evidence) -> Says:
    return mended(e, "with a loop that runs the other way round", "backwards")


def other_letters(e: Evidence) -> Says:
    return mended(e, "with another letter in a sum", "letters")


def moved(e: Evidence) -> Says:
    return mended(e, "with an array moved, or reversed", "moved")


def summed_otherwise(e: Evidence) -> Says:
    return mended(e, "with a sum over other axes", "axes")


def term_computed(e: Evidence) -> Says:
    """Backward has it, and does not hand it back."""
    change = "with one term more, or less, that is computed already"
    return mended(e, change, "term", fits=lambda m: m.moves and not m.whole)


def term_more(e: Evidence) -> Says:
    """Of something that is made on the way; the gradient from above may be a part of many."""
    made = mended(e, "with one term more, or less", "term", fits=lambda m: not m.whole)
    return made if not e.elementwise else None


def slope_term(e: Evidence) -> Says:
    return mended(e, "with one term more, or less", "term", fits=lambda m: not m.whole) if e.elementwise else None


def whole_term(e: Evidence) -> Says:
    return mended(e, "with one term more, or less", "term", fits=lambda m: m.whole)
