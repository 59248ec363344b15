"""One run of a stranger's forward, written down step by step, or with some steps changed.

A step is known by its place in the code, and by the calls that led there. A step that is changed is changed wherever
that place is run: in every turn of a loop.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.frameworks import to_numpy
from pullback.check.problem import Problem, pack
from pullback.check.steps.places import Place as Place
from pullback.check.steps.places import is_step as is_step
from pullback.check.steps.source import number_first
from pullback.check.steps.tensors import noting
from pullback.check.steps.watched import Operation, running, unwatched, watched

Array = NDArray[Any]
Change = Callable[[int, Operation, Sequence[Any]], Any]  # (turn, operation, operands) -> result
Changes = Mapping[Place, Change]

RUN = 10  # steps, that a run costs beside its own
CALLS = 6  # within the user's code, by which places are told apart
ALONE = 1  # of them: a function that is called from several places is one place
OURS = "pullback.check.adapters", "pullback.check.runs"  # who called the user's code, and whom the user called
EITHER_WAY = "multiply", "add"  # PyTorch has `2 * t` as `t * 2`


class Step(NamedTuple):
    """One operation: of what, what came out, and at which places the operands were made, where that is known."""

    name: str
    call: Operation
    operands: tuple[Any, ...]
    result: Any
    made_at: tuple[Place | None, ...]


class Tape:
    """The steps of one run by their places, each in order of its turns."""

    def __init__(self, changes: Changes, depth: int = CALLS, names: bool = False) -> None:
        self.changes, self.turns, self.depth = changes, Counter[Place](), depth
        self.names: dict[Place, list[dict[str, Array]]] | None = {} if names else None  # of arrays, at every step
        self.steps: dict[Place, list[Step]] = {}
        self.scopes: dict[str, dict[str, Any]] = {}  # the global names of the user's modules

    def place(self, name: str) -> tuple[Place, Any]:
        """And the frame of the user's code that is run there."""
        frames = calls(self.depth, self.scopes)
        return (name, *(each for frame in frames for each in (frame.f_code, frame.f_lasti))), frames[
            0
        ] if frames else None

    def passed(self, name: str) -> Place | None:
        """The place of a step of which nothing but its turn is to be known: others are changed, and it is not."""
        if not self.changes:
            return None
        place, _ = self.place(name)
        if place in self.changes:
            return None
        self.turns[place] += 1
        return place

    def noted(self, name: str, call: Operation, operands: Sequence[Any]) -> Any:
        place, frame = self.place(name)
        if name in EITHER_WAY and type(operands[-1]) in (int, float) and frame is not None and number_first(frame):
            call, operands = the_other_way_round(call), operands[::-1]
        bare = [unwatched(each) for each in operands]
        turn = self.turns[place]
        self.turns[place] += 1
        if place in self.changes:
            return watched(self.changes[place](turn, call, bare), place)
        if self.changes:
            return watched(call(*bare), place)
        kept = tuple(np.array(each) if isinstance(each, np.ndarray) else each for each in bare)  # before it is run
        if self.names is not None and frame is not None:
            self.names.setdefault(place, []).append(named_arrays(frame))
        result = call(*bare)
        copy = np.array(result) if isinstance(result, (np.ndarray, np.generic)) else None
        made_at = tuple(getattr(each, "made", None) for each in operands)
        self.steps.setdefault(place, []).append(Step(name, call, kept, copy, made_at))
        return watched(result, place)


def named_arrays(frame: Any) -> dict[str, Array]:
    """What the user calls so where this step is run."""
    found = {name: to_numpy(value) for name, value in frame.f_locals.items() if hasattr(value, "shape")}
    return {name: np.array(a) for name, a in found.items() if isinstance(a, np.ndarray) and a.dtype.kind in "fc"}


def the_other_way_round(call: Operation) -> Operation:
    return lambda *given: call(*given[::-1])


def calls(depth: int, scopes: dict[str, dict[str, Any]]) -> list[Any]:
    """Where in the user's code we are, and how we came there: frames, the innermost first."""
    frame: Any = sys._getframe(3)
    found: list[Any] = []
    while frame is not None and len(found) < depth:
        home = frame.f_globals.get("__name__") or ""
        if home.startswith(OURS):
            break
        if not home.startswith(("numpy", "torch", "functools", "pullback.check")):
            found.append(frame)
            scopes[home] = frame.f_globals
        frame = frame.f_back
    return found


def ran(problem: Problem, v: Array, changes: Changes | None = None, depth: int = CALLS) -> tuple[Array, Tape]:
    """What forward gives at v, and the tape of that run."""
    tape = Tape(changes or {}, depth)
    given = [watched(each) for each in problem.unpack(v, exact=problem.takes_double)]
    running.append(tape.noted)
    try:
        with np.errstate(all="ignore"), noting(tape):
            return pack([unwatched(y) for y in problem.adapted.forward(*given)], problem.outputs), tape
    finally:
        running.pop()
        problem.searched += RUN + tape.turns.total()
