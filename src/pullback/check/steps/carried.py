"""Does a turn of a loop read what an earlier one wrote? Only then are its turns steps of time."""

from collections import defaultdict
from typing import Any

import numpy as np

from pullback.check.steps.tape import Place, Tape

RECURRENT = "lstm", "gru", "rnn_tanh", "rnn_relu"  # whose turns are in a library
TOTALS = "add", "subtract", "maximum", "minimum", "concatenate", "hstack", "vstack"  # of what the turns give


def hands_on(tape: Tape) -> bool | None:
    """Of a loop, or of a function that is called again and again. None where steps are not seen."""
    if not tape.steps or any(place[0] in RECURRENT for place in tape.steps):
        return None
    loops = {place: steps for place, steps in tape.steps.items() if len(steps) > 1}
    written: dict[Any, dict[Place, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place, steps in loops.items():
        for turn, step in enumerate(steps):
            if says_something(step.result):
                written[key(step.result)][place].add(turn)
    for place, steps in loops.items():
        for turn, step in enumerate(steps):
            for operand in filter(says_something, step.operands):
                makers = written.get(key(operand), {})
                total = place[0] in TOTALS and place in makers
                if not total and any(min(turns) < turn and turn not in turns for turns in makers.values()):
                    return True
    return False


def says_something(value: Any) -> bool:
    """Zeros, and a single 1, may be anything's."""
    return isinstance(value, (np.ndarray, np.generic)) and bool(np.any(value)) and not np.all(value == 1)


def key(value: Any) -> Any:
    return np.shape(value), np.asarray(value).tobytes()
