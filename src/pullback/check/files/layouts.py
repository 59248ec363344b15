"""Shapes for the arrays of a layer: by what it is called, by what they are called, by the constants in its code."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice, product
from typing import Any

import numpy as np

from pullback.check.adapters.frameworks import named
from pullback.check.adapters.owners import is_target
from pullback.check.files.indices import used_as_indices
from pullback.check.files.numbers import integers, kind
from pullback.check.files.recipes import ANY_LOSS, RECIPES

Layout = tuple[Any, ...]
Layouts = Iterator[tuple[Layout, bool]]

SHAPES = (4, 5), (5, 3), (7,), (5,), (2, 3, 4, 6), (2, 3, 5), (3,), (4,), ()
COLUMN = (7, 1)  # an example, where a matrix is a batch of them
ONES = (4,), (7,), (2,), (4, 5)  # of indices
MORE = (
    (4, 6),
    (2, 3, 4),
    (2, 4, 6),
    (2, 6, 3),
    (6, 3),
    (6,),
    (8,),
    (3, 4),
    (2, 3),
    (3, 2),
    (3, 3),
    (2, 4, 4),
    (2,),
    (1,),
)

SCALAR = r"tau|temp(erature)?"  # first a single number
LABELS = r"y(_?true)?|t|targets?"  # or numbers like any other

# Weights of a cell: what their names may be, and their shapes where x has 5 features and the state 2. Weights of one
# kind have one shape.
STATE = r"((prev|next|old)_?)?(h|c|s|hidden|cell|state)(_?(prev|old|0|t|in))?"
OF_A_STATE = r"[uU].*|V"
RECURRENT = rf"{OF_A_STATE}|[wW]_?(h|hh|aa|rec)\w*"
WEIGHT, BIAS = r"[wW].*", r"b.*|[Bb]ias.*"
MATRIX = f"{RECURRENT}|{WEIGHT}"
ROWS = (
    (STATE, ((3, 2),)), (RECURRENT, ((2, 2), (2, 8), (2, 6), (8, 2), (6, 2))),
    (WEIGHT, ((5, 2), (5, 8), (7, 2), (7, 8), (5, 6), (2, 5), (8, 5), (6, 5), (2, 7), (8, 7))),
    (BIAS, ((2,), (8,), (6,), (1, 2))), (".*", ((3, 5), (2, 3, 5))),
)  # fmt: skip
COLUMNS = (
    (STATE, ((2, 3),)), (RECURRENT, ((2, 2),)), (WEIGHT, ((2, 5), (2, 7))), (BIAS, ((2, 1),)), (".*", ((5, 3),)),
)  # fmt: skip
# Of a block whose output has the size of its input, such as x + f(x @ W).
SQUARE = (MATRIX, ((5, 5),)), (BIAS, ((5,), (1, 5))), (".*", ((4, 5), (2, 4, 5)))
BATCHES = (4, 5), (2, 3, 5), (2, 5, 3, 4)  # with 5 features, or channels

RELATED = (4, 5), (5, 3), (3, 5), (5,), (3,)  # what goes with a first array of 4 x 5, or of 5
OF_INDICES = (4,), (4, 2)


def layouts(called: str, names: Sequence[str], code: Sequence[Any], asked: Callable[[], bool]) -> Layouts:
    """Shapes (or arrays of integers and the like), the likeliest first, and whether they are those of such a layer. A
    loss whose target comes first takes what others take, in that order."""
    if len(names) < 2 or not is_target(names[0], names) or is_target(names[1], names):
        yield from of_names(called, names, code, asked)
        return
    one, two, *rest = names
    exchanged = called.replace(f"({one},{two}".lower(), f"({two},{one}".lower())
    for (second, first, *others), fitting in of_names(exchanged, [two, one, *rest], code, asked):
        yield (first, second, *others), fitting


def of_names(called: str, names: Sequence[str], code: Sequence[Any], asked: Callable[[], bool]) -> Layouts:
    count, fixed, within = len(names), constants(code), used_as_indices(code)
    for pattern, several in RECIPES:
        if re.search(pattern, called):
            known = pattern != ANY_LOSS
            own = lambda layout: count > 1 or len(layout) == 1  # all of it, or all but a bias
            yield from ((layout[:count], known and own(layout)) for layout in several if len(layout) >= count)
    of = lambda name, shapes: [(), *shapes] if re.fullmatch(SCALAR, name) else shapes
    some = [*SHAPES[:2], COLUMN, *SHAPES[2:]] if count == 1 else SHAPES
    few = product(*(of(name, [*fixed, *some]) for name in names)) if count <= 3 else ()
    more = product([*fixed, *SHAPES, *MORE], repeat=count) if count <= 2 else ()
    of_a_cell = count > 2 or any(re.fullmatch(MATRIX, name) for name in names)
    unknown = (relatives(names), few) if of_a_cell else (few, relatives(names))
    rest = iter(dict.fromkeys(chain(*unknown, more, related(count))))
    told = indexed(names, [name for name in names if name in within])
    for layout in chain(told, islice(rest, 1), labelled(names), islice(rest, 8), indices(names, asked), rest):
        yield layout, False


def labelled(names: Sequence[str]) -> Iterator[Layout]:
    """Some of them are labels of the examples that the others are."""
    labels = [bool(re.fullmatch(LABELS, name)) for name in names]
    if any(labels) and not all(labels):
        yield tuple(integers(4, below=5) if each else (4, 5) for each in labels)


def indices(names: Sequence[str], asked: Callable[[], bool]) -> Iterator[Layout]:
    """One of them, the last first, is of integers, where they are asked for."""
    count = len(names)
    for k in reversed(range(count)) if asked() and 1 < count <= 3 else ():
        for shapes in product(*([*ONES] if each == k else SHAPES for each in range(count))):
            yield tuple(integers(*s, below=3) if each == k else s for each, s in enumerate(shapes))


def indexed(names: Sequence[str], within: Collection[str]) -> Iterator[Layout]:
    """Integers, or what else the name tells, for those that stand within brackets."""
    others = [name for name in names if name not in within]
    for own in product(OF_INDICES, repeat=len(within)) if within and others else ():
        for rest in related(len(others)):
            shapes = dict(zip((*within, *others), (*own, *rest)))
            whole = {name: integers(*shapes[name], below=3) for name in within if kind(name) is None}
            yield tuple((shapes | whole)[name] for name in names)


def related(count: int) -> Iterator[Layout]:
    """Matrices and vectors of related sizes, for a few arrays."""
    yield from product(((4, 5), (5,)), *[RELATED] * (count - 1)) if count <= 4 else ()


def relatives(names: Sequence[str]) -> Iterator[Layout]:
    """Shapes of the arrays of a cell, or of a layer with several weights."""
    for kinds in (ROWS, SQUARE, COLUMNS):
        of = [kind_of(name, names, [pattern for pattern, _ in kinds]) for name in names]
        present = sorted(set(of))
        for shapes in product(*(kinds[k][1] for k in present)):
            yield tuple(shapes[present.index(k)] for k in of)
        if kinds is ROWS:
            yield from stacked(names)


def kind_of(name: str, names: Sequence[str], patterns: Sequence[str]) -> int:
    """The place of its pattern. Where some are called U, it is those that see the state, and Wh makes a candidate."""
    makes_a_state = re.fullmatch(WEIGHT, name) and any(re.fullmatch(OF_A_STATE, other) for other in names)
    return next(k for k, p in enumerate(patterns) if re.fullmatch(p, name) and not (makes_a_state and p == RECURRENT))


def stacked(names: Sequence[str]) -> Iterator[Layout]:
    """Layers on top of one another: the last weight takes what the others give, at best back to the size of x."""
    weights = [name for name in names if re.fullmatch(MATRIX, name)]
    biases = [name for name in names if re.fullmatch(BIAS, name)]
    for out, x in product((3, 5), BATCHES) if len(weights) > 1 else ():
        shapes = dict.fromkeys(weights, (5, 2)) | dict.fromkeys(biases, (2,))
        last = {weights[-1]: (2, out)} | dict.fromkeys(biases[-1:], (out,))
        yield tuple((shapes | last).get(name, x) for name in names)


def constants(code: Sequence[Any]) -> list[tuple[int, ...]]:
    """Shapes that go with the arrays which the code names: theirs, and those of their rows and columns."""
    shapes = dict.fromkeys(np.shape(value) for value in islice(named(code), 1000) if isinstance(value, np.ndarray))
    beside = lambda n: ((n,), (4, n), (3, n), (n, 5))
    found = dict.fromkeys(each for shape in shapes for each in (shape, *(size for n in shape for size in beside(n))))
    return list(found)[:12]
