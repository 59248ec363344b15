"""What a backward wants to be given: told from the names of its parameters, or else from their number."""

import ast
import inspect
import re
from collections.abc import Sequence
from functools import lru_cache
from textwrap import dedent
from typing import Any, NamedTuple

from pullback.check.adapters.arguments import names_of, parameters, required, takes_anything
from pullback.check.adapters.gradients import bare

CACHE = re.compile(r"(?:.*_)?(?:cache[sd]?|ctx|context|saved|res|residuals?|memory|tape|intermediates?)(?:_.*)?")
COTANGENT = re.compile(
    r"d[A-Za-z]\w*|d_\w+|[gu]\d*|g[a-z]\d?|\w*grad\w*|g_\w+|gout\w*|delta\w*|upstream\w*|cotangents?|cts?\d*|v?bar\w*"
    r"|\w+_(bar|diff)|err\w*"
)
STEP = re.compile(r"lr|(learn(ing)?|step)_?(rate|size)|eta|alpha")
STEP_SIZE = 0.1  # of a step that backward takes as well, in a copy of the layer
OUTPUT = re.compile(r"y|Y|out|output|outputs|a|A|s|probs?|result|y_hat")


class Binding(NamedTuple):
    """The parameters of a backward in order: ("cotangent", k), ("together", 0) for all of these in a tuple,
    ("input", k), ("output", k), ("cache", 0), and ("step", 0), a learning rate."""

    places: tuple[tuple[str, int], ...]

    def count(self, kind: str) -> int:
        return sum(each == kind for each, _ in self.places)

    @property
    def takes_gradients(self) -> bool:
        return self.count("cotangent") + self.count("together") > 0

    @property
    def in_a_tuple(self) -> "Binding":
        """The same with the gradients of all outputs in the place of one."""
        return Binding(tuple(("together", 0) if kind == "cotangent" else (kind, k) for kind, k in self.places))

    @property
    def place(self) -> int:
        """Of the first gradient."""
        return [kind for kind, _ in self.places].index("cotangent")

    def arguments(self, **given: Sequence[Any]) -> list[Any]:
        together = [tuple(given.get("cotangent", ()))]
        known: dict[str, Sequence[Any]] = {"step": [STEP_SIZE], "together": together, **given}
        return [known[kind][k] for kind, k in self.places]


def bound(backward: Any, forward: Any, given: int, results: int) -> Binding | None:
    """How to call backward, after a forward of so many arguments that gave so many results; None if nothing fits."""
    return by_names(backward, forward, given, results) or by_number(backward, given, results)


def by_names(backward: Any, forward: Any, given: int, results: int) -> Binding | None:
    """Every parameter says what it is, and they make sense together."""
    inputs, kept = names_of(forward)[:given], kept_under(backward, forward, results)
    places: list[tuple[str, int]] = []
    cotangents: list[str] = []
    unknown: list[int] = []
    for parameter in parameters(backward):
        name = parameter.name
        if name in inputs:
            places.append(("input", inputs.index(name)))
        elif isinstance(parameter.default, (int, float, str)):
            break  # an option that keeps its default, and so do those behind it
        elif CACHE.fullmatch(name) or name == kept:
            places.append(("cache", 0))
        elif is_step(parameter, forward):
            places.append(("step", 0))
        elif COTANGENT.fullmatch(name) and parameter.default is parameter.empty:
            places.append(("cotangent", len(cotangents)))
            cotangents.append(name)
        elif OUTPUT.fullmatch(name):
            places.append(("output", 0))
        elif parameter.default is parameter.empty:
            unknown.append(len(places))
            places.append(("unknown", 0))
        else:
            break
    missing = {*range(len(inputs))} - {k for kind, k in places if kind == "input"}
    if unknown and not (len(unknown) == len(missing) == 1 and len(inputs) > 1 and cotangents):
        return None
    for k in unknown:  # the one input that has another name here
        places[k] = "input", missing.pop()
    order = of_outputs(cotangents, forward)
    binding = Binding(tuple((kind, order[k]) if kind == "cotangent" else (kind, k) for kind, k in places))
    cached = binding.count("cache")
    makes_sense = cached <= 1 and cached + max(len(cotangents), 1) <= results and (cotangents or not cached) and places
    return binding if makes_sense else None


def kept_under(backward: Any, forward: Any, results: int) -> str:
    """The name under which forward gives a value last, and backward takes it: kept for backward, and no gradient,
    unless backward has all of the outputs' names for their gradients."""
    outputs, taken = returned(forward), names_of(backward)
    last = outputs[-1] if results > 1 and len(outputs) == results else ""
    return last if last in taken and not set(outputs) <= set(taken) else ""


def in_order(backward: Any, forward: Any, count: int) -> tuple[tuple[str, int], ...]:
    """The gradients of so many outputs, and a learning rate wherever one is asked for."""
    steps = [is_step(parameter, forward) for parameter in parameters(backward)]
    places = [
        ("step", 0) if step else ("cotangent", sum(not each for each in steps[:k])) for k, step in enumerate(steps)
    ]
    return tuple((kind, k) for kind, k in places if k < count)


def is_step(parameter: inspect.Parameter, forward: Any) -> bool:
    """Is it the learning rate of a backward that moves the weights? What the layer has under that name is not."""
    known = parameter.name in names_of(forward) or hasattr(getattr(forward, "__self__", None), parameter.name)
    return not known and parameter.default is parameter.empty and STEP.fullmatch(parameter.name) is not None


def of_outputs(cotangents: Sequence[str], forward: Any) -> Sequence[int]:
    """Of which output each is the gradient, where names or numbers say so: dz of z, g2 of the second; else in order."""
    count = len(cotangents)
    if count < 2:
        return range(count)
    outputs = returned(forward)
    named = [next((outputs.index(left) for left in bare(name) if left in outputs), -1) for name in cotangents]
    numbers = [re.fullmatch(r"(\D+)(\d+)", name) for name in cotangents]
    if all(numbers) and len({found[1] for found in numbers if found}) == 1:
        ranks = sorted(int(found[2]) for found in numbers if found)
        named = named if -1 not in named else [ranks.index(int(found[2])) for found in numbers if found]
    return named if sorted(named) == list(range(count)) else range(count)


def returned(forward: Any) -> list[str]:
    """What forward calls its outputs where it returns them; "" for what has no name."""
    code = getattr(inspect.unwrap(forward), "__code__", None)
    return list(names_returned(code)) if code else []


@lru_cache(512)
def names_returned(code: Any) -> tuple[str, ...]:
    try:
        tree = ast.parse(dedent(inspect.getsource(code)))
    except (OSError, SyntaxError, ValueError):
        return ()
    ends = [each.value for each in ast.walk(tree) if isinstance(each, ast.Return) and isinstance(each.value, ast.Tuple)]
    return tuple(each.id if isinstance(each, ast.Name) else "" for each in ends[0].elts) if len(ends) == 1 else ()


def by_number(backward: Any, given: int, results: int) -> Binding | None:
    """(*cotangents, cache) as many as forward's results, or (*cotangents, *inputs)."""
    plain = [("cotangent", k) for k in range(results)] + [("input", k) for k in range(given)]
    if takes_anything(backward):
        return Binding(tuple(plain))
    takes = {required(backward), len(parameters(backward))}
    if len(plain) in takes:
        return Binding(tuple(plain))
    if results > 1 and results in takes:
        return Binding((*(("cotangent", k) for k in range(results - 1)), ("cache", 0)))
    if given in takes and results == 1 and not asks_for_cache(backward):  # no cotangent: of a loss, or a slope
        return Binding(tuple(("input", k) for k in range(given)))
    return None


def asks_for_cache(backward: Any) -> bool:
    return any(CACHE.fullmatch(name) for name in names_of(backward))
