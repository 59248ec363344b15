"""What may have gone wrong in one step of backward: kinds of changes, the likeliest first.

A change is made for a scene, since what it puts in has to be of that run. Where it does not fit, it raises, as the
user's code does where it does not fit in there: nothing is mended then.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.check.mending.known import Known, bare
from pullback.check.mending.scene import Scene, Source
from pullback.check.steps.changes import of_turn, put, subsets
from pullback.check.steps.tape import Change, Changes, Place, Step, is_step
from pullback.check.steps.watched import Called, Operation

Array = NDArray[Any]
Steps = Sequence[Step]
Make = Callable[[Any], Any]

TWINS = {  # what stands for one another by mistake
    "add": ["subtract"], "subtract": ["add"], "multiply": ["divide"], "divide": ["multiply"],
    "maximum": ["minimum"], "minimum": ["maximum"], "sin": ["cos"], "cos": ["sin"], "sinh": ["cosh"],
    "cosh": ["sinh"], "tan": ["tanh"], "tanh": ["tan", "cosh"], "exp": ["log", "expm1"], "log": ["exp", "log1p"],
    "sqrt": ["square"], "square": ["sqrt"], "greater": ["less"], "less": ["greater"],
    "greater_equal": ["less_equal"], "less_equal": ["greater_equal"], "equal": ["not_equal"],
    "not_equal": ["equal"], "logical_and": ["logical_or"], "logical_or": ["logical_and"],
}  # fmt: skip
WRITING = "setitem"
SUMS = "add.reduce", "sum", "mean"
RUNNING = "cumsum", "cumprod", "add.accumulate", "multiply.accumulate", "logcumsumexp"
CASTS = "astype", "half", "bfloat16", "float", "type"  # of what is in double precision
LINEAR = "add", "subtract", "concatenate", "stack", "hstack", "vstack", "matmul", "dot"

Kind = Callable[[Place, Steps, Known], Iterator["Edit"]]


class Edit(NamedTuple):
    """A change of one step, of its result (-1) or an operand; `says` names {step}, {operand}, {other} and {number}."""

    kind: str
    says: str
    changes: Callable[[Scene], Changes]
    place: Place
    operand: int = -1
    other: Source | None = None
    number: float = 1.0
    called: str = ""  # what the number is
    everywhere: bool = False  # is it changed wherever it stands?


def arrays(steps: Steps) -> list[int]:
    return [k for k, each in enumerate(steps[0].operands) if isinstance(each, np.ndarray) and each.dtype.kind in "fbc"]


def scaled(place: Place, i: int, c: float, says: str = "") -> Edit:
    """An operand, or the result, times c."""
    return Edit("scale", says, always(place, made(i, lambda a: c * a)), place, i, number=c)


def other_operands(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    yield from (edit for edit in operands(place, steps, known) if whose(edit) != "slope")


def ends(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Inputs, outputs and gradients from above, of which there are few."""
    yield from (edit for edit in operands(place, steps, known) if whose(edit) in ("input", "output", "above"))


def slopes(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """That of a function in forward, for what was written."""
    yield from (edit for edit in operands(place, steps, known) if whose(edit) == "slope")


def whose(edit: Edit) -> str:
    return edit.other.whose if edit.other else ""


def operands(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    for i in arrays(steps):
        for source in known.in_place_of([each.operands[i] for each in steps], place):
            says = "in {step}, {other} in the place of {operand}"
            yield Edit("operand", says, with_source(place, source, partial(exchanged, i)), place, i, source)


def other_arrays(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """In this step, and wherever else that array stands."""
    for i in arrays(steps) if len(steps) == 1 else ():
        for source in known.in_place_of([steps[0].operands[i]], place):
            everywhere = partial(array_everywhere, place, i, source)
            says = "{other} in the place of {operand}, in {step} and wherever that stands"
            yield Edit("operand", says, everywhere, place, i, source)


def array_everywhere(place: Place, i: int, source: Source, scene: Scene) -> Changes:
    """Where it stood in the run as it was: what is computed with the other array may be the same as the first."""
    old, new = scene.steps[place][0].operands[i], scene.values(source)

    def change(steps: Steps) -> Change:
        stood = {(t, k) for t, step in enumerate(steps) for k, a in enumerate(step.operands) if np.array_equal(a, old)}
        there = lambda turn, k, a: of_turn(new, turn) if (turn, k) in stood else a
        return lambda turn, call, given: call(*[there(turn, k, a) for k, a in enumerate(given)])

    return {each: change(steps) for each, steps in scene.steps.items() if is_step(each)}


def added(place: Place, steps: Steps) -> Iterator[Edit]:
    """To what stands there, not written over it."""
    if place[0] == WRITING:
        yield Edit("added", "{step}: += for =", always(place, lambda turn, call, given: sum(given)), place)
        yield Edit("added", "{step}: np.add.at, since indices repeat", always(place, each_of_them), place)
    elif len(steps) > 1:
        yield Edit("added", "{step} added up over the turns of the loop, += for =", always(place, adding_up()), place)


def one_factor_less(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    if place[0] in ("multiply", "divide") and len(steps[0].operands) == 2:
        for i in (0, 1) if place[0] == "multiply" else (0,):
            yield Edit("alone", "{operand} alone, for {step}", always(place, operand_alone(i)), place, i)


def one_factor_more(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Of the result; or of an operand, where that is not the same."""
    for i in (-1, *(arrays(steps) if place[0] in LINEAR else ())):
        what = "{step}" if i < 0 else "in {step}, {operand}"
        factored = [each.result if i < 0 else each.operands[i] for each in steps]
        for kind, operation, word in (("factor", np.multiply, "times"), ("quotient", np.divide, "divided by")):
            for source in known.beside(factored, place, smaller=True):
                changes = with_source(place, source, partial(combined, i, operation))
                yield Edit(kind, f"{what} {word} {{other}}", changes, place, i, source)


def other_operations(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    for name in TWINS.get(place[0], ()):
        yield Edit("operation", f"in {{step}}, {name} for {place[0]}", always(place, calling(getattr(np, name))), place)
    if place[0] in ("subtract", "divide", "matmul", "dot"):
        change = lambda turn, call, given: call(*given[::-1])
        kind = "turned" if place[0] in ("matmul", "dot") else "operation"
        yield Edit(kind, "in {step}, the two the other way round", always(place, change), place)


def other_conditions(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    for i in (-1, *arrays(steps)):
        a = steps[0].result if i < 0 else steps[0].operands[i]
        if a is not None and a.dtype.kind == "b":
            what = "{step}" if i < 0 else "in {step}, {operand}"
            yield Edit(
                "condition", f"{what} turned into its opposite", always(place, made(i, np.logical_not)), place, i
            )
            for truth in (True, False):
                change = made(i, partial(np.full_like, fill_value=truth))
                yield Edit("condition", f"{what} taken for {truth} everywhere", always(place, change), place, i)


def transposed(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Of others it would have been noticed."""
    for i in (*arrays(steps), -1):
        shape = np.shape(steps[0].operands[i] if i >= 0 else steps[0].result)
        if len(shape) > 1 and shape[-1] == shape[-2] > 1:
            says = "{step} transposed" if i < 0 else "in {step}, {operand} transposed"
            yield Edit("turned", says, always(place, made(i, lambda a: np.swapaxes(a, -1, -2))), place, i)


def conjugated(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    for i in (*arrays(steps), -1):
        if np.iscomplexobj(steps[0].operands[i] if i >= 0 else steps[0].result):
            says = "{step} conjugated" if i < 0 else "in {step}, {operand} conjugated"
            yield Edit("conjugated", says, always(place, made(i, np.conj)), place, i)


def symmetric(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """A matrix and its transpose, for the matrix, or for twice the matrix."""
    for i in (*arrays(steps), -1):
        a = steps[0].operands[i] if i >= 0 else steps[0].result
        if np.ndim(a) > 1 and a.shape[-1] == a.shape[-2] > 1 and a.dtype.kind == "f":
            what = "{step}" if i < 0 else "in {step}, {operand}"
            both = lambda a: a + np.swapaxes(a, -1, -2)
            yield Edit("symmetric", f"{what} plus its transpose", always(place, made(i, both)), place, i)
            half = lambda a: (a + np.swapaxes(a, -1, -2)) / 2
            yield Edit("symmetric", f"{what} plus its transpose, halved", always(place, made(i, half)), place, i)


def other_letters(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Of a sum that is written in letters: one for another in one place, or two exchanged."""
    call = steps[0].call
    old = next(iter(call.words), "") if place[0] == "einsum" and isinstance(call, Called) else ""
    for new in exchanged_letters(old):
        change = lambda turn, call, given, new=new: alike(call.with_word(call.words[0], new)(*given), call(*given))
        yield Edit("letters", f"in {{step}}, {new!r} for {old!r}", always(place, change), place)


def exchanged_letters(letters: str) -> Iterator[str]:
    """Each place with each other letter; and in each term each two letters the other way round."""
    present = sorted({each for each in letters if each.isalpha()})
    for k, old in enumerate(letters):
        yield from (f"{letters[:k]}{new}{letters[k + 1 :]}" for new in present if old.isalpha() and new != old)
    for j, k in combinations(range(len(letters)), 2):
        if letters[j : k + 1].isalpha() and letters[j] != letters[k]:
            yield f"{letters[:j]}{letters[k]}{letters[j + 1 : k]}{letters[j]}{letters[k + 1 :]}"


def exact(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """What rounds is left out: a cast, or the type of a sum."""
    if place[0] in CASTS:
        alone = lambda turn, call, given: alike(np.asarray(given[0], float), call(*given))
        yield Edit("exact", "{step} without the cast", always(place, alone), place)
    if isinstance(steps[0].call, Called) and steps[0].call.options.get("dtype"):
        without = lambda turn, call, given: alike(call.without("dtype")(*given), call(*given))
        yield Edit("exact", "{step} without `dtype`", always(place, without), place)


def moved(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Reversed, or shifted by one."""
    for i in (*arrays(steps), -1):
        a = steps[0].operands[i] if i >= 0 else steps[0].result
        what = "{step}" if i < 0 else "in {step}, {operand}"
        for axis in range(np.ndim(a)):
            if a.shape[axis] > 1:
                flip = partial(np.flip, axis=axis)
                yield Edit("moved", f"{what} reversed along axis {axis}", always(place, made(i, flip)), place, i)
                for roll in (partial(np.roll, axis=axis), partial(pushed, axis=axis)):
                    for by in (1, -1):
                        says = f"{what} moved by {by} along axis {axis}"
                        yield Edit("moved", says, always(place, made(i, partial(roll, shift=by))), place, i)


def from_the_other_end(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """A running sum goes back from the last, where forward's goes on from the first."""
    axes = range(np.ndim(steps[0].result)) if place[0] in RUNNING else ()
    for axis in axes:
        change = lambda turn, call, given, axis=axis: np.flip(call(np.flip(given[0], axis), *given[1:]), axis)
        says = f"{{step}} from the other end{f' of axis {axis}' if len(axes) > 1 else ''}"
        yield Edit("reversed", says, always(place, change), place)


def other_numbers(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """In this step, or wherever it stands."""
    for i, old in enumerate(steps[0].operands):
        for new in known.in_place_of_number(old) if type(old) in (int, float) else ():
            if new != old:
                says = f"in {{step}}, {new:.6g} for {old:.6g}"
                yield with_number(Edit("number", says, unchanged, place, i), new)
                yield with_number(
                    Edit("number", f"{says}, and wherever that stands", unchanged, place, i, everywhere=True), new
                )


def unchanged(scene: Scene) -> Changes:
    return {}


def with_number(edit: Edit, new: float) -> Edit:
    """In the place of the one that stands there, which is another at other sizes."""
    everywhere = partial(number_everywhere, edit.place, edit.operand, new)
    here = always(edit.place, exchanged(edit.operand, [np.asarray(new)]))
    return edit._replace(changes=everywhere if edit.everywhere else here, number=new)


def number_everywhere(place: Place, i: int, new: float, scene: Scene) -> Changes:
    old = scene.steps[place][0].operands[i]
    exchange = lambda turn, call, given: call(*[new if type(a) in (int, float) and a == old else a for a in given])
    return dict.fromkeys(filter(is_step, scene.steps), exchange)


def other_axes(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """A sum over other axes, which stay as axes of one or do not; or none."""
    first, floats = steps[0], [k for k in arrays(steps) if np.ndim(steps[0].operands[k])]
    if place[0] not in SUMS or len(floats) != 1:
        return
    (i,), total = floats, np.mean if place[0] == "mean" else np.sum
    kept = np.ndim(first.result) == np.ndim(first.operands[i])
    for keep in (kept,) if kept else (False, True):
        for axes in subsets(np.ndim(first.operands[i])):
            change = lambda turn, call, given, axes=axes, keep=keep: total(given[i], axes, keepdims=keep)
            says = f"{{step}} over axes {axes}{', with keepdims' if keep > kept else ''}"
            yield Edit("axes", says, always(place, change), place, i)
    yield Edit("axes", "{operand} as it is, for {step}", always(place, lambda turn, call, given: given[i]), place, i)


def one_sum_more(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    """Over one axis; or less that sum."""
    shape = np.shape(steps[0].result)
    for axis in range(len(shape)):
        if shape[axis] > 1:
            for word, total in (("summed", np.sum), ("averaged", np.mean)):
                summed = lambda r, total=total, axis=axis: np.broadcast_to(total(r, axis, keepdims=True), np.shape(r))
                yield Edit("axes", f"{{step}} {word} over axis {axis}", always(place, made(-1, summed)), place)
                less = lambda r, total=total, axis=axis: r - total(r, axis, keepdims=True)
                what = "sum" if total is np.sum else "mean"
                yield Edit("term", f"{{step}} less its {what} over axis {axis}", always(place, made(-1, less)), place)


def one_term_more(place: Place, steps: Steps, known: Known) -> Iterator[Edit]:
    for source in known.beside([each.result for each in steps], place, smaller=False):
        for operation, word in ((np.add, "plus"), (np.subtract, "less")):
            changes = with_source(place, source, partial(combined, -1, operation))
            yield Edit("term", f"{{step}} {word} {{other}}", changes, place, -1, source)


# Beside other axes and operands: kinds of which there are few changes, and many.
FEW = (
    transposed,
    symmetric,
    other_letters,
    from_the_other_end,
    one_factor_less,
    other_numbers,
    other_operations,
    other_conditions,
)
MANY = one_term_more, one_factor_more, moved, one_sum_more, other_arrays


# The changes themselves.


def always(place: Place, change: Change) -> Callable[[Scene], Changes]:
    return lambda scene: {place: change}


def each_of_them(turn: int, call: Any, given: Sequence[Any]) -> Any:
    """Of several that are written to one place."""
    return call.added_up(*given)


def adding_up() -> Change:
    """The sum of the results of all turns so far."""
    total: list[Any] = []

    def change(turn: int, call: Operation, given: Sequence[Any]) -> Any:
        total[:] = [total[0] + call(*given) if turn else call(*given)]
        return total[0]

    return change


def made(i: int, make: Make) -> Change:
    """With something made of the operand, or of the result."""
    if i >= 0:
        return lambda turn, call, given: call(*put(given, i, make(given[i])))
    return lambda turn, call, given: of_its_result(call(*given), make)


def of_its_result(found: Any, make: Make) -> Any:
    return alike(make(found), found)


def operand_alone(i: int) -> Change:
    return lambda turn, call, given: alike(given[i], call(*given))


def calling(other: Callable[..., Any]) -> Change:
    return lambda turn, call, given: other(*given)


def with_source(place: Place, source: Source, change: Callable[[list[Array]], Change]) -> Callable[[Scene], Changes]:
    def changes(scene: Scene) -> Changes:
        values = scene.values(source)
        if len(values) not in (1, len(scene.steps.get(place, ()))):
            raise ValueError("neither one for all turns, nor one for each")
        return {place: change(values)}

    return changes


def exchanged(i: int, values: Sequence[Array]) -> Change:
    """As it would be written: nothing is reshaped to fit, but for axes of one."""
    new = lambda turn, old: with_its_axes(of_turn(values, turn), old)
    return lambda turn, call, given: alike(call(*put(given, i, new(turn, given[i]))), call(*given))


def with_its_axes(new: Array, old: Any) -> Array:
    return new.reshape(np.shape(old)) if np.ndim(new) and bare(new) == bare(np.asarray(old)) else new


def combined(i: int, operation: Callable[..., Any], values: Sequence[Array]) -> Change:
    return lambda turn, call, given: made(i, lambda a: operation(a, of_turn(values, turn)))(turn, call, given)


def pushed(a: Array, shift: int, axis: int) -> Array:
    """Moved, with zeros coming in."""
    found = np.moveaxis(np.roll(a, shift, axis), axis, 0).copy()
    found[0 if shift > 0 else -1] = 0
    return np.moveaxis(found, 0, axis)


def alike(new: Any, old: Any) -> Any:
    if np.shape(new) != np.shape(old):
        raise ValueError("of another shape")
    return new
