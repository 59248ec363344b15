"""A loop of backward with one turn more, or one less, at either end."""

from collections.abc import Callable, Iterator
from functools import partial

from pullback.check.mending.edits import Edit, Steps, always
from pullback.check.steps.tape import Change, Place


def other_turns(place: Place, steps: Steps) -> Iterator[Edit]:
    """In each of its runs."""
    runs = {range(*map(int, each.operands)) for each in steps}
    first = next(iter(runs))
    for what, at, moved in (("begins", first.start, begun), ("ends", first.stop, ended)):
        for by, when in ((-first.step, "earlier"), (first.step, "later")):
            says = f"{{step}} {what} {f'at {at + by}, not at {at}' if len(runs) == 1 else f'a turn {when}'}"
            yield Edit("turns", says, always(place, with_turns(partial(moved, by=by))), place)


def with_turns(moved: Callable[[range], range]) -> Change:
    return lambda turn, call, given: moved(call(*given))


def begun(turns: range, by: int) -> range:
    return range(turns.start + by, turns.stop, turns.step)


def ended(turns: range, by: int) -> range:
    return range(turns.start, turns.stop + by, turns.step)
