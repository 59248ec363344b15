"""The kinds of structure that Jacobians have."""

from collections.abc import Callable
from math import prod

import numpy as np

from pullback.batch import flat, rows, scatter
from pullback.operators.algebra import Arranged, Form, Operator, joint, operator


@operator
class Diagonal(Operator):
    """diag(d)"""

    d: np.ndarray
    T = property(lambda self: self)

    def form(self):
        return Form(self.d.shape[-1:], self.d.shape[-1:], self.d.shape[:-1], self.d.dtype)

    def apply(self, v):
        return self.d * v

    def stored(self, sparse):
        n = self.d.size
        return sparse.coo_array((self.d.reshape(n), (np.arange(n), np.arange(n))), shape=self.shape)


@operator
class Outer(Operator):
    """u vᵀ"""

    u: np.ndarray
    v: np.ndarray
    T = property(lambda self: Outer(self.v, self.u))

    def form(self):
        batch = joint(self.u.shape[:-1], self.v.shape[:-1])
        return Form(self.u.shape[-1:], self.v.shape[-1:], batch, np.result_type(self.u, self.v))

    def apply(self, v):
        return self.u * (self.v * v).sum(-1, keepdims=True)


@operator
class Matrix(Operator):
    """a"""

    a: np.ndarray
    T = property(lambda self: Matrix(np.swapaxes(self.a, -1, -2)))

    def form(self):
        return Form(self.a.shape[-2:-1], self.a.shape[-1:], self.a.shape[:-2], self.a.dtype)

    def apply(self, v):
        return (self.a @ v[..., None])[..., 0]


@operator
class Contract(Operator):
    """w ↦ w x, for w[o i]: the Kronecker product I ⊗ xᵀ, never formed."""

    x: np.ndarray
    o: int
    T = property(lambda self: Expand(self.x, self.o))

    def form(self):
        return Form((self.o,), (self.o, self.x.shape[-1]), self.x.shape[:-1], self.x.dtype)

    def apply(self, v):
        return np.einsum("...i,...oi->...o", self.x, v)


@operator
class Expand(Operator):
    """g ↦ g xᵀ, the transpose of Contract."""

    x: np.ndarray
    o: int
    T = property(lambda self: Contract(self.x, self.o))

    def form(self):
        return Form((self.o, self.x.shape[-1]), (self.o,), self.x.shape[:-1], self.x.dtype)

    def apply(self, v):
        return v[..., :, None] * self.x[..., None, :]


@operator
class Sparse(Operator):
    """Stored entries: flat row, flat column, value; each may differ from example to example."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    out: tuple
    inp: tuple
    T = property(lambda self: Sparse(self.cols, self.rows, self.values, self.inp, self.out))
    nnz = property(lambda self: self.values.shape[-1])

    def form(self):
        batch = joint(*(a.shape[:-1] for a in (self.rows, self.cols, self.values)))
        return Form(self.out, self.inp, batch, self.values.dtype)

    def apply(self, v):
        v = flat(v, len(self.inp))
        batch = np.broadcast_shapes(v.shape[:-1], self.batch)
        each = lambda a: rows(np.broadcast_to(a, (*batch, a.shape[-1])))
        terms = each(self.values) * np.take_along_axis(each(v), each(self.cols), -1)
        return scatter(terms, each(self.rows), prod(self.out)).reshape((*batch, *self.out))

    def stored(self, sparse):
        return sparse.coo_array((self.values, (self.rows, self.cols)), shape=self.shape)


@operator
class Implicit(Operator):
    """A map known by what it does, forwards and transposed."""

    push: Callable
    pull: Callable
    inp: tuple
    out: tuple
    dtype: np.dtype
    T = property(lambda self: Implicit(self.pull, self.push, self.out, self.inp, self.dtype))

    def form(self):
        return Form(self.out, self.inp, (), self.dtype)

    def apply(self, v):
        each = rows(v, len(self.inp)).astype(self.dtype, copy=False)
        found = np.stack([self.push(one) for one in each]) if len(each) else np.zeros((0, *self.out), self.dtype)
        return found.reshape((*v.shape[: v.ndim - len(self.inp)], *self.out))


# Operators on one axis, used on several.


@operator
class Flat(Arranged):
    """An operator from one axis to one, used from all axes of `inp` together to those of `out`, or to the same ones."""

    inp: tuple
    a: Operator
    out: tuple | None = None
    T = property(lambda self: Flat(self.out, self.a.T, self.inp))

    def form(self):
        return self.a.form()._replace(inp=self.inp, out=self.inp if self.out is None else self.out)

    def apply(self, v):
        y = self.a.apply(flat(v, len(self.inp)))
        return y.reshape((*y.shape[:-1], *self.out))


@operator
class Blocks(Operator):
    """A block-diagonal map of the axes `own` together: block k of `a` acts on part k of `axis`, all else whole."""

    own: tuple
    axis: int
    a: Operator
    T = property(lambda self: Blocks(self.own, self.axis, self.a.T))

    def form(self):
        return self.a.form()._replace(out=self.own, inp=self.own, batch=self.a.batch[:-1])

    def apply(self, v):
        here, first = self.axis - len(self.own), -len(self.own)
        v = np.moveaxis(v, here, first)
        parts = v.reshape(*v.shape[:first], self.a.batch[-1], *self.a.inp)
        y = self.a.apply(parts)
        return np.moveaxis(y.reshape(*y.shape[:-2], *v.shape[first:]), first, here)

    def __str__(self):
        return f"Blocks({self.a})"
