"""The kinds of structure that Jacobians have."""

from collections.abc import Callable
from math import prod

import numpy as np

from pullback.batch import flat, rows, scatter
from pullback.operators.algebra import Form, Operator, joint, operator


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
