"""The layer at other sizes, all of them changed: a size of the example may stand in its code.

Asked only with a closed form that holds there as well. Otherwise nobody has said that there are others.
"""

from pullback.check.probes.remainders import WRONG_BY, errors
from pullback.check.problem import Problem
from pullback.check.reference import Reference
from pullback.check.resizing import others
from pullback.check.truth import fits


def wrong_elsewhere(problem: Problem, reference: Reference) -> Problem | None:
    """Where forward is the same rule, and backward is not its derivative."""
    unfit = problem.mode == "jvp" or problem.single or not fits(problem) or problem.adapted.module
    if unfit or any(part.width == 2 for part in problem.inputs):
        return None
    wrong = (each for each in others(problem) if max((errors(each) or {"": 0.0}).values()) > WRONG_BY)
    return next((each for each in wrong if Reference(each, reference.like).fits), None)


def at_sizes(problem: Problem) -> str:
    return ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)
