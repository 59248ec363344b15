"""What all pools share that slide one kernel: where its windows lie."""

from dataclasses import dataclass

from pullback.rules.spatial import Spatial
from pullback.windows import Windows


@dataclass(frozen=True)
class Pool(Spatial):
    """Windows of `kernel_size`, `stride` apart (the kernel's own size if None), in every plane of x by itself.

    `ceil_mode` keeps a last window that hangs over the end, if it begins before the padding behind x.
    """

    kernel_size: int | tuple = 2
    stride: int | tuple | None = None
    ceil_mode: bool = False
    padding = property(lambda self: (0,) * self.dims)
    dilation = property(lambda self: (1,) * self.dims)
    words = dict(stride=(None,))
    requires = (
        "kernel_size > 0", "stride is None or stride > 0", "dilation > 0", "0 <= padding <= kernel_size/2",
        "output_size > 0", "fewest_elements_in_a_window > 0",
    )  # fmt: skip

    def out(self, n):
        def along(n, k, s, p, d):
            room = n + 2 * p - d * (k - 1) - 1
            last = -(-room // s) if self.ceil_mode else room // s
            return last if self.ceil_mode and last * s >= n + p else last + 1

        return tuple(map(along, n, self.kernel_size, self.step, self.padding, self.dilation))

    def output_size(self, out):
        """What error messages call it."""
        return out

    def fewest_elements_in_a_window(self, n):
        """A dilated window can miss a short x."""
        return int(self.windows(n).counts(margin=(0,) * self.dims).min())

    def windows(self, n):
        return Windows(n, self.kernel_size, self.out(n), self.step, self.dilation, self.padding)

    @property
    def step(self):
        return self.stride or self.kernel_size
