"""Shapes for the arrays of a layer: by what it is called, by what they are called, by the constants in its code."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, product
from typing import Any

import numpy as np

from pullback.check.adapters.frameworks import named
from pullback.check.adapters.owners import is_target
from pullback.check.files.numbers import integers
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
RECURRENT = r"[uU].*|[wW]_?(h|hh|aa|rec)\w*|V"
WEIGHT, BIAS = r"[wW].*", r"b.*|[Bb]ias.*"
ROWS = (
    (STATE, ((3, 2),)), (RECURRENT, ((2, 2), (2, 8), (2, 6), (8, 2), (6, 2))),
    (WEIGHT, ((5, 2), (5, 8), (7, 2), (7, 8), (5, 6), (2, 5), (8, 5), (6, 5), (2, 7), (8, 7))),
    (BIAS, ((2,), (8,), (6,), (1, 2))), (".*", ((3, 5), (2, 3, 5))),
)  # fmt: skip
COLUMNS = (
    (STATE, ((2, 3),)), (RECURRENT, ((2, 2),)), (WEIGHT, ((2, 5), (2, 7))), (BIAS, ((2, 1),)), (".*", ((5, 3),)),
)  # fmt: skip


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
    count, fixed = len(names), constants(code)
    for pattern, several in RECIPES:
        if re.search(pattern, called):
            known = pattern != ANY_LOSS
            own = lambda layout: count > 1 or len(layout) == 1  # all of it, or all but a bias
            yield from ((layout[:count], known and own(layout)) for layout in several if len(layout) >= count)
    of = lambda name, shapes: [(), *shapes] if re.fullmatch(SCALAR, name) else shapes
    some = [*SHAPES[:2], COLUMN, *SHAPES[2:]] if count == 1 else SHAPES
    few = product(*(of(name, [*fixed, *some]) for name in names)) if count <= 3 else ()
    more = product([*fixed, *SHAPES, *MORE], repeat=count) if count <= 2 else ()
    of_a_cell = count > 2 or any(re.fullmatch(f"{RECURRENT}|{WEIGHT}", name) for name in names)
    unknown = (relatives(names), few) if of_a_cell else (few, relatives(names))
    rest = iter(dict.fromkeys(chain(*unknown, more)))
    for layout in chain(islice(rest, 1), labelled(names), islice(rest, 8), indices(names, asked), rest):
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


def relatives(names: Sequence[str]) -> Iterator[Layout]:
    """Shapes of the arrays of a cell, or of a layer with several weights."""
    for kinds in (ROWS, COLUMNS):
        of = [next(k for k, (pattern, _) in enumerate(kinds) if re.fullmatch(pattern, name)) for name in names]
        present = sorted(set(of))
        for shapes in product(*(kinds[k][1] for k in present)):
            yield tuple(shapes[present.index(k)] for k in of)


def constants(code: Sequence[Any]) -> list[tuple[int, ...]]:
    """Shapes that go with the arrays which the code names: theirs, and those of their rows and columns."""
    shapes = dict.fromkeys(np.shape(value) for value in islice(named(code), 1000) if isinstance(value, np.ndarray))
    beside = lambda n: ((n,), (4, n), (3, n), (n, 5))
    found = dict.fromkeys(each for shape in shapes for each in (shape, *(size for n in shape for size in beside(n))))
    return list(found)[:12]
