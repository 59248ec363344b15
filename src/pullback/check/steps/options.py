"""Backward is right for another value of an option: training for evaluation, another slope, no smoothing."""

from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from pullback.check.problem import Problem, pack

Array = NDArray[Any]
Options = dict[str, Any]

WORDS = (
    ("mean", "sum", "none"),
    ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean", "maximum", "minimum"),
    ("constant", "zeros", "border", "replicate", "reflect", "reflection", "symmetric", "circular", "wrap"),
    ("valid", "same", "full"),
    ("nearest", "linear", "bilinear", "bicubic", "area"),
    ("none", "tanh", "exact", "erf", "sigmoid", "approximate"),
)
NUMBERS = 0.0, 0.01, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9, 0.99, 1.0, 2.0


def flags(problem: Problem) -> Iterator[tuple[str, Options]]:
    for name, value in problem.adapted.options.items():
        if isinstance(value, bool):
            yield f"as if {name} were {not value}", {name: not value}


def numbers(problem: Problem) -> Iterator[tuple[str, Options]]:
    for name, value in problem.adapted.options.items():
        for other in NUMBERS if isinstance(value, float) else ():
            if other != value:
                yield f"as if {name} were {other:g}, not {value:g}", {name: other}


def words(problem: Problem) -> Iterator[tuple[str, Options]]:
    for name, value in problem.adapted.options.items():
        for others in WORDS if isinstance(value, str) else ():
            for other in others if value in others else ():
                if other != value:
                    yield f"as if {name} were {other!r}, not {value!r}", {name: other}


def otherwise(problem: Problem, options: Options) -> Callable[[Array], Array]:
    """forward with these options."""
    run = problem.adapted.otherwise
    return lambda v: pack(run(options, *problem.unpack(v, exact=problem.takes_double)), problem.outputs)
