"""A layer as the checker sees it: a function of one vector, and a map from vectors to vectors that claims to be its
derivative. Complex numbers are pairs of real ones, so that the torch convention is the plain transpose of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullback.check.adapters.code import Adapted, StyleError, outputs, own_name
from pullback.check.rounding import HALFWAY, grain_of
from pullback.errors import OptionError

Array = NDArray[Any]
T = TypeVar("T")

ANOTHER, MANY = 0.02, 0.5  # of the largest output; of all of them
REMEMBERED = 9  # three things at the example, at one place beside it, and at another


@dataclass(frozen=True)
class Part:
    """Where one array stands in a flat vector."""

    place: int  # among the arguments or the outputs
    name: str
    begin: int
    shape: tuple[int, ...]
    dtype: Any

    @cached_property
    def width(self) -> int:
        return 2 if self.dtype.kind == "c" else 1

    @cached_property
    def end(self) -> int:
        return self.begin + prod(self.shape) * self.width

    def of(self, flat: Array) -> Array:
        """This array, out of a flat vector."""
        return self.shaped(flat[self.begin : self.end])

    def shaped(self, flat: Array) -> Array:
        if self.width == 2:
            flat = np.ascontiguousarray(flat, np.float64).view(np.complex128)
        return flat.reshape(self.shape)

    def where(self, k: int) -> tuple[int, ...]:
        """The place in the array of the k-th number of the flat vector."""
        return tuple(int(i) for i in np.unravel_index((k - self.begin) // self.width, self.shape))


def parts(arrays: Sequence[Any], names: Sequence[str], wanted: Callable[[int, Any], bool]) -> list[Part]:
    found, begin = [], 0
    for k, array in enumerate(arrays):
        if wanted(k, array):
            found.append(Part(k, names[k], begin, array.shape, array.dtype))
            begin = found[-1].end
    return found


def pack(arrays: Sequence[Any], layout: Sequence[Part]) -> Array:
    flat = [real(np.asarray(arrays[part.place]), part.width == 2).ravel() for part in layout]
    return np.concatenate(flat) if flat else np.zeros(0)


def real(array: Array, pairs: bool) -> Array:
    if not pairs:
        # numpy warns when a complex array loses its imaginary part: a gradient of a real input has none
        return np.asarray(array.real, np.longdouble if array.dtype == np.longdouble else np.float64)
    return np.ascontiguousarray(array, np.complex128)[..., None].view(np.float64)


class Problem:
    """`f(v)` and `b(v, g)` of flat vectors; `example` is the v that the user gave.

    The oracle `f` runs in double precision if forward takes it; `b` runs in the precision of the example.
    """

    def __init__(self, adapted: Adapted, wrt: Any, seed: int, mode: str, convention: str | None) -> None:
        self.adapted, self.mode, self.convention = adapted, mode, convention or adapted.convention
        self.name = adapted.name
        names = [leaf.name for leaf in adapted.leaves]
        rng = np.random.default_rng(seed)
        self.shaped_only = all(isinstance(leaf.value, tuple) for leaf in adapted.leaves)
        self.arrays = [
            rng.normal(size=leaf.value) if isinstance(leaf.value, tuple) else np.array(leaf.value, order="K")
            for leaf in adapted.leaves
        ]
        self.names, judged = names, chosen(names, wrt, [leaf.argument for leaf in adapted.leaves])
        self.inputs = parts(self.arrays, names, lambda k, a: a.dtype.kind in "fc" and k in judged)
        self.wanted = {leaf.name for leaf in adapted.leaves if leaf.wanted}  # inputs that have to get a gradient
        self.dropped: list[str] = []  # those that get none, and move forward
        self.example = pack(self.arrays, self.inputs)
        self.called: Callable[[], None] = lambda: None  # after every run of forward or backward, for those who watch
        self.known: dict[tuple[str, bytes], Any] = {}
        self.runs = 0  # of forward and backward
        self.alone = ""  # why no smaller size tells what is wrong, where that is so
        self.searched = 0  # steps of forward that were run again, for mistakes in them
        self.mended = 0  # and of backward, for changes that make it right
        self.moving: list[Part | None] = []  # which part of a vector each array is, once it is asked for

    def drop(self, places: Sequence[int]) -> None:
        """These inputs have no gradient: they stay where they are."""
        self.dropped += [part.name for part in self.inputs if part.place in places and self.matters(part)]
        self.known.clear()
        self.moving.clear()
        kept = {part.place for part in self.inputs} - set(places)
        self.inputs = parts(self.arrays, self.names, lambda k, a: k in kept)
        self.example = pack(self.arrays, self.inputs)

    def matters(self, part: Part) -> bool:
        """Does forward move with this input?"""
        values = self.example[part.begin : part.end]
        moved = self.example.copy()
        moved[part.begin : part.end] += 1e-3 * (1 + abs(values)) * np.cos(np.arange(values.size))
        try:
            with np.errstate(all="ignore"):
                return not np.array_equal(self.f(moved), self.f(self.example), equal_nan=True)
        except Exception:  # it takes these numbers alone
            return False

    def once(self, what: str, v: Array, compute: Callable[[], T]) -> T:
        """What belongs to a place v, computed unless it was asked for a moment ago."""
        key = what, v.tobytes()
        if key not in self.known:
            if len(self.known) == REMEMBERED:
                del self.known[next(iter(self.known))]
            self.known[key] = compute()
        found: T = self.known[key]
        return found

    # Arrays of the user, from vectors of ours.

    def unpack(self, v: Array, exact: bool = False) -> list[Array]:
        """All arguments, fresh: those that move from v, in the example's precision or (`exact`) in double."""
        if len(self.moving) != len(self.arrays):
            places = {part.place: part for part in self.inputs}
            self.moving = [places.get(k) for k in range(len(self.arrays))]
        return [fresh(array, part, v, exact) for array, part in zip(self.arrays, self.moving)]

    @cached_property
    def first(self) -> list[Array]:
        """What forward gives for the example."""
        return [np.asarray(y) for y in self.adapted.forward(*self.unpack(self.example))]

    @cached_property
    def outputs(self) -> list[Part]:
        names = ["y"] if len(self.first) == 1 else [f"y{k}" for k in range(len(self.first))]
        return parts(self.first, names, lambda k, a: a.dtype.kind in "fc")

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """How many numbers go in, and how many come out."""
        return len(self.example), self.outputs[-1].end if self.outputs else 0

    @cached_property
    def takes_double(self) -> bool:
        """Does forward run in double precision where the example is in less, and is it more exact then?"""
        if not self.narrow:
            return True
        try:
            found = self.adapted.forward(*self.unpack(self.example, exact=True))
        except Exception:
            return False
        doubles = all(found[part.place].dtype in (np.float64, np.complex128) for part in self.outputs)
        return doubles and not self.drawn_otherwise(pack(found, self.outputs))

    def drawn_otherwise(self, exact: Array) -> bool:
        """Are these other numbers than in the example's precision, and not more exact ones? So are those of a mask that
        is drawn in each."""
        with np.errstate(all="ignore"):
            gap = abs(exact - pack(self.first, self.outputs))
            return bool(np.mean(gap > ANOTHER * np.max(abs(exact), initial=0)) > MANY)

    @cached_property
    def narrow(self) -> bool:
        """Is the example in less than double precision?"""
        return any(np.finfo(part.dtype).eps > HALFWAY for part in (*self.inputs, *self.outputs))

    @cached_property
    def single(self) -> bool:
        """Is the example in less than double precision, or does forward compute in less?"""
        return self.narrow or self.grain > HALFWAY

    @cached_property
    def eps(self) -> float:
        """The rounding error of the oracle's values."""
        if self.takes_double:
            return max(4e-16, 4 * self.grain)  # of some values it is more than of those that were looked at
        return max(float(np.finfo(part.dtype).eps) for part in self.outputs)

    @cached_property
    def grain(self) -> float:
        """How coarsely values in double precision are rounded because forward computes a part of them in less; 0 if
        it does not."""
        if not self.takes_double or not self.inputs or not self.outputs:
            return 0.0
        try:
            with np.errstate(all="ignore"):
                return grain_of(self.f, self.example)
        except Exception:  # it takes these numbers alone
            return 0.0

    def rounding(self, g: Array) -> float:
        """What terms that cancel leave behind: it is of their size, however small their sum."""
        return (1e-5 if self.single else 1e-13) * float(np.max(abs(g), initial=0))

    def ran(self) -> None:
        self.runs += 1
        self.called()

    def f(self, v: Array) -> Array:
        with np.errstate(all="ignore"):  # most inputs are not the user's, and not one warning is news to them
            found = self.adapted.forward(*self.unpack(v, exact=self.takes_double))
        self.ran()
        return pack(found, self.outputs)

    def overflows(self, v: Array) -> bool:
        """Is forward no number in the precision that it is given, where it would be one in double?"""
        return not np.isfinite(self.rounded(v)).all()

    def rounded(self, v: Array) -> Array:
        """f in the precision that it is given."""
        with np.errstate(all="ignore"):
            return pack(self.adapted.forward(*self.unpack(v)), self.outputs) if self.single else self.f(v)

    def digits(self, v: Array) -> Array:
        """f with a vector of objects in the place of numbers."""
        arrays = [array.copy() for array in self.arrays]
        for part in self.inputs:
            arrays[part.place] = v[part.begin : part.end].reshape(part.shape)
        found = self.adapted.forward(*arrays)
        return np.concatenate([np.asarray(found[part.place], object).ravel() for part in self.outputs])

    # The user's derivative.

    @property
    def given(self) -> list[Part]:
        """What the derivative is applied to: gradients of outputs, or (jvp) tangents of inputs."""
        return self.outputs if self.mode == "vjp" else self.inputs

    @property
    def results(self) -> list[Part]:
        return self.inputs if self.mode == "vjp" else self.outputs

    @property
    def given_size(self) -> int:
        return self.given[-1].end

    def cotangents(self, g: Array, exact: bool = False) -> list[Array]:
        """One array for every output (or input), of its own precision or in double; zeros for integers."""
        like = self.first if self.mode == "vjp" else self.arrays
        found = [np.zeros(np.shape(a)) for a in like]
        for part in self.given:
            found[part.place] = np.array(part.of(g), np.result_type(part.dtype, float) if exact else part.dtype)
        return found

    def call(self, g: Sequence[Array], inputs: Sequence[Array]) -> tuple[Any, ...]:
        """The user's derivative as it is."""
        self.ran()
        with np.errstate(all="ignore"):
            if self.mode == "jvp":
                return tuple(self.adapted.backward(g, inputs))
            if self.convention == "transpose":
                g = [np.conj(a) for a in g]
            found = tuple(self.adapted.backward(g, inputs))
        return tuple(np.conj(a) if self.convention == "transpose" and np.iscomplexobj(a) else a for a in found)

    def b(self, v: Array, g: Array) -> Array:
        found = self.call(self.cotangents(g), self.unpack(v))
        return pack(found, self.results)

    def exact(self, v: Array, g: Array) -> Array | None:
        """The same in double precision, if backward takes that."""
        try:
            found = self.call(self.cotangents(g, exact=True), self.unpack(v, exact=True))
            return pack(found, self.results)
        except Exception:  # it was never asked to
            return None


def fresh(like: Array, part: Part | None, v: Array, exact: bool) -> Array:
    """A copy of an array, with the numbers of v if it moves, in the memory order that it has."""
    dtype = np.dtype(float) if exact and like.dtype.kind == "f" and like.dtype.itemsize < 8 else like.dtype
    if part is None:
        return like.astype(dtype, "K")
    moved = part.of(v)
    if exact and part.width == 1 and moved.dtype == np.longdouble:
        dtype = moved.dtype
    array = np.empty_like(like, dtype)
    array[...] = moved
    return array


def chosen(names: Sequence[str], wrt: Any, arguments: Sequence[str]) -> set[int]:
    """The inputs that are judged; of an argument that holds several, all of them."""
    if wrt is None:
        return set(range(len(names)))
    asked = list(wrt) if isinstance(wrt, Iterable) and not isinstance(wrt, str) else [wrt]
    known = [*names, *filter(None, arguments), *range(len(names))]
    unknown = [each for each in asked if not isinstance(each, (str, Integral)) or each not in known]
    if unknown:
        raise OptionError(f"wrt names {unknown[0]!r}; the inputs are {', '.join(names)}, or their numbers from 0")
    within = lambda each: [k for k, argument in enumerate(arguments) if argument == each]
    named = lambda each: [names.index(each)] if each in names else within(each)
    return {k for each in asked for k in (named(each) if isinstance(each, str) else [int(each)])}


def forward_derivative(adapted: Adapted, jvp: Callable[..., Any]) -> Adapted:
    """The same layer with a jvp in the place of its backward: jvp(*tangents, *inputs) -> tangent(s)."""
    if held := [leaf.argument for leaf in adapted.leaves if leaf.argument and len(leaf.path) > 1]:
        raise StyleError(f"mode='jvp' is for arrays, and {held[0]} holds some: give them one by one")
    backward = lambda tangents, inputs: outputs(jvp(*tangents, *inputs))
    return adapted._replace(name=own_name(jvp) or adapted.name, backward=backward, tuned=())
