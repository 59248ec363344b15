"""Some of the outputs hand nothing back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero

Array = NDArray[Any]


def output_dropped(e: Evidence) -> Says:
    """Of several outputs, one hands nothing back: the memory of an LSTM, whose gradient comes beside that of h."""
    for name, rows in e.outputs if len(e.outputs) > 1 else ():
        others = np.delete(e.equal, rows, 0)
        if e.some[rows].any() and not nonzero(e.B)[rows].any() and nonzero(e.B).any() and others.all():
            return f"the gradient of {name} from above is dropped, that of the other outputs is right"
    return None


def silent_outputs(e: Evidence) -> Array | None:
    """Those that hand nothing back, if they are made of several inputs each, and all that the others do is right."""
    silent = ~nonzero(e.B).any(1) & e.some.any(1)
    if e.elementwise or not silent.any() or silent.all() or not e.equal[~silent].all():
        return None
    return np.asarray(silent) if (e.some.sum(1) > 1)[silent].all() else None


def outputs_silent(e: Evidence) -> Says:
    """Statistics beside the values, say: not one place along an axis, nor a part of a product."""
    silent = silent_outputs(e)
    if silent is None or e.fixed or e.steady or (np.ptp(np.argwhere(~silent.reshape(e.y_shape)), axis=0) == 0).any():
        return None
    return "a part of the outputs hands nothing back, and all of the others is right"


def last_of_the_outputs(e: Evidence) -> Says:
    """Of a loop over heads, groups or branches that share this input the last turn (or the first) counts."""
    silent = silent_outputs(e)
    if silent is None:
        return None
    for axis, (n, own) in enumerate(zip(e.y_shape, np.argwhere(~silent.reshape(e.y_shape)).T)):
        if n > 1 and np.ptp(own) == 0 and own[0] in (0, n - 1):
            return f"of all places along axis {axis} of the output one hands something back: written over, not added"
    most = 2 * silent.sum() >= len(silent)
    return "of several products one hands something back: written over, not added" if e.fixed and most else None
