"""The second derivative: a backward is a function too, of the gradients from above and of the inputs. Where the code
brings the backward of that (double backward, hvp), it is judged like any other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pullback.check.adapters.arguments import Leaf
from pullback.check.adapters.code import Adapted
from pullback.check.problem import Problem
from pullback.check.report import WRONG, Cause, Finding

NONE = "its first derivative is right; code in this style brings no second one (torch, JAX, autograd and hvp do)"


class NoSecondError(Exception):
    """There is no second derivative to judge, and why."""


def second(problem: Problem, seed: int) -> Problem:
    """The backward of a layer as a layer: `gradients = forward(*gradients from above, *inputs)`."""
    adapted, count = problem.adapted, len(problem.first)
    if adapted.second is None:
        raise NoSecondError(NONE)
    kept = [part.place for part in problem.inputs]
    rng = np.random.default_rng(seed + 3)
    above = problem.cotangents(rng.normal(size=problem.given_size))
    leaves = [Leaf(f"g{part.name}", (part.place,), above[part.place]) for part in problem.outputs]
    moving = [part.place for part in problem.outputs]
    inputs = [leaf._replace(value=array) for leaf, array in zip(adapted.leaves, problem.arrays)]

    def apart(arrays: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
        gradients = [np.zeros(np.shape(y)) for y in problem.first[:count]]
        for place, g in zip(moving, arrays):
            gradients[place] = g
        return gradients, arrays[len(moving) :]

    def forward(*arrays: Any) -> tuple[Any, ...]:
        found = adapted.backward(*apart(arrays))
        return tuple(found[place] for place in kept)

    def backward(tangents: Sequence[Any], arrays: Sequence[Any]) -> tuple[Any, ...]:
        gradients, inputs = apart(arrays)
        along: list[Any] = [None] * len(inputs)
        for place, t in zip(kept, tangents):
            along[place] = t
        found = adapted.second(gradients, inputs, along)  # type: ignore[misc]
        return (*(found[0][place] for place in moving), *found[1])

    try:
        backward(forward(*[leaf.value for leaf in (*leaves, *inputs)]), [leaf.value for leaf in (*leaves, *inputs)])
    except Exception as error:  # once_differentiable, or no rule for it
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NoSecondError(f"its first derivative is right, and cannot be differentiated again: {said}") from error
    names = {leaf.name for leaf in leaves} | {part.name for part in problem.inputs}
    everything = Adapted(adapted.name, forward, backward, [*leaves, *inputs])
    judged = [k for k, leaf in enumerate(everything.leaves) if leaf.name in names]
    return Problem(everything, judged, seed, "vjp", problem.convention)


def named(finding: Finding) -> Finding:
    """A fault of the second derivative, and below it the class that it would be of the first."""
    name = f"{finding.name}, second"
    if finding.verdict != WRONG:
        return replace(finding, name=name)
    says = f"the first derivative is right, the second is not: {finding.hint or 'another one'}"
    first = Cause("higher_order", says, "differentiate the backward itself, by every input and by the gradient above")
    return replace(finding, name=name, causes=(first, *finding.causes))
