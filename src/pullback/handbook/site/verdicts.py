"""What `pullback.check` says to common mistakes: each is planted in the rule's own backward, and judged."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

import pullback.check
from pullback.check.progress import followed
from pullback.handbook.explanation import Explanation, explain
from pullback.handbook.explanation.mistakes import faults, one_mistake
from pullback.handbook.site.families import alike
from pullback.linearization import as_tuple

WORKERS = 2
UNITS = {  # of cells with one input on their page: x, h and c, since of one number every mistake is but a factor
    "gru_cell": ([2.0, -1.5], [1.2, -2.2]),
    "lstm_cell": ([2.0, -1.5], [1.2, -2.2], [2.8, -1.1]),
    "projected_lstm_cell": ([2.0, -1.5], [1.2, -2.2], [2.8, -1.1, 0.6]),
}


class Verdict(NamedTuple):
    verdict: str  # right, wrong, cannot judge
    cause: str  # a class of faults


def verdicts(names: Iterable[str]) -> dict[str, dict[str, Verdict]]:
    """For each rule, by the name of the mistake. Rules that differ in dimensions alone share the judgements of the
    first, as far as the same mistakes can be made in it."""
    leading = {name: alike(name)[0] for name in names}
    with ProcessPoolExecutor(WORKERS) as pool:
        first = sorted(set(leading.values()))
        judged = dict(followed("what check says to mistakes", pool.map(judgement, first), len(first)))
        others = [name for name in leading if name not in judged]
        return judged | dict(pool.map(judgement, others, [judged[leading[name]] for name in others]))


def judgement(name: str, known: Mapping[str, Verdict] | None = None) -> tuple[str, dict[str, Verdict]]:
    """What is said to each mistake in the backward of this rule, unless it is known."""
    found, pages = dict(known or {}), [explain(name, lang="en")]
    if name in UNITS:
        pages.insert(0, explain(name, *UNITS[name], lang="en"))
    for e, mistake in [(page, mistake) for page in pages for mistake in page.mistakes]:
        if mistake.name in found:
            continue
        wrong = next(iter(mistake.gradients))
        inputs = [x.name for x in e.inputs]
        judged = inputs.index(wrong[1:])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # it tries what overflows, and means of nothing
            report = pullback.check(forward(e), backward(e, mistake.name), *(x.values for x in e.inputs), wrt=[judged])
        found[mistake.name] = Verdict(report.verdict, report.cause)
    return name, found


def forward(e: Explanation) -> Callable[..., Any]:
    """The outputs that have a derivative; `check` hands the backward a gradient for each of them."""
    names, taught = [x.name for x in e.inputs], [y.differentiable for y in e.outputs]

    def outputs(*inputs: Any) -> Any:
        found = tuple(compress(as_tuple(e.rule(**dict(zip(names, inputs)))), taught))
        return found if len(found) > 1 else found[0]

    return outputs


def backward(e: Explanation, mistake: str) -> Callable[..., Any]:
    """The rule's vjp with the mistake in it, for any inputs."""
    names, above = [x.name for x in e.inputs], [g.name for g in e.above]
    slots = [slot.name for slot in e.rule.inputs]

    def spoiled(*arrays: Any) -> tuple[Any, ...]:
        gradients, inputs = arrays[: len(above)], dict(zip(names, arrays[len(above) :]))
        if fault := faults().get(mistake):
            right = dict(zip(slots, as_tuple(e.rule.linearize(**inputs)[1].vjp(*gradients))))
            return tuple(None if right[n] is None else fault.spoil(right[n], np.asarray(gradients[0])) for n in names)
        here = Explanation(e.rule, inputs, dict(zip(above, gradients)), "en")
        right = {g.name: g.values for g in here.gradients}
        return tuple((right | one_mistake(here, mistake)).get(f"g{name}") for name in names)

    return spoiled
