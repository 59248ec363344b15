"""Is backward right at other sizes, all of them changed? A size of the example may stand in its code.

Where nobody has said that there are others, it is worth a note, and no fault.
"""

from pullback.check.probes.remainders import WRONG_BY, errors
from pullback.check.problem import Problem
from pullback.check.report import Cause
from pullback.check.resizing import others
from pullback.check.truth import fits

HINT = "look for a number that is a size of your example"


def at_sizes(problem: Problem) -> str:
    return ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)


def other_sizes(problem: Problem) -> list[Problem]:
    """Two more at most, where the layer is small, and runs there."""
    unfit = problem.mode == "jvp" or problem.single or not fits(problem) or problem.adapted.module
    return [] if unfit or any(part.width == 2 for part in problem.inputs) else others(problem)


def of_these_sizes(several: list[Problem]) -> list[Cause]:
    """Is it wrong at all others?"""
    off = [errors(each) for each in several]
    if not off or not all(each and max(each.values()) > WRONG_BY for each in off):
        return []
    wrong = ", ".join(name for name, by in (off[0] or {}).items() if by > WRONG_BY)
    text = f"right at these sizes, and at {at_sizes(several[0])} the gradient of {wrong} is another one"
    return [Cause("edge_shape", text, HINT)]
