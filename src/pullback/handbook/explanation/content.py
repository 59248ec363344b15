"""What there is to explain about a rule at one point: everything is computed here, and nothing is drawn."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

import pullback.door as door
from pullback.errors import DtypeError, OptionError, ShapeError
from pullback.handbook.derivation.checking import Instance
from pullback.handbook.explanation.chain import by_chain_rule
from pullback.handbook.explanation.examples import completed, cotangents
from pullback.handbook.explanation.mistakes import Mistake, mistakes
from pullback.handbook.explanation.places import Place, places
from pullback.handbook.explanation.steps import Derived, derived
from pullback.handbook.words import say
from pullback.linearization import as_tuple
from pullback.rule import Rule

EDGES = (np.min, np.inf), (np.max, -np.inf)
RANGES = (0.2, 0.8), (0.1, 0.9), (-2.0, 2.0), (-1e3, 1e3)  # of what is drawn: probabilities, both signs, beyond bounds
ENOUGH = 3  # draws that have to agree
LARGEST = 4096  # entries of a Jacobian that is written down


class Array(NamedTuple):
    """An input, output or gradient."""

    name: str
    shown: str  # as the signature writes it: x[... n]
    values: Any
    differentiable: bool
    made: bool = False  # the reader did not give it


class Block(NamedTuple):
    """The Jacobian of one output by one input, as a matrix of their elements."""

    of: str
    by: str
    shape: tuple[int, int]
    matrix: np.ndarray | None  # None: too large to be written down
    rows: list[str]
    columns: list[str]
    structure: str  # what the operator is made of, as "Diagonal - Outer"; "" if nothing is known


class Kept(NamedTuple):
    """What the rule keeps from the forward pass."""

    name: str
    shape: str
    size: int  # bytes
    own: int  # bytes that are no input and no output
    is_: str  # the input or output that it is, if it is one
    count: int  # of arrays in it


class Content:
    """A rule at one point: inputs by letter, and gradients of outputs by theirs; what is not given is made up.

    `said` are the hyperparameters that the reader has set: these stay, the others may be those of an example.
    """

    def __init__(
        self,
        rule: Rule,
        given: Mapping[str, Any],
        gradients: Mapping[str, Any],
        lang: str,
        said: Collection[str] = (),
    ) -> None:
        self.lang = lang
        rule, inputs, made = completed(rule, given, said)
        arrays = door.arrays(rule, tuple(inputs.values()))
        with np.errstate(all="ignore"):
            output, self.at = rule.linearize(*arrays)
        self.rule, self.name = self.at.rule, rule.name
        self.outputs = [
            Array(slot.name, str(slot), y, slot.differentiable)
            for slot, y in zip(self.rule.outputs, as_tuple(output), strict=True)
        ]
        self.inputs = [
            Array(slot.name, str(slot), x, slot.differentiable, slot.name in made)
            for slot, x in zip(self.rule.inputs, arrays)
            if x is not None
        ]
        self.above = list(self._above(gradients))

    def _above(self, given: Mapping[str, Any]) -> Iterator[Array]:
        """The gradients of the outputs: the reader's, and 0 where there are others of the reader's; or made up."""
        zeros = {f"g{y.name}": zero for y, zero in zip(self.outputs, self.at.plan.gradients) if zero is not None}
        if unknown := [name for name in given if name not in zeros]:
            raise OptionError(f"{self.name}: no output has the gradient {unknown[0]}; there are {', '.join(zeros)}")
        examples = cotangents([zero.shape for zero in zeros.values()])
        shown = {f"g{y.name}": f"g{y.shown}" for y in self.outputs}
        for (name, zero), example in zip(zeros.items(), examples):
            values = fitting(self.rule, name, given[name], zero) if name in given else zero if given else example
            yield Array(name, shown[name], values.astype(zero.dtype), True, not given)

    @cached_property
    def gradients(self) -> list[Array]:
        """The gradients of the inputs: the vjp."""
        with np.errstate(all="ignore"):
            found = as_tuple(self.at.vjp(*self._cotangents()))
        each = dict(zip([slot.name for slot in self.rule.inputs], found, strict=True))
        shown = {x.name: x.shown for x in self.inputs}
        return [Array(f"g{n}", f"g{shown[n]}", g, True) for n, g in each.items() if g is not None]

    @cached_property
    def settled(self) -> list[Array]:
        """The gradients, with 0 in the place of what rounding alone has left of terms that cancel."""
        return [g._replace(values=np.where(self._lost(g), 0, g.values)) for g in self.gradients]

    def _lost(self, gradient: Array) -> Any:
        """Is an element no more than the rounding errors of the terms Jᵀ g that it is the sum of?"""
        above = {g.name: np.abs(g.values).reshape(-1) for g in self.above}
        blocks = [b for b in self.jacobians if f"g{b.by}" == gradient.name and f"g{b.of}" in above]
        if not blocks or any(b.matrix is None for b in blocks):
            return False
        with np.errstate(all="ignore"):
            terms = np.reshape(sum(np.abs(b.matrix).T @ above[f"g{b.of}"] for b in blocks), gradient.values.shape)
        rounding = sum(b.shape[0] for b in blocks) * np.finfo(gradient.values.dtype).eps
        return np.isfinite(terms) & (np.abs(gradient.values) <= rounding * terms)

    def _cotangents(self) -> list[Any]:
        known = {g.name: g.values for g in self.above}
        return [known.get(f"g{y.name}") for y in self.outputs]

    @cached_property
    def derivation(self) -> list[Derived] | str:
        """The chains of the derivation; or why there are none, in words."""
        above = {a.name: a.values for a in self.above}
        outputs = {a.name: a.values for a in self.outputs}
        return derived(Instance(self.rule, self._complete() | above, outputs, {}, self.at.plan.sizes), self.lang)

    def _complete(self) -> dict[str, Any]:
        """All inputs, those that were left out as well."""
        slots = zip(self.rule.inputs, self.at.plan.defaults)
        values = {slot.name: default for slot, default in slots if default is not None}
        return values | {a.name: a.values for a in self.inputs}

    @cached_property
    def chain_rule(self) -> list[Derived]:
        """For every input one element of its gradient, from the Jacobians."""
        above = {g.name.removeprefix("g"): g.values for g in self.above}
        reason, found = say("explain.chain", self.lang), []
        for x in self.inputs:
            blocks = {b.of: b.matrix for b in self.jacobians if b.by == x.name and b.matrix is not None}
            if blocks and np.size(x.values):
                found.append(by_chain_rule(x.name, np.shape(x.values), blocks, above, reason))
        return found

    @cached_property
    def jacobians(self) -> list[Block]:
        ys = [(j, y) for j, y in enumerate(self.outputs) if y.differentiable]
        slots = [slot.name for slot in self.rule.inputs]
        with np.errstate(all="ignore"):
            return [self._block(j, y, slots.index(x.name), x) for j, y in ys for x in self.inputs if x.differentiable]

    def _block(self, j: int, y: Array, k: int, x: Array) -> Block:
        shape = np.size(y.values), np.size(x.values)
        small = shape[0] * shape[1] <= LARGEST
        matrix = self._columns(j, k, shape) if small else None
        rows = elements(y.name, np.shape(y.values)) if small else []
        columns = elements(x.name if np.ndim(x.values) < 2 else "", np.shape(x.values)) if small else []
        return Block(y.name, x.name, shape, matrix, rows, columns, self._structure(j, k))

    @cached_property
    def _pushed(self) -> dict[int, dict[int, np.ndarray]]:
        """Columns of all outputs, by the number of the input."""
        return {}

    def _columns(self, j: int, k: int, shape: tuple[int, int]) -> np.ndarray:
        """Column by column; a nan or inf spoils entries that have no part in it, as 0 times nan is nan."""
        if k not in self._pushed:
            sizes = {i: np.size(y.values) for i, y in enumerate(self.outputs) if y.differentiable}
            small = {i: size for i, size in sizes.items() if size * shape[1] <= LARGEST}
            self._pushed[k] = columns(self.at, k, small, shape[1])
        found = self._pushed[k][j]
        if np.isnan(found).any():
            rows = {j: shape[0]}
            found = unspoilt(found, lambda *drawn: columns(self._elsewhere(*drawn), k, rows, shape[1])[j])
        if np.isnan(found).any() and not (operator := self._operator(j, k)).batch:
            found = np.where(np.isnan(found), operator.dense().reshape(shape), found)
        return found

    def _elsewhere(self, seed: int, low: float, high: float, mirrored: bool = False, all_: bool = False) -> Any:
        """The derivative where numbers between those two stand for what is not finite, another one in every place; or
        for all there is. Mirrored, of every two that are drawn the larger becomes the smaller."""
        rng = np.random.default_rng(seed)

        def moved(x: np.ndarray) -> np.ndarray:
            drawn = rng.uniform(low, high, x.shape)
            drawn = low + high - drawn if mirrored else drawn
            return (drawn if all_ else np.where(np.isfinite(x), x, drawn)).astype(x.dtype)

        given = {x.name: moved(x.values) if x.differentiable else x.values for x in self.inputs}
        return self.rule.linearize(*(given.get(slot.name) for slot in self.rule.inputs))[1]

    def _structure(self, j: int, k: int) -> str:
        words = repr(self._operator(j, k)).strip("<").partition(" [")[0]
        return "" if words.startswith("Implicit") else words

    @cached_property
    def _jacobian(self) -> Any:
        return self.at.jacobian()

    def _operator(self, j: int, k: int) -> Any:
        """The Jacobian of one output by one input, as the rule has it."""
        found = self._jacobian
        found = found[j] if sum(y.differentiable for y in self.outputs) > 1 else found
        return found[k] if isinstance(found, tuple) else found

    @cached_property
    def memory(self) -> list[Kept]:
        """What stays from the forward pass until the backward one."""
        known = {a.name: a.values for a in (*self.inputs, *self.outputs) if isinstance(a.values, np.ndarray)}
        return [kept(name, value, known) for name, value in zip(self.rule.saves, self.at.saved, strict=True)]

    @cached_property
    def places(self) -> list[Place]:
        """Where there is no derivative."""
        with np.errstate(all="ignore"):
            return places(self.rule, {x.name: x.values for x in self.inputs})

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """Known ways to get the backward wrong, with what each would give here."""
        return mistakes(self)


def columns(at: Any, k: int, rows: Mapping[int, int], count: int) -> dict[int, np.ndarray]:
    """How outputs, those with so many elements as `rows` says, move with each of the `count` elements of input k."""
    found, like = {j: np.zeros((size, count)) for j, size in rows.items()}, at.plan.tangents[k]
    for place in range(count):
        tx = np.zeros(like.shape, like.dtype)
        tx.reshape(-1)[place] = 1
        ty = as_tuple(at.jvp(*(tx if i == k else None for i in range(len(at.plan.tangents)))))
        for j in found:
            found[j][:, place] = ty[j].reshape(-1)
    return found


def unspoilt(found: np.ndarray, at: Callable[..., np.ndarray]) -> np.ndarray:
    """Entries that are nan, but the same whatever stands for what is not finite. Where even then there are too few that
    are finite, a number that was given is at fault, as a negative one below a root: what is 0 wherever one looks is 0.
    """
    draws = [(seed, *range_, mirrored) for seed, range_ in enumerate(RANGES) for mirrored in (False, True)]
    same = np.stack([at(*draw) for draw in draws])
    finite = np.isfinite(same)
    low, high = (edge(same, 0, where=finite, initial=start) for edge, start in EDGES)
    zero = np.all([at(seed, *RANGES[0], False, True) == 0 for seed in range(2)], 0)
    known = np.where(finite.sum(0) >= ENOUGH, np.where(low == high, low, np.nan), np.where(zero, 0, np.nan))
    return np.where(np.isnan(found), known, found)


def fitting(rule: Rule, name: str, values: Any, zero: np.ndarray) -> np.ndarray:
    """A gradient that was given, if it has the shape of its output; a number alone will do for one element."""
    found = door.array(rule, values)
    if found.dtype.kind not in "biuf":
        raise DtypeError(f"{rule.name}: {name} is {found.dtype}, needs numbers")
    if found.ndim == 0 and zero.size == 1:
        found = found.reshape(zero.shape)
    if found.shape != zero.shape:
        raise ShapeError(f"{rule.name}: {name} has shape {found.shape}, needs {zero.shape}, that of {name[1:]}")
    return found


def elements(name: str, shape: tuple[int, ...]) -> list[str]:
    """x[0], x[1]; of a number, y. Without a name, the bare indices."""
    if not shape:
        return [name]
    return [f"{name}[{','.join(map(str, p))}]" if name else ",".join(map(str, p)) for p in np.ndindex(shape)]


def kept(name: str, value: Any, known: Mapping[str, np.ndarray]) -> Kept:
    is_of = lambda a: next((n for n, b in known.items() if a is b or a.size and np.shares_memory(a, b)), "")
    arrays = list(leaves(value))
    alone = isinstance(value, np.ndarray)
    shape = f"[{' '.join(map(str, value.shape))}]" if alone else ""
    own = sum(a.nbytes for a in arrays if not is_of(a))
    return Kept(name, shape, sum(a.nbytes for a in arrays), own, is_of(value) if alone else "", len(arrays))


def leaves(value: Any) -> Iterator[np.ndarray]:
    """All arrays in what a rule keeps, in lists and tuples as well."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from leaves(part)
