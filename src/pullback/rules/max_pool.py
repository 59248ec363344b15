"""Max pooling: the largest element of every window."""

from dataclasses import dataclass
from math import prod

import numpy as np

from pullback.rules.pool import Pool
from pullback.rules.selection import Select


@dataclass(frozen=True)
class MaxPool(Pool, Select):
    """The largest element of every window.

        y[p] = x[index[p]],    index[p] = argmax k  x[stride p + dilation k - padding]
        gx   = gy[p] added at index[p], for all p

    Ties go to the first. Padding never wins, even over -inf; nan always does, the first of several.
    Its derivative gathers, and the transpose scatters: the indices are all that it keeps. They count inside one
    plane of x, row by row, and `return_indices` gives them as well.

    Source: Ranzato et al. (2007), Unsupervised learning of invariant feature hierarchies.
    """

    padding: int | tuple = 0
    dilation: int | tuple = 1
    per_axis = "kernel_size", "stride", "padding", "dilation"
    cases3d = (
        dict(n=(4, 5, 2), return_indices=True),
        dict(n=(5, 4, 3), kernel_size=3, stride=2, padding=1, ceil_mode=True, batch=(2,)),
        dict(n=(6, 5, 4), kernel_size=(3, 2, 1), stride=1, dilation=2, batch=(2, 1), return_indices=True),
        dict(n=(3, 2, 4), kernel_size=(3, 2, 4)),
    )

    def forward(self, x):
        windows = self.windows(self.space(x))
        seen = windows.stack(x, fill=-np.inf)
        y = seen.max(0)
        index = self.first((seen == y) | (seen != seen), windows.places())
        return self.answer(x, y, index)

    def first(self, wins, places):
        """[kernel ... *out], [kernel *out] -> [... *out]: the place of the first that wins, padding left out."""
        kernel, *out = places.shape
        rank = np.arange(kernel, 0, -1, dtype=np.min_scalar_type(kernel)).reshape(kernel, *[1] * self.dims)
        rank = (rank * (places >= 0)).reshape(kernel, *[1] * (wins.ndim - places.ndim), *out)
        first = kernel - (wins * rank).max(0).astype(np.intp)
        return places.reshape(places.size).take(first * prod(out) + np.arange(prod(out)).reshape(out))

    derivation = """
        at n=(4, 2, 2), kernel_size=(3, 2, 1), stride=1, padding=(1, 0, 0), batch=(2,); n=(5, 4, 2), stride=2
        at n=(5, 3, 2), kernel_size=2, stride=2, dilation=(2, 1, 1), ceil_mode=True
        for e f in ...
        for k in kernel_size
        for p in *out
        for q in *n
        let X[e,q] = x[e,q] if 0 <= q < n else -inf  # x, and -inf around it
        let best[e,p] = step*p + dilation*argmax(k, X[e,step*p+dilation*k-padding]) - padding
        let y[e,p] = max(k, X[e,step*p+dilation*k-padding])

        d(y[e,p], x[f,q])
          = (e==f)*(q == best[e,p])               # only the largest element moves y

        vjp gx[e,q]
          = sum(f, p, gy[f,p]*d(y[f,p], x[e,q]))  # chain rule
          = sum(p, gy[e,p]*(q == best[e,p]))      # collapse the delta: all windows that q wins
"""


max_pool1d, max_pool2d, max_pool3d = (MaxPool(dims=d) for d in (1, 2, 3))
