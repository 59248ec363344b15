"""What a backward wants to be given: told from the names of its parameters, or else from their number."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pullback.check.adapters.arguments import names_of, parameters, required, takes_anything

CACHE = re.compile(r"(?:.*_)?(?:cache[sd]?|ctx|context|saved|res|residuals?|memory|tape|intermediates?)(?:_.*)?")
COTANGENT = re.compile(
    r"d[A-Za-z]\w*|d_\w+|[gu]|g[a-z]\d?|\w*grad\w*|g_\w+|gout\w*|delta\w*|upstream\w*|cotangents?|cts?|v?bar\w*|\w+_bar|err\w*"
)
OUTPUT = re.compile(r"y|Y|out|output|outputs|a|A|s|probs?|result|y_hat")


class Binding(NamedTuple):
    """The parameters of a backward in order: ("cotangent", k), ("input", k), ("output", k) or ("cache", 0)."""

    places: tuple[tuple[str, int], ...]

    def count(self, kind: str) -> int:
        return sum(each == kind for each, _ in self.places)

    def arguments(self, **given: Sequence[Any]) -> list[Any]:
        return [given[kind][k] for kind, k in self.places]


def bound(backward: Any, forward: Any, given: int, results: int) -> Binding | None:
    """How to call backward, after a forward of so many arguments that gave so many results; None if nothing fits."""
    return by_names(backward, names_of(forward)[:given], results) or by_number(backward, given, results)


def by_names(backward: Any, inputs: Sequence[str], results: int) -> Binding | None:
    """Every parameter says what it is, and they make sense together."""
    places: list[tuple[str, int]] = []
    cotangents = 0
    for parameter in parameters(backward):
        name = parameter.name
        if name in inputs:
            places.append(("input", inputs.index(name)))
        elif CACHE.fullmatch(name):
            places.append(("cache", 0))
        elif COTANGENT.fullmatch(name) and parameter.default is parameter.empty:
            places.append(("cotangent", cotangents))
            cotangents += 1
        elif OUTPUT.fullmatch(name):
            places.append(("output", 0))
        elif parameter.default is parameter.empty:
            return None
        else:
            break  # an option that keeps its default, and so do those behind it
    binding = Binding(tuple(places))
    cached = binding.count("cache")
    makes_sense = cached <= 1 and cached + max(cotangents, 1) <= results and (cotangents or not cached) and places
    return binding if makes_sense else None


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
    if given in takes and results == 1:  # a derivative without a cotangent: of a loss, or element by element
        return Binding(tuple(("input", k) for k in range(given)))
    return None
