"""Expressions of a derivation, evaluated: on floats, on numbers of fifty digits, or on SymPy's symbols.

A derivative d(a, b) is exact: a is evaluated with b + ε in the place of b (see dual.py). b is an element of an input,
or of a definition: then what stands before that definition does not move.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from pullback.errors import PullbackError
from pullback.expressions import evaluate
from pullback.handbook.derivation.arithmetic import ARITHMETIC, COMPARISONS, Field, each
from pullback.handbook.derivation.dual import Dual, moved, value
from pullback.handbook.derivation.errors import NoValue, TooMuch
from pullback.handbook.derivation.language import CONSTANTS, Derivation, Text, keys, names_in
from pullback.sizes import Sizes, is_group

Env = dict[str, Any]  # index -> its value, a number, or several for a group of axes
Seed = tuple[str, tuple[int, ...]] | None  # the element that moves
Body = Callable[[Env, Seed], Any]
FAILURES = ArithmeticError, AttributeError, IndexError, KeyError, PullbackError, RecursionError, TypeError, ValueError


class Values:
    """What the expressions of a derivation are worth: `at(tree, {"i": 0})`.

    `arrays` holds inputs and gradients of outputs by name, `sizes` knows axes and hyperparameters. Arrays in
    `broadcast` are repeated along axes that they lack. After `patience` terms of sums it gives up with NoValue.
    """

    def __init__(
        self, derivation: Derivation, arrays: Mapping[str, Any], sizes: Sizes, field: Field,
        broadcast: Sequence[str] = (), patience: float = float("inf"),
    ) -> None:  # fmt: skip
        self.derivation, self.sizes, self.field, self.patience = derivation, sizes, field, patience
        self.arrays = {name: field.array(name, a) for name, a in arrays.items()}
        self.broadcast = set(broadcast)
        self.ranges = {index: self._range(axis) for index, axis in derivation.ranges.items()}
        self.bodies: dict[str, Body] = {}  # of definitions
        self.compiled: dict[int, tuple[ast.expr, Body]] = {}
        self.memo: dict[Any, Any] = {}
        self.reach = derivation.reach

    def at(self, node: ast.expr, env: Env, seed: Seed = None) -> Any:
        """The value of an expression for these values of its indices."""
        try:
            found = self.body(node)(env, seed)
        except FAILURES as error:
            raise NoValue(f"{ast.unparse(node)} has no value: {error}") from error
        return found if seed else value(found)

    def holds(self, condition: Text | None) -> bool:
        """Does a line with this condition say something of these sizes?"""
        return condition is None or bool(self.at(condition.tree, {}))

    def points(self, indices: Sequence[str], env: Env | None = None) -> Iterator[Env]:
        """All values of these indices."""
        for place in product(*(self.along(index) for index in indices)):
            self.patience -= 1
            if self.patience < 0:
                raise TooMuch("too much to compute")
            yield {**(env or {}), **dict(zip(indices, place))}

    def along(self, index: str) -> Any:
        n = self.ranges[index]
        return product(*map(range, n)) if isinstance(n, tuple) else range(n)

    def _range(self, axis: str) -> Any:
        """How far an index runs: over an axis, a group of axes, or all that an input has."""
        name = axis.lstrip("*")
        if axis == "..." or is_group(axis) and name in self.sizes:
            return tuple(self.sizes.get(name, ()))
        if name in self.arrays and name not in self.sizes:
            return self.arrays[name].shape
        found = self.sizes.value(axis) if is_group(axis) else evaluate(axis, self.sizes)
        return found if isinstance(found, tuple) else int(found)

    # Expressions become functions of the indices and of what moves.

    def body(self, node: ast.expr) -> Body:
        if id(node) not in self.compiled:
            self.compiled[id(node)] = node, self.compile(node)
        return self.compiled[id(node)][1]

    def compile(self, node: ast.expr) -> Body:
        match node:
            case ast.Constant(number):
                exact = self.field.number(number) if isinstance(number, float) else number
                return lambda env, seed: exact
            case ast.Name(name) if name in CONSTANTS:
                exact = getattr(self.field.module, name, None) or float(name)
                return lambda env, seed: exact
            case ast.Name(name):
                return lambda env, seed: env[name] if name in env else self.named(name, seed)
            case ast.Tuple(items):
                bodies = [*map(self.body, items)]
                return lambda env, seed: tuple(body(env, seed) for body in bodies)
            case ast.Subscript(ast.Name(name), _):
                places = [*map(self.body, keys(node))]
                return lambda env, seed: self.element(name, flat([place(env, None) for place in places]), seed)
            case ast.UnaryOp(ast.USub(), a):
                inner = self.body(a)
                return lambda env, seed: each(lambda v: -v, inner(env, seed))
            case ast.BinOp(a, by, b):
                left, right, combine = self.body(a), self.body(b), ARITHMETIC[type(by)]
                return lambda env, seed: each(combine, left(env, seed), right(env, seed), field=self.field)
            case ast.Call(ast.Name(name), arguments):
                return self.call(name, arguments)
        return self.condition(node)

    def condition(self, node: ast.expr) -> Body:
        match node:
            case ast.IfExp(test, a, b):
                holds, then, other = map(self.body, (test, a, b))
                return lambda env, seed: then(env, seed) if holds(env, None) else other(env, seed)
            case ast.Compare(first, by, rest):
                bodies, compare = [*map(self.body, (first, *rest))], [COMPARISONS[type(b)] for b in by]

                def compared(env: Env, seed: Seed) -> int:
                    values = [body(env, None) for body in bodies]
                    return int(all(c(a, b, self.field) for c, a, b in zip(compare, values, values[1:])))

                return compared
            case ast.BoolOp(by, parts):
                bodies, every = [*map(self.body, parts)], all if isinstance(by, ast.And) else any
                return lambda env, seed: int(every(body(env, None) for body in bodies))
            case ast.UnaryOp(ast.Not(), a):
                inner = self.body(a)
                return lambda env, seed: int(not inner(env, None))
        raise NoValue(f"cannot read {ast.unparse(node)}")

    def call(self, name: str, arguments: list[ast.expr]) -> Body:
        if name == "d":
            return self.derivative(*arguments)
        indices = [a.id for a in arguments[:-1] if isinstance(a, ast.Name) and a.id in self.ranges]
        if name == "sum" or name in ("max", "min", "argmax") and indices:
            free = names_in(arguments[-1]) - set(indices)
            return once(self.over(name, indices, self.body(arguments[-1])), sorted(free))
        bodies, function = [*map(self.body, arguments)], self.field.function(name)
        return lambda env, seed: function(*(body(env, seed) for body in bodies))

    def over(self, name: str, indices: list[str], inner: Body) -> Body:
        """A sum, or the largest or smallest value; argmax is the first place that has it."""

        def total(env: Env, seed: Seed) -> Any:
            return sum(inner(point, seed) for point in self.points(indices, env))

        def extreme(env: Env, seed: Seed) -> Any:
            choose = min if name == "min" else max
            return choose((inner(point, seed) for point in self.points(indices, env)), key=self.field.rank)

        def place(env: Env, seed: Seed) -> Any:
            best = max(self.points(indices, env), key=lambda point: self.field.rank(inner(point, None)))
            return best[indices[0]] if len(indices) == 1 else tuple(best[index] for index in indices)

        return {"sum": total, "argmax": place}.get(name, extreme)

    def derivative(self, a: ast.expr, b: ast.expr) -> Body:
        of, places = self.body(a), [*map(self.body, keys(b))]
        name = next(node.id for node in ast.walk(b) if isinstance(node, ast.Name))

        def derived(env: Env, seed: Seed) -> Any:
            if seed:
                raise NoValue("a derivative in a derivative")
            return moved(of(env, (name, flat([place(env, None) for place in places]))))

        return derived

    # Names and elements.

    def named(self, name: str, seed: Seed) -> Any:
        if name in self.derivation.lets or name in self.arrays:
            return self.element(name, (), seed)
        found = self.sizes[name]
        return self.field.number(found) if isinstance(found, float) else found

    def element(self, name: str, key: tuple[Any, ...], seed: Seed) -> Any:
        """An element of a definition, or of an array."""
        if seed and seed[0] != name and seed[0] not in self.reach.get(name, ()):
            seed = None
        if name in self.derivation.lets:
            if (name, key, seed) not in self.memo:
                self.memo[name, key, seed] = self.defined(name, key, seed)
            return self.memo[name, key, seed]
        array = self.arrays[name]
        place = broadcast(key, array.shape) if name in self.broadcast else key
        if len(place) != array.ndim or not all(0 <= k < n for k, n in zip(place, array.shape)):
            raise NoValue(f"{name} has no element {list(key)}, its shape is {list(array.shape)}")
        found = array[place]
        return Dual(found, 1) if seed == (name, key) else found

    def defined(self, name: str, key: tuple[Any, ...], seed: Seed) -> Any:
        if seed == (name, key):
            return Dual(value(self.element(name, key, None)), 1)
        let = self.derivation.lets[name]
        return self.body(let.body.tree)(self.placed(let.indices, key), seed)

    def placed(self, indices: Sequence[str], key: tuple[Any, ...]) -> Env:
        """Deal a key out to indices, of which those of groups take several numbers."""
        env, rest = {}, key
        for index in indices:
            n = self.ranges.get(index)
            width = len(n) if isinstance(n, tuple) else 1
            env[index], rest = (rest[:width] if isinstance(n, tuple) else rest[0]), rest[width:]
        if rest:
            raise NoValue(f"too many indices: {list(key)} for {list(indices)}")
        return env


def once(body: Body, free: Sequence[str]) -> Body:
    """The same, evaluated once for all values of the indices on which it depends."""
    known: dict[Any, Any] = {}

    def remembered(env: Env, seed: Seed) -> Any:
        key = seed, *map(env.get, free)
        if key not in known:
            known[key] = body(env, seed)
        return known[key]

    return remembered


def flat(places: Sequence[Any]) -> tuple[Any, ...]:
    """Groups of indices among others, as one row."""
    return tuple(k for place in places for k in (place if isinstance(place, tuple) else (place,)))


def broadcast(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The element that stands for `key` in an array that is repeated where an axis is missing or has size 1."""
    own = key[len(key) - len(shape) :]
    return tuple(0 if n == 1 else k for k, n in zip(own, shape))


def random_like(a: Any, rng: np.random.Generator) -> Any:
    """The same numbers, moved a little, so that no two are equal by chance."""
    return a + 1e-3 * rng.uniform(-1, 1, np.shape(a))
