"""What goes by another name where a step is run, in the place of an operand: in every call of a helper, of its own."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from numpy.typing import NDArray

from pullback.check.mending.edits import Edit, Steps, arrays, exchanged
from pullback.check.mending.known import Known, bare, identical, key_of
from pullback.check.mending.scene import Scene
from pullback.check.steps.tape import Changes, Place

Array = NDArray[Any]
CALLS = ", in every call"
Group = Sequence[Place]  # one step of a helper, in all of its calls


def in_every_call(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Of a helper that is called several times."""
    yield from (edit for edit in other_names(place, steps, known) if edit.says.endswith(CALLS))


def other_names(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    scene = known.scene
    group = [each for each in scene.steps if each[:3] == place[:3]]
    names = scene.named.names or {}
    if group[0] != place or any(len(names.get(each, ())) != len(scene.steps[each]) for each in group):
        return
    for name in names[place][0]:
        if all(name in each for one in group for each in names[one]):
            for i in arrays(steps):
                for turned in (False, True):
                    if fits(scene, group, i, name, turned, known):
                        other = f"`{name}{'.T' * turned}`"
                        calls = CALLS if len(group) > 1 else ""
                        says = f"in {{step}}, {other} in the place of {{operand}}{calls}"
                        yield Edit("operand", says, partial(changes, group, i, name, turned), place, i)


def fits(scene: Scene, group: Group, i: int, name: str, turned: bool, known: Known) -> bool:
    """Has it the shape of what stands there, and is it something else, that is not tried as a part of the run?"""
    old = [step.operands[i] for place in group for step in scene.steps[place]]
    new = [array for place in group for array in values(scene, place, name, turned)]
    if not all(hasattr(each, "dtype") for each in (*old, *new)):
        return False  # in some of its turns it is a plain number
    alike = all(bare(a) == bare(b) and a.dtype.kind == b.dtype.kind for a, b in zip(old, new))
    if turned and (new[0].ndim != 2 or min(new[0].shape) < 2):
        return False
    tried = len(group) == 1 and (key_of(new) in known.seen or key_of(new[:1]) in known.seen)
    return alike and not tried and not identical(old, new)


def values(scene: Scene, place: Place, name: str, turned: bool) -> list[Array]:
    found = [each[name] for each in (scene.named.names or {})[place]]
    return [each.T for each in found] if turned else found


def changes(group: Group, i: int, name: str, turned: bool, scene: Scene) -> Changes:
    return {place: exchanged(i, values(scene, place, name, turned)) for place in group}
