"""Structured Jacobians: linear maps that know their shape of sparsity.

An operator acts on the trailing, named axes (`inp`) and gives others (`out`); it broadcasts over the batch axes
before them. `J @ v` applies it, `J @ K` composes, `J.T` transposes, `J.dense()` spells it out as [batch, out, inp].
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.batch import flat, rows, scatter
from pullback.errors import ShapeError


class Operator:
    """A linear map. A kind of operator says `inp`, `out`, `batch`, `dtype`, `T` and how to `apply` itself."""

    inp: tuple  # trailing axes consumed
    out: tuple  # trailing axes produced
    batch: tuple  # axes before them that the map itself has: a map per example

    @property
    def shape(self):
        """That of `dense()`."""
        return *self.batch, prod(self.out), prod(self.inp)

    def __matmul__(self, v):
        if isinstance(v, Operator):
            return Product(self, v)
        v = np.asarray(v)
        if v.shape[v.ndim - len(self.inp) :] != self.inp:
            raise ShapeError(f"an operator of {self.out} from {self.inp} cannot act on an array of shape {v.shape}")
        return self.apply(v)

    def __add__(self, other):
        return Sum(self, other)

    def __sub__(self, other):
        return Sum(self, Scaled(-1.0, other))

    def __neg__(self):
        return Scaled(-1.0, self)

    def dense(self):
        n = prod(self.inp)
        units = np.eye(n, dtype=self.dtype).reshape(n, *self.inp)
        columns = [flat(self @ e, len(self.out)) for e in units]
        return np.stack(columns, axis=-1) if columns else np.zeros(self.shape, self.dtype)

    def linear_operator(self):
        """A scipy.sparse.linalg.LinearOperator on flat vectors, for the Jacobian at one example."""
        from scipy.sparse.linalg import LinearOperator

        one = lambda J: lambda v: (J @ np.asarray(v, self.dtype).reshape(J.inp)).reshape(-1)
        return LinearOperator(self._single().shape, one(self), one(self.T), dtype=self.dtype)

    def sparse(self):
        """A scipy.sparse array, for the Jacobian at one example."""
        from scipy.sparse import coo_array

        return coo_array(self._single().dense())

    def _single(self):
        if self.batch:
            raise ShapeError(f"there is a matrix for each of {self.batch} examples; linearize at one to export it")
        return self


@dataclass(frozen=True)
class Diagonal(Operator):
    """diag(d)"""

    d: np.ndarray
    inp = out = property(lambda self: self.d.shape[-1:])
    batch = property(lambda self: self.d.shape[:-1])
    dtype = property(lambda self: self.d.dtype)
    T = property(lambda self: self)

    def apply(self, v):
        return self.d * v


@dataclass(frozen=True)
class Outer(Operator):
    """u vᵀ"""

    u: np.ndarray
    v: np.ndarray
    out = property(lambda self: self.u.shape[-1:])
    inp = property(lambda self: self.v.shape[-1:])
    batch = property(lambda self: np.broadcast_shapes(self.u.shape[:-1], self.v.shape[:-1]))
    dtype = property(lambda self: self.u.dtype)
    T = property(lambda self: Outer(self.v, self.u))

    def apply(self, v):
        return self.u * (self.v * v).sum(-1, keepdims=True)


@dataclass(frozen=True)
class Matrix(Operator):
    """a"""

    a: np.ndarray
    out = property(lambda self: self.a.shape[-2:-1])
    inp = property(lambda self: self.a.shape[-1:])
    batch = property(lambda self: self.a.shape[:-2])
    dtype = property(lambda self: self.a.dtype)
    T = property(lambda self: Matrix(np.swapaxes(self.a, -1, -2)))

    def apply(self, v):
        return (self.a @ v[..., None])[..., 0]


@dataclass(frozen=True)
class Contract(Operator):
    """w ↦ w x, for w[o i]: the Kronecker product I ⊗ xᵀ, never formed."""

    x: np.ndarray
    o: int
    inp = property(lambda self: (self.o, self.x.shape[-1]))
    out = property(lambda self: (self.o,))
    batch = property(lambda self: self.x.shape[:-1])
    dtype = property(lambda self: self.x.dtype)
    T = property(lambda self: Expand(self.x, self.o))

    def apply(self, v):
        return np.einsum("...i,...oi->...o", self.x, v)


@dataclass(frozen=True)
class Expand(Operator):
    """g ↦ g xᵀ, the transpose of Contract."""

    x: np.ndarray
    o: int
    inp = property(lambda self: (self.o,))
    out = property(lambda self: (self.o, self.x.shape[-1]))
    batch = property(lambda self: self.x.shape[:-1])
    dtype = property(lambda self: self.x.dtype)
    T = property(lambda self: Contract(self.x, self.o))

    def apply(self, v):
        return v[..., :, None] * self.x[..., None, :]


@dataclass(frozen=True)
class Sparse(Operator):
    """Stored entries: flat row, flat column, value; each may differ from example to example."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    out: tuple
    inp: tuple
    batch = property(lambda self: np.broadcast_shapes(*(a.shape[:-1] for a in (self.rows, self.cols, self.values))))
    dtype = property(lambda self: self.values.dtype)
    T = property(lambda self: Sparse(self.cols, self.rows, self.values, self.inp, self.out))
    nnz = property(lambda self: self.values.shape[-1])

    def apply(self, v):
        v = flat(v, len(self.inp))
        batch = np.broadcast_shapes(v.shape[:-1], self.batch)
        each = lambda a: rows(np.broadcast_to(a, (*batch, a.shape[-1])))
        terms = each(self.values) * np.take_along_axis(each(v), each(self.cols), -1)
        return scatter(terms, each(self.rows), prod(self.out)).reshape((*batch, *self.out))

    def sparse(self):
        """A scipy.sparse array of the stored entries, for the Jacobian at one example."""
        from scipy.sparse import coo_array

        return coo_array((self.values, (self.rows, self.cols)), shape=self._single().shape)


@dataclass(frozen=True)
class Implicit(Operator):
    """A map known by what it does, forwards and transposed."""

    push: Callable
    pull: Callable
    inp: tuple
    out: tuple
    dtype: np.dtype
    batch = ()
    T = property(lambda self: Implicit(self.pull, self.push, self.out, self.inp, self.dtype))

    def apply(self, v):
        each = rows(v, len(self.inp)).astype(self.dtype, copy=False)
        found = np.stack([self.push(one) for one in each]) if len(each) else np.zeros((0, *self.out), self.dtype)
        return found.reshape((*v.shape[: v.ndim - len(self.inp)], *self.out))


# Operators made of operators.


@dataclass(frozen=True)
class Sum(Operator):
    """a + b"""

    a: Operator
    b: Operator
    inp = property(lambda self: self.a.inp)
    out = property(lambda self: self.a.out)
    batch = property(lambda self: np.broadcast_shapes(self.a.batch, self.b.batch))
    dtype = property(lambda self: self.a.dtype)
    T = property(lambda self: Sum(self.a.T, self.b.T))

    def __post_init__(self):
        if (self.a.inp, self.a.out) != (self.b.inp, self.b.out):
            raise ShapeError(f"cannot add operators of {self.a.shape} and {self.b.shape}")

    def apply(self, v):
        return self.a @ v + self.b @ v


@dataclass(frozen=True)
class Product(Operator):
    """a after b"""

    a: Operator
    b: Operator
    inp = property(lambda self: self.b.inp)
    out = property(lambda self: self.a.out)
    batch = property(lambda self: np.broadcast_shapes(self.a.batch, self.b.batch))
    dtype = property(lambda self: self.a.dtype)
    T = property(lambda self: Product(self.b.T, self.a.T))

    def __post_init__(self):
        if self.a.inp != self.b.out:
            raise ShapeError(f"cannot compose operators of {self.a.shape} and {self.b.shape}")

    def apply(self, v):
        return self.a @ (self.b @ v)


class OfOne(Operator):
    """What an operator `a` is turned into keeps its shape."""

    inp = property(lambda self: self.a.inp)
    out = property(lambda self: self.a.out)
    batch = property(lambda self: self.a.batch)
    dtype = property(lambda self: self.a.dtype)


@dataclass(frozen=True)
class Scaled(OfOne):
    """c a"""

    c: float
    a: Operator
    T = property(lambda self: Scaled(self.c, self.a.T))

    def apply(self, v):
        return self.c * (self.a @ v)


@dataclass(frozen=True)
class Along(OfOne):
    """An operator on the last axis, used on another one. Spelled out, its axis is last."""

    axis: int
    a: Operator
    T = property(lambda self: Along(self.axis, self.a.T))

    def __matmul__(self, v):
        if isinstance(v, Operator):
            return Product(self, v)
        return np.moveaxis(self.a @ np.moveaxis(np.asarray(v), self.axis, -1), -1, self.axis)

    def dense(self):
        return self.a.dense()

    def linear_operator(self):
        return self.a.linear_operator()


@dataclass(frozen=True)
class Flat(OfOne):
    """An operator on one axis, used on the axes `own` together."""

    own: tuple
    a: Operator
    inp = out = property(lambda self: self.own)
    T = property(lambda self: Flat(self.own, self.a.T))

    def apply(self, v):
        y = self.a @ flat(v, len(self.own))
        return y.reshape(*y.shape[:-1], *self.own)


@dataclass(frozen=True)
class Blocks(OfOne):
    """A block-diagonal map of the axes `own` together: block k of `a` acts on part k of `axis`, all else whole."""

    own: tuple
    axis: int
    a: Operator
    inp = out = property(lambda self: self.own)
    batch = property(lambda self: self.a.batch[:-1])
    T = property(lambda self: Blocks(self.own, self.axis, self.a.T))

    def apply(self, v):
        here, first = self.axis - len(self.own), -len(self.own)
        v = np.moveaxis(v, here, first)
        parts = v.reshape(*v.shape[:first], self.a.batch[-1], *self.a.inp)
        y = self.a @ parts
        return np.moveaxis(y.reshape(*y.shape[:-2], *v.shape[first:]), first, here)
