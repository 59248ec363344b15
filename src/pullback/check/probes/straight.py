"""Functions in steps, such as a sign or a rounding: their derivative is 0 wherever there is one, and nothing learns by
that. So whoever writes their backward hands the gradient straight through, or takes the derivative of another function.

No mistake looks like the first, and no difference can judge it: that has to be said. Who says which function's
derivative is meant has backward judged as that.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.code import outputs
from pullback.check.moves import coordinate
from pullback.check.problem import Part, Problem
from pullback.check.structure import same
from pullback.check.truth import Truth
from pullback.errors import PullbackError

Array = NDArray[Any]

FAR = -2.0, 3.0  # times the input
FEW = 16  # elements of the input that are moved


def handed_through(problem: Problem, v: Array, part: Part) -> str:
    """Where backward hands the gradient of the output on as it is, to an input of which forward is a function in steps;
    nothing if it does something else."""
    if problem.mode == "jvp" or [output.shape for output in problem.outputs] != [part.shape] or part.width == 2:
        return ""
    own, above = slice(part.begin, part.end), np.random.default_rng(31).normal(size=(2, problem.given_size))
    x: list[Array] = []
    handed: list[Array] = []
    for w in (v, *farther(v, part)):
        given = [problem.b(w, g)[own] for g in above]
        x, handed = [*x, w[own]], [*handed, given[0] != 0]
        if not all(same(found, np.where(handed[-1], g, 0), 1e-6) for found, g in zip(given, above)):
            return ""
    if not handed[0].any() or not in_steps(problem, v, part):
        return ""
    values, reached = np.concatenate(x), np.concatenate(handed)
    low, high = values[reached].min(), values[reached].max()
    between = (values > low) & (values < high) & ~reached
    return "" if between.any() else "everywhere" if reached.all() else "within bounds"


def farther(v: Array, part: Part) -> list[Array]:
    """Where a function in steps has other values."""
    own = np.arange(len(v))
    return [np.where((own >= part.begin) & (own < part.end), c * v, v) for c in FAR]


def in_steps(problem: Problem, v: Array, part: Part) -> bool:
    """Does forward change with this input, and have no derivative by it, neither here nor farther out?"""
    there = [v, *farther(v, part)]
    here, *others = (problem.f(w) for w in there)
    changes = any(not np.array_equal(here, y, equal_nan=True) for y in others)
    return changes and not any(moves(problem, w, part) for w in there)


def moves(problem: Problem, v: Array, part: Part) -> bool:
    """Beside its jumps."""
    some = np.unique(np.linspace(part.begin, part.end - 1, FEW).astype(int))
    truth = Truth(problem, v, [coordinate(int(k)) for k in some]).sharpened()
    vague = truth.unknown | truth.kink
    return bool(vague.all() or np.any(np.where(vague, 0, truth.value)))


def in_its_place(problem: Problem, rule: Any) -> Problem | None:
    """The layer with this rule as its forward, where its own moves in steps; None where it does not, or where the rule
    takes or gives something else."""
    if problem.mode == "jvp" or not all(in_steps(problem, problem.example, part) for part in problem.inputs):
        return None
    places = [part.place for part in problem.inputs]

    def forward(*arrays: Array) -> tuple[Array, ...]:
        return outputs(rule.linearize(*[np.array(arrays[place]) for place in places])[0])

    leaves = [leaf._replace(value=array) for leaf, array in zip(problem.adapted.leaves, problem.arrays)]
    adapted = problem.adapted._replace(forward=forward, leaves=leaves, options={}, tuned=())
    found = Problem(adapted, places, 0, problem.mode, problem.convention)
    found.called, found.wanted, found.dropped = problem.called, problem.wanted, problem.dropped
    try:
        return found if [y.shape for y in found.first] == [y.shape for y in problem.first] else None
    except (PullbackError, TypeError, ValueError):
        return None
