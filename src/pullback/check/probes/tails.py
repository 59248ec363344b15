"""Where the derivative is tiny, is it still right? An absolute error of 1e-17 may be all there is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.digits import exact_jacobian
from pullback.check.problem import Problem
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.structure import elementwise

Array = NDArray[Any]

INPUTS = 64
BOUND = 1e-3


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
    # A kink is where both sides differ: differences say nothing there.
    with np.errstate(all="ignore"):
        off = np.where(abs(wanted) > 1e-290, abs(found - wanted) / abs(wanted), 0)
    k = int(np.argmax(off))
    part = problem.inputs[0]
    if not off[k] > BOUND or abs(wanted[k]) > 1e-6 * np.max(abs(g)):
        return []
    text = f"a relative error of {off[k]:.1e} where the derivative is {wanted[k]:.3g}"
    causes = (
        Cause("cancellation", text, "use a form that does not subtract nearly equal numbers"),
        Cause("low_precision_accumulation", text),
    )
    error = float(abs(found[k] - wanted[k]))
    return [
        Finding(part.name, WRONG, error, 0.0, part.where(k), float(found[k]), float(wanted[k]), "your example", causes)
    ]
