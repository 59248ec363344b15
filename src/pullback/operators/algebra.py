"""Linear maps, and what sums, products, numbers and other axes make of them.

An operator acts on the trailing, named axes (`inp`) and gives others (`out`); it broadcasts over the batch axes
before them. `J @ v` applies it, `g @ J` its transpose, `J @ K` composes; operators are added, and multiplied by
numbers; `J.T` transposes, `J.dense()` spells it out as [batch, out, inp].
Where the axes are not the last ones, `@` alone knows it: it moves them there, applies, and moves the result back.
"""

from dataclasses import dataclass
from importlib import import_module
from math import prod
from numbers import Real
from typing import NamedTuple, dataclass_transform

import numpy as np

from pullback.batch import flat
from pullback.errors import DtypeError, MissingError, ShapeError


@dataclass_transform(frozen_default=True)
def operator(kind):
    """Decorates a kind of operator. Two are never equal: arrays are so element by element."""
    return dataclass(frozen=True, eq=False, repr=False)(kind)


class Form(NamedTuple):
    """What is known of a linear map from its outside."""

    out: tuple  # trailing axes produced
    inp: tuple  # trailing axes consumed
    batch: tuple  # axes before them that the map itself has: a map per example
    dtype: np.dtype
    axes: tuple = ()  # where arrays have `inp` and `out`, if not behind all others


class Operator:
    """A linear map. A kind of operator says its `form`, its transpose `T`, and how to `apply` it."""

    __array_ufunc__ = None  # so that arrays leave `g @ J` and the like to us

    def __post_init__(self):
        vars(self).update(self.form()._asdict())

    @property
    def shape(self):
        """That of `dense()`."""
        return *self.batch, prod(self.out), prod(self.inp)

    def __matmul__(self, v):
        if isinstance(v, Operator):
            return Product(self, v)
        y = self.apply(self._placed(self._numbers(v)))
        return np.moveaxis(y, last(self.axes), self.axes) if self.out else y

    def __rmatmul__(self, g):
        return self.T @ g

    def _numbers(self, v):
        """`v` as an array of floats; what has no precision of its own gets the operator's."""
        try:
            a = np.asarray(v)
        except ValueError:
            raise ShapeError(f"an operator acts on arrays, got a ragged {type(v).__name__}") from None
        if a.dtype.kind not in "fiub":
            got = a.dtype if hasattr(v, "dtype") else type(v).__name__
            raise DtypeError(f"an operator acts on arrays of real numbers, got {got}")
        return a if a.dtype.kind == "f" and hasattr(v, "dtype") else a.astype(self.dtype)

    def _placed(self, v):
        """`v` with the axes that the operator acts on behind all others."""
        try:
            placed = np.moveaxis(v, self.axes, last(self.axes)) if self.inp else v
            batch = placed.shape[: placed.ndim - len(self.inp)]
            np.broadcast_shapes(batch, self.batch)
        except ValueError:  # too few axes, or another batch than the operator's
            batch = None
        if batch is None or placed.shape != (*batch, *self.inp):
            raise ShapeError(f"{self!r} cannot act on an array of shape {v.shape}")
        return placed

    def along(self, *axes):
        """The same map, used on other axes than the last. They are counted from the end: more batches may precede."""
        ndim = len(self.batch) + len(self.inp)
        axes = tuple(k - ndim if k >= 0 else k for k in axes)
        return self if axes == last(axes) else Along(axes, self)

    def __add__(self, other):
        return Sum(self, an_operator(other))

    def __sub__(self, other):
        return Sum(self, -an_operator(other))

    __radd__ = __rsub__ = __add__  # asked about what is no operator, which it refuses

    def __neg__(self):
        return Scaled(-1.0, self)

    def __mul__(self, c):
        return Scaled(a_number(c), self)

    __rmul__ = __mul__

    def __truediv__(self, c):
        return Scaled(1 / a_number(c), self)

    def dense(self):
        n = prod(self.inp)
        units = np.eye(n, dtype=self.dtype).reshape(n, *self.inp)
        columns = [flat(self.apply(e), len(self.out)) for e in units]
        return np.stack(columns, axis=-1) if columns else np.zeros(self.shape, self.dtype)

    def linear_operator(self):
        """A scipy.sparse.linalg.LinearOperator on flat vectors, for the Jacobian at one example."""
        one = lambda J: lambda v: J.apply(v.astype(J.dtype, copy=False).reshape(J.inp)).reshape(prod(J.out))
        self._single()
        return scipy("sparse.linalg").LinearOperator(self.shape, one(self), one(self.T), dtype=self.dtype)

    def sparse(self):
        """A scipy.sparse array, for the Jacobian at one example."""
        self._single()
        return self.stored(scipy("sparse"))

    def stored(self, sparse):
        """The matrix, as an array of the module scipy.sparse."""
        return sparse.coo_array(self.dense())

    def _single(self):
        if self.batch:
            raise ShapeError(f"there is a matrix for each of {self.batch} examples; linearize at one to export it")

    def __str__(self):
        """Its structure, as a formula."""
        return type(self).__name__

    def __repr__(self):
        sizes = " -> ".join(" ".join(map(str, axes or (1,))) for axes in (self.inp, self.out))
        where = f" along {place(self)}" if self.axes else ""
        batch = f" for a batch of {self.batch}" if self.batch else ""
        return f"<{self} [{sizes}]{where}{batch}, {self.dtype}>"


def scipy(module):
    try:
        return import_module(f"scipy.{module}")
    except ImportError:
        raise MissingError("export needs SciPy, which is not installed: pip install scipy") from None


def factor(J):
    """The formula of an operator, where it stands beside another."""
    return f"({J})" if " " in str(J) else str(J)


def an_operator(given):
    if not isinstance(given, Operator):
        got = type(given).__name__
        raise DtypeError(f"only operators are added to operators, got {got}; Matrix(a) makes one of an array")
    return given


def a_number(given):
    if not isinstance(given, Real):
        raise DtypeError(f"operators are multiplied by real numbers and composed by @, got {type(given).__name__}")
    return float(given)


def last(axes):
    """As many axes, behind all others."""
    return tuple(range(-len(axes), 0))


def place(J):
    """Where an operator finds its axes, in words."""
    many = "axis" if len(J.axes) == 1 else "axes"
    return f"{many} {', '.join(map(str, J.axes))}" if J.axes else "the last axis"


def shared(a, b):
    """Batch, dtype and axes of what two operators make together."""
    if a.axes != b.axes:
        raise ShapeError(f"cannot join operators along {place(a)} and {place(b)}: {a!r} and {b!r}")
    return joint(a.batch, b.batch), np.result_type(a.dtype, b.dtype), a.axes


def joint(*batches):
    try:
        return np.broadcast_shapes(*batches)
    except ValueError:
        raise ShapeError(f"the batches {' and '.join(map(str, batches))} do not go together") from None


@operator
class Sum(Operator):
    """a + b"""

    a: Operator
    b: Operator
    T = property(lambda self: Sum(self.a.T, self.b.T))

    def form(self):
        a, b = self.a, self.b
        if (a.inp, a.out) != (b.inp, b.out):
            raise ShapeError(f"cannot add {a!r} and {b!r}")
        return Form(a.out, a.inp, *shared(a, b))

    def apply(self, v):
        return self.a.apply(v) + self.b.apply(v)

    def stored(self, sparse):
        return self.a.stored(sparse) + self.b.stored(sparse)

    def __str__(self):
        b = self.b
        return f"{self.a} - {factor(b.a)}" if isinstance(b, Scaled) and b.c == -1 else f"{self.a} + {b}"


@operator
class Product(Operator):
    """a after b"""

    a: Operator
    b: Operator
    T = property(lambda self: Product(self.b.T, self.a.T))

    def form(self):
        a, b = self.a, self.b
        if a.inp != b.out:
            raise ShapeError(f"cannot compose {a!r} with {b!r}")
        return Form(a.out, b.inp, *shared(a, b))

    def apply(self, v):
        return self.a.apply(self.b.apply(v))

    def stored(self, sparse):
        return self.a.stored(sparse) @ self.b.stored(sparse)

    def __str__(self):
        return f"{factor(self.a)} @ {factor(self.b)}"


@operator
class Scaled(Operator):
    """c a"""

    c: float
    a: Operator
    T = property(lambda self: Scaled(self.c, self.a.T))

    def form(self):
        return self.a.form()

    def apply(self, v):
        return self.c * self.a.apply(v)

    def stored(self, sparse):
        return self.c * self.a.stored(sparse)

    def __str__(self):
        return f"-{factor(self.a)}" if self.c == -1 else f"{self.c:g} * {factor(self.a)}"


class Arranged(Operator):
    """The same matrix as that of an operator `a`, on axes that are arranged otherwise."""

    def stored(self, sparse):
        return self.a.stored(sparse)

    def __str__(self):
        return str(self.a)


@operator
class Along(Arranged):
    """An operator on the last axes, used on others. Spelled out, its axes are last."""

    axes: tuple
    a: Operator
    T = property(lambda self: Along(self.axes, self.a.T))

    def form(self):
        return self.a.form()._replace(axes=self.axes)

    def apply(self, v):
        return self.a.apply(v)
