"""Is the gradient right along one direction in which everything moves? A wrong one is not, but for chance.

Most gradients are right at most further inputs, and four runs of forward tell so; where it bends, or kinks nearby, as
many with smaller steps. What does not pass here, kinks and rough places included, is looked at closely elsewhere.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.moves import dice
from pullback.check.probes.values import tolerance
from pullback.check.problem import Problem
from pullback.check.rounding import HALFWAY

Array = NDArray[Any]

STEPS, STEP_IN_SINGLE = (1e-3, 1e-4, 1e-5), 0.03
STRICT = 0.1  # of the tolerance: many small errors could cancel
LEAST = 1e-3  # of a step: how little an input moves whose gradient is much larger than that of another


def projected(problem: Problem, v: Array, y: Array, g: Array, rng: np.random.Generator) -> Array | None:
    """The gradient, if it says how ⟨g, forward⟩ moves, which is y at v, and from both sides alike."""
    if problem.mode == "jvp" or not np.isfinite(b := problem.b(v, g)).all():
        return None
    t, least = balanced(problem, b, rng)
    far = max(1.0, float(np.max(abs(v * t), initial=0)) / 100)

    def moved(h: float) -> tuple[float, float]:
        """From both sides together, and the difference between them: it goes with the step, unless there is a kink."""
        ahead, back = (float(g @ (problem.f(v + side * t) - y)) / side for side in (h, -h))
        return (ahead + back) / 2, ahead - back

    def gap(step: float) -> float:
        (wide, bend), (narrow, half) = moved(step), moved(step / 2)
        return max(abs(narrow + (narrow - wide) / 3 - float(b @ t)), abs(2 * half - bend))

    steps = STEPS if problem.eps < HALFWAY else (STEP_IN_SINGLE,)
    return b if any(gap(step * far) <= STRICT * tolerance(problem) * least for step in steps) else None


def balanced(problem: Problem, b: Array, rng: np.random.Generator) -> tuple[Array, float]:
    """A direction along which no input's part in the movement hides that of another, and the smallest part."""
    own = [slice(part.begin, part.end) for part in problem.inputs]
    sizes = np.array([np.max(abs(b[each]), initial=0) for each in own])
    smallest = min(sizes[sizes > 0], default=0.0)
    t = dice(rng, len(b))
    for each, size in zip(own, sizes):
        t[each] *= np.clip(smallest / size, LEAST, 1) if size else 1
    return t, smallest
