"""A loop of backward with one turn more, or one less, at either end."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pullback.check.mending.edits import Edit, Steps, always
from pullback.check.steps.tape import Change, Place
from pullback.check.steps.watched import Operation


def other_turns(place: Place, steps: Steps) -> Iterator[Edit]:
    """In each of its runs."""
    runs = {range(*map(int, each.operands)) for each in steps}
    first = next(iter(runs))
    if any(len(each) > 1 for each in runs):
        yield Edit("backwards", "{step} the other way round", always(place, backwards), place)
    for what, at, moved in (("begins", first.start, begun), ("ends", first.stop, ended)):
        for by, when in ((-first.step, "earlier"), (first.step, "later")):
            says = f"{{step}} {what} {f'at {at + by}, not at {at}' if len(runs) == 1 else f'a turn {when}'}"
            yield Edit("turns", says, always(place, with_turns(partial(moved, by=by))), place)


def with_turns(moved: Callable[[range], range]) -> Change:
    return lambda turn, call, given: moved(call(*given))


def backwards(turn: int, call: Operation, given: Sequence[Any]) -> Any:
    return call(*given)[::-1]


def begun(turns: range, by: int) -> range:
    return range(turns.start + by, turns.stop, turns.step)


def ended(turns: range, by: int) -> range:
    return range(turns.start, turns.stop + by, turns.step)
