"""Derivations, checked: definitions against `forward`, each line against the line above, the last against `vjp`.

Lines are compared on random numbers of fifty digits, and must agree to thirty. grading.py says what SymPy adds to that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from pullback.handbook.derivation.arithmetic import FLOATS, Digits, Field
from pullback.handbook.derivation.errors import DerivationError, NoValue
from pullback.handbook.derivation.evaluation import Env, Values, flat, random_like
from pullback.handbook.derivation.inclusion import parse
from pullback.handbook.derivation.language import Chain, Derivation, Text, keys, names_in
from pullback.linearization import as_tuple
from pullback.rule import Rule
from pullback.sizes import Sizes, is_group

POINTS = 3  # at which lines are compared
AGREE = 1e-30


class Instance(NamedTuple):
    """A rule with hyperparameters, at inputs of its own: one example of them, if the derivation speaks of one."""

    rule: Rule
    arrays: dict[str, Any]  # inputs, and gradients of outputs
    outputs: dict[str, Any]
    gradients: dict[str, Any]  # of inputs, by the code
    sizes: Sizes


def verify(rule: Rule, seed: int = 0, field: Field | None = None, points: int = POINTS) -> int:
    """Check all lines of `rule.derivation`; how many there are. DerivationError says which is wrong, and where.

    At the first case lines are compared on `field`, by default numbers of fifty digits; at the others on floats.
    """
    derivation = parse(rule.derivation)  # type: ignore[attr-defined]
    first, rest = field or Digits(), FLOATS
    for case in derivation.cases or [{}]:
        for instance in instances(rule, derivation, case, seed, points):
            try:
                check_instance(derivation, instance, first)
            except DerivationError as error:
                raise DerivationError(f"{rule.name}, {error}; at {told(case)}") from None
        first = rest
    for instance in on_kinks(rule, derivation):
        try:
            values = values_at(derivation, instance, FLOATS)
            compare_with_forward(values, instance)
            compare_with_vjp(values, instance)
        except DerivationError as error:
            raise DerivationError(f"{rule.name}, {error}; on a kink") from None
    return sum(len(chain.steps) for chain in derivation.chains)


def told(case: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in case.items()) or "no sizes"


def check_instance(derivation: Derivation, instance: Instance, field: Field) -> None:
    floats = values_at(derivation, instance, FLOATS)
    compare_with_forward(floats, instance)
    exact = floats if field is FLOATS else values_at(derivation, instance, field)
    for chain in spoken(exact):
        follow(exact, chain, instance, field)
    compare_with_vjp(floats, instance)
    cover(floats, instance)


def values_at(derivation: Derivation, instance: Instance, field: Field, patience: float = float("inf")) -> Values:
    repeated = [slot.name for slot in instance.rule.inputs if slot.kind == "const" and any(map(is_group, slot.axes))]
    arrays = {name: added(a) if name in instance.rule.logical else a for name, a in instance.arrays.items()}
    return Values(derivation, arrays, instance.sizes, field, repeated, patience)


def added(mask: Any) -> Any:
    """What a mask of booleans adds to scores: nothing to those that are seen, -inf to the others."""
    return np.where(mask, 0.0, -np.inf) if np.asarray(mask).dtype == bool else mask


def retold(rule: Rule, text: str) -> Rule:
    """The rule with this derivation in the place of its own."""
    kind = type(type(rule).__name__, (type(rule),), {"derivation": text})
    return kind(**{field.name: getattr(rule, field.name) for field in fields(rule)})  # type: ignore[arg-type]


# Where it is checked.


def instances(
    rule: Rule, derivation: Derivation, case: dict[str, Any], seed: int, points: int = 1
) -> Iterator[Instance]:
    """Random inputs of a case; one example after the other, if the derivation speaks of one."""
    given = {name: np.array(value) for name, value in case.items() if isinstance(value, list)}
    rule, sizes = rule.at(fitted(rule, {name: value for name, value in case.items() if name not in given}))
    rng = np.random.default_rng(seed)
    for _ in range(points):
        inputs = [
            given[slot.name]
            if slot.name in given
            else random_like(a, rng)
            if a is not None and slot.differentiable
            else a
            for slot, a in zip(rule.inputs, rule.sample(rng, **sizes))
        ]
        yield from examples(at_inputs(rule, between_kinks(rule, inputs, rng), rng), derivation)


def fitted(rule: Rule, case: dict[str, Any]) -> dict[str, Any]:
    """Of what a case has per axis, as many as the rule has axes: one text serves conv1d, conv2d and conv3d."""
    dims = getattr(rule, "dims", None) if hasattr(rule, "per_axis") else None
    return {k: v[:dims] if isinstance(v, tuple) and k != "batch" else v for k, v in case.items()} if dims else case


def between_kinks(rule: Rule, inputs: list[Any], rng: np.random.Generator) -> list[Any]:
    """Of functions of one number: numbers on every side of every kink."""
    edges = edges_of(rule)
    lows, highs = [*edges[:1], *edges], [*edges, *edges[-1:]]
    pieces = [(low - 3 * (k == 0), high + 3 * (k == len(edges))) for k, (low, high) in enumerate(zip(lows, highs))]
    return [np.array([rng.uniform(*piece) for piece in pieces])] if edges else inputs


def edges_of(rule: Rule) -> list[float]:
    """The kinks of a function of one number."""
    of_numbers = len(rule.inputs) == 1 and rule.inputs[0].axes == ("...",)
    return sorted(rule.kinks) if of_numbers and isinstance(rule.kinks, tuple) else []


def on_kinks(rule: Rule, derivation: Derivation) -> Iterator[Instance]:
    """There lines have no derivative to be compared, but the last one has to be the code's choice."""
    if edges := edges_of(rule):
        yield from examples(at_inputs(rule, [np.array(edges)], np.random.default_rng(0)), derivation)


def at_inputs(rule: Rule, inputs: Sequence[Any], rng: np.random.Generator) -> Instance:
    y, at = rule.linearize(*inputs)
    above = [rng.normal(size=np.shape(zero)) if zero is not None else None for zero in at.plan.gradients]
    found = as_tuple(at.vjp(*above))
    slots, outputs = at.plan.rule.inputs, rule.outputs
    complete = [default if a is None else a for a, default in zip(inputs, at.plan.defaults)]
    arrays = {slot.name: a for slot, a in zip(slots, complete)}
    zeros = {slot.name: np.zeros(np.shape(a)) for slot, a in zip(slots, complete)}
    gradients = {s.name: zeros[s.name] if g is None else g for s, g in zip(slots, found) if s.differentiable}
    given = {slot.name for slot, a in zip(rule.inputs, inputs) if a is not None}
    return Instance(
        rule,
        arrays | {f"g{slot.name}": g for slot, g in zip(outputs, above) if g is not None},
        {slot.name: a for slot, a in zip(outputs, as_tuple(y))},
        {name: g for name, g in gradients.items() if name in given},
        at.plan.sizes,
    )


def examples(instance: Instance, derivation: Derivation) -> Iterator[Instance]:
    """One example of a batch after the other; all together, if the derivation names the batch.

    Losses that are not reduced are many, each of them the loss of a single element.
    """
    unreduced = getattr(instance.rule, "reduction", "") == "none"
    if derivation.names_the_batch and not unreduced:
        yield instance
        return
    batch = tuple(instance.sizes.get("...", ()))
    sizes = Sizes(instance.rule, instance.sizes | {"...": ()}) if unreduced and batch else instance.sizes
    for index in np.ndindex(batch):

        def one(arrays: dict[str, Any], index: tuple[int, ...] = index) -> dict[str, Any]:
            return {name: example(a, axes_of(instance.rule, name), index) for name, a in arrays.items()}

        yield Instance(instance.rule, one(instance.arrays), one(instance.outputs), one(instance.gradients), sizes)


def axes_of(rule: Rule, name: str) -> tuple[str, ...]:
    """The axes of an input or an output, or of the gradient of one."""
    known = {slot.name: slot.axes for slot in (*rule.inputs, *rule.outputs)}
    return known[name] if name in known else known[name[1:]]


def example(a: Any, axes: tuple[str, ...], index: tuple[int, ...]) -> Any:
    """What stands at `index` on the axes of the batch, and at 0 on `b0`, `e1`, … that a rule along an axis has."""
    place: list[Any] = []
    for axis in axes:
        if axis == "...":
            place += index
        elif is_group(axis):
            place += [slice(None)] * (np.ndim(a) - sum(len(index) if x == "..." else 1 for x in axes) + 1)
        else:
            place.append(0 if axis[0] in "be" and axis[1:].isdigit() else slice(None))
    return np.asarray(a)[tuple(place)]


# What is checked.


def compare_with_forward(values: Values, instance: Instance) -> None:
    """Definitions of outputs are what the code computes."""
    for slot in instance.rule.outputs:
        let = values.derivation.lets.get(slot.name)
        if not let and slot.differentiable:
            raise DerivationError(f"line 1: `let {slot.name}` is missing, the definition of the output")
        if let:
            for key, code in np.ndenumerate(instance.outputs[slot.name]):
                text = result(values, let.body, values.placed(let.indices, key))
                if not np.isclose(float(text), float(code), rtol=1e-9, atol=1e-11):
                    raise wrong(let.body, f"`{let.head}` is {text}, and {code} in the code", dict(enumerate(key)))


def follow(values: Values, chain: Chain, instance: Instance, field: Field) -> None:
    """Each line equals the line above it, for all values of the indices; the first one what is derived."""
    if not chain.steps:
        raise wrong(chain.head, "a chain without lines", {})
    for env in points_of(chain, values):
        row = values_of_lines(values, chain, instance, env)
        for (above, here), line in zip(pairwise(row), chain.steps):
            if not agree(above, here, field):
                first = chain.target and line is chain.steps[0]
                what = "the sum of gy ∂y/∂x over all outputs" if first else "the line above"
                it, that = told_apart(here, above)
                raise wrong(line, f"it is {it}, and {what} {that} ({line.reason})", env)


def spoken(values: Values) -> Iterator[Chain]:
    """The chains, and the lines of them, that speak of these sizes."""
    for chain in values.derivation.chains:
        if values.holds(chain.when):
            yield Chain(chain.head, chain.target, [step for step in chain.steps if values.holds(step.when)])


def points_of(chain: Chain, values: Values) -> Iterator[Env]:
    """All values of the indices that its head has."""
    return values.points([index for index in values.ranges if index in names_in(chain.head.tree)])


def values_of_lines(values: Values, chain: Chain, instance: Instance, env: Env) -> list[Any]:
    """Of what is derived, and of each line."""
    head = pulled(values, chain, instance, env) if chain.target else result(values, chain.head, env)
    return [head, *(result(values, line, env) for line in chain.steps)]


def pulled(values: Values, chain: Chain, instance: Instance, env: Env) -> Any:
    """What a vjp is: the sum over all elements of all outputs, gradient times derivative."""
    seed = chain.target[1:], key_of(values, chain, env)
    total: Any = 0
    for slot in instance.rule.outputs:
        if f"g{slot.name}" in values.arrays:
            for key, g in np.ndenumerate(values.arrays[f"g{slot.name}"]):
                moves = values.element(slot.name, key, seed)
                total += g * getattr(moves, "e", 0)
    return total


def compare_with_vjp(values: Values, instance: Instance) -> None:
    """Last lines are what the code computes; of inputs that were left out there is nothing to compare."""
    for chain in spoken(values):
        if chain.target[1:] in instance.gradients:
            for env in points_of(chain, values):
                key, last = key_of(values, chain, env), chain.steps[-1]
                text, code = result(values, last, env), instance.gradients[chain.target[1:]][key]
                if not np.isclose(float(text), float(code), rtol=1e-8, atol=1e-10):
                    raise wrong(last, f"{chain.target}{list(key)} is {text}, and {code} in the code", env)


def cover(values: Values, instance: Instance) -> None:
    """Every element of the gradient of every input has a chain."""
    for name, gradient in instance.gradients.items():
        met = set()
        for chain in values.derivation.chains:
            if chain.target == f"g{name}":
                met |= {key_of(values, chain, env) for env in points_of(chain, values)}
        if missing := set(np.ndindex(gradient.shape)) - met:
            raise DerivationError(f"line 1: no chain `vjp g{name}` for the element {list(min(missing))}")


def key_of(values: Values, chain: Chain, env: Env) -> tuple[int, ...]:
    return flat([values.at(k, env) for k in keys(chain.head.tree)])


def result(values: Values, text: Text, env: Env) -> Any:
    try:
        return values.at(text.tree, env)
    except NoValue as error:
        raise wrong(text, str(error), env) from None


def agree(a: Any, b: Any, field: Field) -> bool:
    if field is FLOATS:
        return bool(np.isclose(float(a), float(b), rtol=1e-9, atol=1e-11))
    return abs(a - b) <= AGREE * max(1, abs(a), abs(b))


def told_apart(a: Any, b: Any) -> tuple[str, str]:
    """Two numbers with as few digits as it takes to see that they differ."""
    short = f"{float(a):.6g}", f"{float(b):.6g}"
    return short if short[0] != short[1] else (str(a), str(b))


def wrong(text: Text, what: str, env: dict[Any, Any]) -> DerivationError:
    where = ", ".join(f"{index} = {value}" for index, value in env.items())
    return text.wrong(what + (f" (at {where})" if where else ""))
