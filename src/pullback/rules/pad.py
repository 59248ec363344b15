"""Padding: put elements around x."""

from dataclasses import dataclass
from math import prod
from numbers import Integral

import numpy as np

from pullback.batch import flat, scatter
from pullback.errors import OptionError
from pullback.operators import Sparse
from pullback.rule import Rule, Straight

SOURCE = {  # which of n elements stands at place p, that may lie outside 0 .. n-1
    "constant": lambda p, n: np.where((p >= 0) & (p < n), p, -1),  # none
    "reflect": lambda p, n: n - 1 - abs(n - 1 - abs(p)),  # 2 1 | 0 1 2 | 1 0
    "replicate": lambda p, n: np.clip(p, 0, n - 1),  # 0 0 | 0 1 2 | 2 2
    "circular": lambda p, n: p % n,  # 1 2 | 0 1 2 | 0 1
}


@dataclass(frozen=True)
class Pad(Straight, Rule):
    """Put elements around x: `value`, or what `mode` takes from x itself.

        y[p] = x[source[p - before]],   or `value` where there is no source
        gx   = gy[p] added at source[p - before], for all p that have one

    `pad` holds two numbers for each padded axis, before and behind, the last axis first: (left, right, top, bottom).
    "reflect" mirrors x at its first and last element (which are not repeated), "replicate" repeats these, "circular"
    begins x anew; in "constant" a negative number takes elements away. An element gets the gradients of all its copies.

    Source: NumPy's definition of pad; the names of the modes are PyTorch's.
    """

    pad: tuple = ()
    mode: str = "constant"
    value: float = 0.0
    signature = "x[... *n] -> y[... *out]"
    requires = (
        "mode in ('constant', 'reflect', 'replicate', 'circular')", "kept >= 0",
        "mode == 'constant' or pad >= 0 and n > 0", "mode != 'reflect' or before < n and behind < n",
        "mode != 'circular' or before <= n and behind <= n",
    )  # fmt: skip
    cases = (
        dict(n=(3,), pad=(1, 2), value=1.5),
        dict(n=(3, 4), pad=(1, 0, 2, 1), batch=(2,)),
        dict(n=(3, 4), pad=(3, 1, 1, 2), mode="reflect", batch=(2, 1)),
        dict(n=(2, 3), pad=(1, 4, 3, 0), mode="replicate"),
        dict(n=(3, 2), pad=(2, 2, 1, 3), mode="circular", batch=(2,)),
        dict(n=(4, 3), pad=(-1, 2, 1, -2)),
        dict(n=(), pad=(), batch=(2, 3)),
        dict(n=(0, 2), pad=(1, 1, 0, 1), value=2.0),
    )

    def __post_init__(self):
        if not isinstance(self.pad, tuple) or len(self.pad) % 2 or not all(isinstance(p, Integral) for p in self.pad):
            raise OptionError(f"pad must be whole numbers, two for each axis, the last axis first; got {self.pad!r}")

    @property
    def dims(self):
        return len(self.pad) // 2

    @property
    def before(self):
        return self.pad[-2::-2]

    @property
    def behind(self):
        return self.pad[::-2]

    def out(self, n):
        return tuple(a + m + b for a, m, b in zip(self.before, n, self.behind))

    def kept(self, n):
        """How many elements of x stay, if numbers are negative."""
        return tuple(min(a, 0) + m + min(b, 0) for a, m, b in zip(self.before, n, self.behind))

    def forward(self, x):
        n, dtype = x.shape[x.ndim - self.dims :], x.dtype
        return self.filled(x, self.value, n), (n, dtype)

    def jvp(self, tx, n, dtype):
        return self.filled(tx, 0, n)

    def vjp(self, gy, n, dtype):
        to, source = self.copies(n)
        g = flat(gy, self.dims)[..., to]
        gx = scatter(g, np.broadcast_to(source, g.shape), prod(n))
        return gx.reshape((*gy.shape[: gy.ndim - self.dims], *n))

    def jacobian(self, n, dtype):
        to, source = self.copies(n)
        return Sparse(to, source, np.ones(len(to), dtype), self.out(n), n)

    def filled(self, x, value, n):
        to, source = self.copies(n)
        y = np.full((*x.shape[: x.ndim - self.dims], prod(self.out(n))), value, x.dtype)
        y[..., to] = flat(x, self.dims)[..., source]
        return y.reshape((*y.shape[:-1], *self.out(n)))

    def copies(self, n):
        """Every element of y that comes from x, and where from, both counted row by row."""
        source = np.zeros(1, int)
        for size, before, out in zip(n, self.before, self.out(n)):
            along = SOURCE[self.mode](np.arange(out) - before, size)
            source = np.where((source[:, None] < 0) | (along < 0), -1, source[:, None] * size + along)
            source = source.reshape(source.size)
        to = np.flatnonzero(source >= 0)
        return to, source[to]

    derivation = """
        at n=(3, 4), pad=(1, 0, 2, 1), batch=(2,); n=(3,), pad=(-1, 2), value=1.5; n=(3,), pad=(2, 1), mode="reflect"
        at n=(2,), pad=(1, 3), mode="replicate"; n=(3,), pad=(2, 2), mode="circular"
        for e f in ...
        for p in *out
        for q in *n
        let o[p] = p - before
        let mirrored[p] = n - 1 - abs(n - 1 - abs(o[p])) if mode == "reflect" else o[p]
        let clipped[p] = max(0, min(n - 1, o[p])) if mode == "replicate" else mirrored[p]
        let source[p] = o[p] % n if mode == "circular" else clipped[p]
        let y[e,p] = x[e,source[p]] if 0 <= source[p] < n else value

        d(y[e,p], x[f,q])
          = (e==f)*(source[p]==q)                 # y[p] is a copy of x[q]

        vjp gx[e,q]
          = sum(f, p, gy[f,p]*d(y[f,p], x[e,q]))  # chain rule
          = sum(p, gy[e,p]*(source[p]==q))        # collapse the delta: all copies of an element
"""


pad = Pad()
