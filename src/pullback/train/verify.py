"""Is the derivative of every layer right? Judged by differences, where the layers will work: at a real batch.

The batch runs through the network in float64. At each layer's own input, along random directions t of the input and
of every parameter, ⟨g, J t⟩ by differences of the forward pass is held against ⟨Jᵀ g, t⟩ by the backward pass. What
learns is the same in float32, where compiled twins may do the work: its gradients are held against those in float64.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from pullback.check.differences import away_from, difference, inner
from pullback.discovery import public
from pullback.linearization import as_tuple
from pullback.nn.model import Model
from pullback.rule import Rule

STEP = 1e-3  # the largest step, in units of the input's own size
FINE = 1e-6  # the same where elements must not overtake each other
BOUND = 1e-6  # of the gradient's size: more than this is wrong
GRAVITY = "right", "cannot judge", "wrong"
SINGLE = 1e-3  # the same for the gradients in float32
ROUGH = 1e-7  # where the differences themselves are not known better, they cannot judge
CLOSER = 1e-2  # by so much smaller is the next step where the last one was too large,
CLOSEST = 1e-18  # down to here


class Verdict(NamedTuple):
    """Of one layer."""

    layer: str
    kind: str
    moved: int  # elements of the batch moved off a kink, where there is no derivative to judge
    size: int  # elements of the batch at this layer
    error: float  # the largest, in units of the gradient's size
    single: float  # the same for the gradients in float32
    says: str  # right, wrong, cannot judge
    why: str = ""


def verify(model: Model, x: np.ndarray, t: np.ndarray, seed: int = 0) -> list[Verdict]:
    """A verdict for every layer of the model at the batch x, and one for the loss at its targets t."""
    rng = np.random.default_rng(seed)
    double = model.astype(np.float64)
    x = x.astype(np.float64) if x.dtype.kind == "f" else x
    found = [
        judged(place, layer.kind, layer.learning, layer.arguments(inputs, True, rng), rng)
        for place, layer, inputs in double.trace(x, True, rng)
    ]
    y = double(x, True, rng)
    scores = y.reshape(-1, y.shape[-1]), t.reshape(-1)
    return [*found, judged("loss", "cross_entropy", public("cross_entropy"), scores, rng)]


def judged(place: str, kind: str, rule: Rule, inputs: Sequence[Any], rng: np.random.Generator) -> Verdict:
    """The worst that is found along one direction for each input that has a derivative."""
    first, moved = off_kinks(rule.kinks, inputs[0])
    with np.errstate(all="ignore"):  # what is not finite is said in the verdict
        trials = list(compared(rule, [first, *inputs[1:]], rng))
    worst = max(trials, key=lambda trial: (GRAVITY.index(trial.verdict[0]), trial.error), default=None)
    says, why = worst.verdict if worst else ("cannot judge", "nothing here has a derivative")
    single, name = in_single(rule, [first, *inputs[1:]], rng)
    if says == "right" and not single <= SINGLE:
        says, why = "wrong", f"the gradient of {name} in float32"
    return Verdict(
        place, kind, moved, first.size, max((trial.error for trial in trials), default=0.0), single, says, why
    )


def in_single(rule: Rule, inputs: Sequence[Any], rng: np.random.Generator) -> tuple[float, str]:
    """How far the gradients in float32 are from those in float64, at most, and of what."""
    to_single = lambda x: x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x
    few = [to_single(x) for x in inputs]  # rounded first: both are taken at the same place
    wide = [x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype == np.float32 else x for x in few]
    with np.errstate(all="ignore"):
        at, fast = with_single_eps(rule).linearize(*wide)[1], rule.linearize(*few)[1]
        gy = [None if zero is None else to_single(rng.normal(size=zero.shape)) for zero in at.plan.gradients]
        found = as_tuple(fast.vjp(*gy))
        wanted = as_tuple(at.vjp(*(None if g is None else g.astype(np.float64) for g in gy)))
    apart = [
        (distance(g, w), rule.long_names[slot.name])
        for g, w, slot in zip(found, wanted, at.rule.inputs)
        if w is not None
    ]
    return max(apart, default=(0.0, ""))


def with_single_eps(rule: Rule) -> Rule:
    """The rule with the eps of float32 wherever it, or a rule that it is made of, takes that of the dtype: eps=None."""
    change: dict[str, Any] = {}
    for name, value in rule.options.items():
        if name == "eps" and value is None:
            change[name] = float(np.finfo(np.float32).eps)
        elif isinstance(value, Rule):
            change[name] = with_single_eps(value)
        elif isinstance(value, tuple) and any(isinstance(item, Rule) for item in value):
            change[name] = tuple(map(with_single_eps, value))
    return replace(rule, **change) if change else rule


def distance(a: Any, b: np.ndarray) -> float:
    """Of two arrays, in units of the second one's size."""
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0)) if np.shape(a) == b.shape else inf


class Trial(NamedTuple):
    """One input of a layer, moved along one direction; all in units of the gradient's length."""

    name: str
    error: float  # how far the backward and the differences are apart
    doubt: float  # how far the differences can be trusted
    moves: bool  # does the output?
    settled: bool = True  # do the differences agree with one another?

    @property
    def verdict(self) -> tuple[str, str]:
        if not isfinite(self.doubt):
            return "cannot judge", f"the output is not finite near {self.name}"
        if not self.error <= BOUND + 10 * self.doubt:
            return "wrong", f"the gradient of {self.name}"
        if self.doubt > ROUGH:
            return "cannot judge", f"the differences are too rough for {self.name}"
        return ("right", "") if self.moves else ("cannot judge", f"nothing moves with {self.name} here")


def compared(rule: Rule, inputs: Sequence[Any], rng: np.random.Generator) -> Iterator[Trial]:
    """A trial for every input that has a derivative."""
    _, at = rule.linearize(*inputs)
    gy = [None if zero is None else rng.normal(size=zero.shape) for zero in at.plan.gradients]
    opposite = [None if g is None else -2 * g for g in gy]
    pairs = zip(as_tuple(at.vjp(*gy)), as_tuple(at.vjp(*opposite)))  # a backward is linear, and must not take |g|
    for k, (has, (gx, other)) in enumerate(zip(at.plan.has, pairs, strict=True)):
        if not has or not inputs[k].size:
            continue
        name, x = rule.long_names[at.rule.inputs[k].name], inputs[k]
        if not np.shape(gx) == np.shape(other) == x.shape:  # a gradient that is missing has none
            yield Trial(name, inf, 0.0, True)
            continue
        tx = direction(rule, x, rng)

        def along(moved: np.ndarray, k: int = k) -> np.ndarray:
            return np.array(product(gy, as_tuple(rule(*inputs[:k], moved, *inputs[k + 1 :]))))

        trial = partial(tried, name, along, x, tx, [inner([g], [tx]) for g in (gx, other / -2)], np.linalg.norm(gx))
        yield looked_closer(trial, stride(rule.kinks, x))


def tried(
    name: str, f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, tx: np.ndarray, claims: list[float], length: Any,
    h: float,
) -> Trial:  # fmt: skip
    """Differences of f at x along tx, the largest step of them h, against the slopes that the backward claims."""
    ((slope, doubt),) = difference(f, [x], [tx], h=h)
    size = max(float(length), abs(float(slope)))
    error = np.max([abs(claim - float(slope)) for claim in claims]) / (size or 1.0)
    settled = bool(doubt < ROUGH * abs(slope))  # not where nothing moves: a step may be too small as well
    return Trial(name, float(error), float(doubt) / (size or 1.0), size > 0, settled)


def looked_closer(trial: Callable[[float], Trial], h: float) -> Trial:
    """A function may bend within much less than a step: a norm with a tiny eps, at a row of zeros. There differences
    depend on the step, however they are extrapolated, until it is small enough. Only if they do is an accusation
    tried again: who is wrong at a step that leaves nothing open stays wrong."""
    first = found = trial(h)
    while first.verdict[0] == "wrong" and not found.settled and h > CLOSEST:
        h *= CLOSER
        found = trial(h)
    return found if found.settled else first


def direction(rule: Rule, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Along which no element moves by more than the step; the row of an embedding that is held fixed does not move."""
    tx = rng.uniform(-1, 1, x.shape)
    if (row := rule.options.get("padding_idx")) is not None:
        tx[row] = 0
    return tx


def product(gy: Sequence[Any], y: Sequence[Any]) -> float:
    """⟨g, y⟩ over the outputs that have a derivative."""
    return sum(float(np.vdot(g, a)) for g, a in zip(gy, y, strict=True) if g is not None)


def stride(kinks: Any, x: np.ndarray) -> float:
    """The largest step of the differences: relative to how large x is."""
    size = float(np.sqrt(np.mean(x * x))) or 1.0
    return (FINE if kinks == "ties" else STEP) * size


def off_kinks(kinks: Any, x: np.ndarray) -> tuple[np.ndarray, int]:
    """The batch with no element so close to a kink, or to another element, that a step would cross it; and how many
    were moved for that."""
    if x.dtype.kind != "f" or not x.size or isinstance(kinks, tuple) and not kinks:
        return x, 0
    gap = 2 * stride(kinks, x)
    y = apart(x, gap) if kinks == "ties" else away_from(kinks, x, gap)
    return y, int((y != x).sum())


def apart(x: np.ndarray, gap: float) -> np.ndarray:
    """Push elements of an example upwards until no two are closer than the gap."""
    rows = x.reshape(len(x), -1)
    order = rows.argsort(-1, kind="stable")
    steps = gap * np.arange(rows.shape[1])
    ascending = np.take_along_axis(rows, order, -1)
    pushed = np.maximum.accumulate(ascending - steps, -1) + steps
    pushed = np.where(pushed - ascending > gap / 100, pushed, ascending)  # what only rounding moved stays
    y = np.empty_like(rows)
    np.put_along_axis(y, order, pushed, -1)
    return y.reshape(x.shape)
