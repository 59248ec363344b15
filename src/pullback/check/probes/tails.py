"""Where the derivative is tiny, is it still right? An absolute error of 1e-17 may be all there is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.digits import exact_jacobian
from pullback.check.moves import dense
from pullback.check.points import anything
from pullback.check.problem import Part, Problem
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.structure import elementwise
from pullback.check.truth import fits, whole

Array = NDArray[Any]

INPUTS = 64
BOUND = 1e-3
HUGE = 1e3
TINY = 1e-6  # a derivative
FAR = np.array([4.0, 5.0, 6.5, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 34.5, 36.0])
STEPS = 0.024, 0.012, 0.008
KNOWN = 1e-5  # how well differences have to agree
HINT = "use a form that does not subtract nearly equal numbers"


def tails(problem: Problem, g: Array) -> list[Finding]:
    """For elementwise layers at the example; nothing is said of code that cannot run on numbers of many digits."""
    n_in, n_out = problem.sizes
    if problem.mode == "jvp" or problem.single or n_in != n_out or n_in > INPUTS or len(problem.inputs) > 1:
        return []
    if any(part.width == 2 for part in (*problem.inputs, *problem.outputs)):
        return []
    J = exact_jacobian(problem.digits, problem.example)
    if J is None or J.shape != (n_out, n_in) or not np.isfinite(J).all() or not elementwise(J):
        return []
    wanted, found = g * np.diag(J), problem.b(problem.example, g)
    # A forward that has underflowed to zero does not move any more, and nobody can tell from it how little it should.
    with np.errstate(all="ignore"):
        alive = (abs(wanted) > 1e-290) & (problem.f(problem.example) != 0)
        off = np.where(alive, abs(found - wanted) / abs(wanted), 0)
    k = int(np.argmax(off))
    part = problem.inputs[0]
    if not off[k] > BOUND or abs(wanted[k]) > TINY * np.max(abs(g)):
        return []
    text = f"a relative error of {off[k]:.1e} where the derivative is {wanted[k]:.3g}"
    causes = (
        Cause("cancellation", text, HINT),
        Cause("low_precision_accumulation", text),
    )
    error = float(abs(found[k] - wanted[k]))
    return [
        Finding(part.name, WRONG, error, 0.0, part.where(k), float(found[k]), float(wanted[k]), "your example", causes)
    ]


def far_from_zero(problem: Problem, g: Array) -> list[Finding]:
    """Of an elementwise layer at large numbers of the example: a small slope moves the output as much as a large one
    does elsewhere, and is nothing that rounding may take."""
    n_in, n_out = problem.sizes
    if problem.mode == "jvp" or n_in != n_out or not fits(problem) or not np.max(abs(problem.example)) > HUGE:
        return []
    truth, v = whole(problem, problem.example), problem.example
    if not elementwise(truth.value) or not truth.smooth_rows.all():
        return []
    wanted, doubt, found = g * np.diag(truth.value), abs(g) * np.diag(truth.error), problem.b(v, g)
    moves = (abs(v) > HUGE) & (abs(wanted * v) > BOUND * abs(problem.f(v))) & (20 * doubt < BOUND * abs(wanted))
    lost = moves & ~(abs(found - wanted) <= abs(wanted) / 2)
    if not lost.any() or (abs(found[lost]) > abs(wanted[lost])).any():
        return []
    k = int(np.argmax(lost))
    part = next(part for part in problem.inputs if part.begin <= k < part.end)
    text = f"{found[k]:.3g} where the derivative is {wanted[k]:.3g}: a square or a power overflows on the way"
    causes = Cause("overflow_large_input", text, "scale before you square: np.hypot does"), Cause("cancellation", text)
    error, values = float(abs(found[k] - wanted[k])), (float(found[k]), float(wanted[k]))
    return [Finding(part.name, WRONG, error, float(doubt[k]), part.where(k), *values, "your example", causes)]


def far(problem: Problem) -> list[Cause]:
    """The same far from the example, where forward itself is exact enough for its differences to show it. A tanh that
    has rounded to 1 is not: nobody can tell from it how little it still moves. Nor is anything said of a loss, whose
    gradient is mostly a difference, such as of probabilities and targets: the same function has to act on all elements.

    Worth a note, and no fault: the user's own inputs are right, and many are content with an absolute error of 1e-16.
    """
    if problem.mode == "jvp" or problem.single or not fits(problem) or len(problem.outputs) != 1:
        return []
    found = (lost_far_out(problem, part, side * FAR) for part in slopes_of(problem) for side in (-1, 1))
    return [Cause("cancellation", text, HINT) for text in found if text]


def slopes_of(problem: Problem) -> list[Part]:
    """The inputs that act element by element, and that may be any real numbers."""
    J, v = whole(problem, problem.example).value, problem.example
    some = [part for part in problem.inputs if part.width == 1 and anything(v[part.begin : part.end])]
    own = lambda part: J[:, part.begin : part.end]
    return [part for part in some if elementwise(own(part)) and own(part).any() and one_function(problem, part)]


def one_function(problem: Problem, part: Part) -> bool:
    """Does it make the same of one number, wherever that stands?"""
    v = problem.example.copy()
    try:
        with np.errstate(all="ignore"):
            for s in (-4.0, 0.7, 4.0):
                v[part.begin : part.end] = s
                y = problem.f(v)
                if not np.all(abs(y - y[0]) <= 1e-12 * abs(y[0])):
                    return False
    except Exception:  # these inputs are not the user's
        return False
    return True


def lost_far_out(problem: Problem, part: Part, places: Array) -> str:
    """What loses its digits at two of these places at least: at one it may be chance."""
    own, n = slice(part.begin, part.end), part.end - part.begin
    along = dense(np.ones(n), part.begin)
    seen = []
    for some in np.array_split(places, -(-len(places) // n)):
        v = problem.example.copy()
        v[own] = np.resize(some, n)
        try:
            with np.errstate(all="ignore"):
                y = problem.f(v)
                d = [(problem.f(along.of(v, h)) - problem.f(along.of(v, -h))) / (2 * h) for h in STEPS]
                b = problem.b(v, np.ones(problem.given_size))[own]
                first, second = ((d[k + 1] * r * r - d[k]) / (r * r - 1) for k, r in ((0, 2.0), (1, 1.5)))
                doubt = abs(first - second) / 10 + 4e-16 * abs(y) / STEPS[-1]
                known = (doubt <= KNOWN * abs(second)) & (abs(second) < TINY) & (abs(second) > 1e-290)
                off = np.where(known, abs(b - second) / abs(second), 0)
        except Exception:  # these inputs are not the user's
            continue
        seen += [(off[k], second[k], v[k + part.begin]) for k in range(min(n, len(some))) if off[k] > BOUND]
    if len(seen) < 2:
        return ""
    off, wanted, place = max(seen)
    return f"{part.name} at {place:g}: a relative error of {off:.1e} where the derivative is {wanted:.3g}"
