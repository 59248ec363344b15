"""Rules that move numbers and compute none: reshape, flatten, select. Their gradients move back."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.operators import Sparse
from pullback.rule import Rule, Straight
from pullback.signature import along


class Moving(Straight, Rule):
    """Every element of y is one of x: `move` says which. J is 0 but for one 1 in every row."""

    def forward(self, x):
        return self.move(x), (x.shape, x.dtype)

    def jvp(self, tx, n, dtype):
        return self.move(tx)

    def jacobian(self, n, dtype):
        places = np.asarray(self.move(np.arange(prod(n)).reshape(n)))
        count = places.size
        return Sparse(np.arange(count), places.reshape(count), np.ones(count, dtype), places.shape, n)


class Reshaping(Moving):
    """The same numbers in the shape `out`. Nothing is copied where the memory of x allows it: y and x share it."""

    def move(self, x):
        return x.reshape(self.out(x.shape))

    def vjp(self, gy, n, dtype):
        return gy.reshape(n)


@dataclass(frozen=True)
class Reshape(Reshaping):
    """The same numbers, in row-major order, as an array of another shape; one size may be -1, and is found out.

        y  = x as `shape`
        gx = gy as the shape of x

    The shape is that of the whole array, batch and all. A -1 of an array without elements is 0.

    Source: NumPy's definition of reshape.
    """

    shape: int | tuple = -1
    signature = "x[*n] -> y[*out]"
    requires = "shape >= -1", "prod(out) == prod(n)"
    cases = (
        dict(n=(2, 3)), dict(n=(2, 3, 2), shape=(3, -1, 2)), dict(n=(), shape=(1, 1)), dict(n=(1,), shape=()),
        dict(n=(2, 0), shape=(-1, 3)), dict(n=(2, 0), shape=(0, -1)), dict(n=(4,), shape=(2, 2)),
    )  # fmt: skip

    def out(self, n):
        shape = self.shape if isinstance(self.shape, tuple) else (self.shape,)
        known = prod(size for size in shape if size != -1)
        return tuple(prod(n) // max(known, 1) if size == -1 else size for size in shape)

    derivation = """
        at n=(2, 3), shape=(3, -1); n=(2, 2)
        for p in *n
        for q in *out
        let y[q] = sum(p, (place(p, n)==place(q, out))*x[p])

        d(y[q], x[p])
          = (place(p, n)==place(q, out))                # y[q] is one element of x

        vjp gx[p]
          = sum(q, gy[q]*d(y[q], x[p]))                 # chain rule
          = sum(q, gy[q]*(place(p, n)==place(q, out)))  # Jacobian above: the same numbers in the same order
"""


@dataclass(frozen=True)
class Flatten(Reshaping):
    """The axes from `start_axis` to `end_axis`, both included, become one.

        y  = x as [... product of the sizes ...]
        gx = gy as the shape of x

    Source: PyTorch's definition of flatten.
    """

    start_axis: int = 0
    end_axis: int = -1
    signature = "x[*n] -> y[*out]"
    requires = (
        "-len(n) <= start_axis < len(n)", "-len(n) <= end_axis < len(n)", "start_axis % len(n) <= end_axis % len(n)",
    )  # fmt: skip
    cases = (
        dict(n=(2, 3)), dict(n=(2, 3, 2), start_axis=1), dict(n=(2, 3, 2), start_axis=-3, end_axis=1),
        dict(n=(3,)), dict(n=(2, 0, 3), start_axis=1), dict(n=(2, 1), start_axis=1, end_axis=1),
    )  # fmt: skip

    def out(self, n):
        first, last = self.start_axis % len(n), self.end_axis % len(n) + 1
        return *n[:first], prod(n[first:last]), *n[last:]

    derivation = """
        at n=(2, 2, 2), start_axis=1; n=(2, 3)
        for p in *n
        for q in *out
        let y[q] = sum(p, (place(p, n)==place(q, out))*x[p])

        d(y[q], x[p])
          = (place(p, n)==place(q, out))                # y[q] is one element of x

        vjp gx[p]
          = sum(q, gy[q]*d(y[q], x[p]))                 # chain rule
          = sum(q, gy[q]*(place(p, n)==place(q, out)))  # Jacobian above: the same numbers in the same order
"""


@dataclass(frozen=True)
class Select(Moving):
    """The slice at one place along an axis, such as the last step of a sequence (by default: time first).

        y  = x[index]
        gx = gy at index, 0 elsewhere

    y shares its memory with x.

    Source: NumPy's definition of indexing.
    """

    axis: int = 0
    index: int = -1
    signature = along("x[... n] -> y[...]")
    requires = ("-n <= index < n",)
    cases = (
        dict(n=3), dict(n=2, batch=(3,), index=0), dict(n=3, b0=2, batch=(2,), axis=1), dict(n=2, batch=(2,), axis=-1),
        dict(n=1, b0=2, axis=-2),
    )  # fmt: skip

    def move(self, x):
        return np.moveaxis(x, self.axis, 0)[self.index]

    def vjp(self, gy, n, dtype):
        gx = np.zeros(n, dtype)
        np.moveaxis(gx, self.axis, 0)[self.index] = gy
        return gx

    derivation = """
        at n=3, batch=(2,); n=2, index=0
        for e f in ...
        for i in n
        let y[e] = x[index % n,e]

        d(y[e], x[i,f])
          = (e==f)*(i==index % n)          # y is one slice of x

        vjp gx[i,e]
          = sum(f, gy[f]*d(y[f], x[i,e]))  # chain rule
          = (i==index % n)*gy[e]           # collapse the delta
"""


reshape, flatten, select = Reshape(), Flatten(), Select()
