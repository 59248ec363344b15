"""Losses of scores that stand one per class along an axis."""

import re
from dataclasses import dataclass, replace

import numpy as np

from pullback.rules.loss import Loss


@dataclass(frozen=True)
class ClassLoss(Loss):
    """A loss whose classes are `axis` 1, as in PyTorch; of a bare vector of scores, its only axis.

    A target that equals `ignore_index` counts for nothing.
    """

    ignore_index: int = -100
    axis: int = 1

    def suited(self, x, *others):
        bare = x is not None and len(x.shape) == 1 and self.axis == 1
        return replace(self, axis=0) if bare else self

    @property
    def derivation(self):
        """`text` speaks of examples a with scores on axis 1; of a bare vector there is only one."""
        if self.axis not in (0, 1):
            raise AttributeError("the derivation speaks of scores on axis 1, or of a vector")
        return self.text if self.axis else re.sub(r"\ba, ?", "", self.text.replace("for a in n\n", ""))

    def losses(self, text):
        """The signature, of a text with the classes on axis 1: where it says n c *d, they go to their place."""
        named = lambda count: " ".join(f"n{j or ''}" for j in range(count))
        before, after = (named(self.axis), "*d") if self.axis >= 0 else ("*d", named(-self.axis - 1))
        text = text.replace("[n c *d]", f"[{before} c {after}]").replace("[n *d]", f"[{before} {after}]")
        return super().losses(text)

    def located(self, t, w):
        """Where in x the targets stand, and how much each counts: the weight of its class, or nothing."""
        counted = t != self.ignore_index
        t = np.where(counted, t, 0)
        place = [np.arange(n).reshape(n, *[1] * (t.ndim - j)) for j, n in enumerate(t.shape, 1)]
        place.insert(self.axis if self.axis >= 0 else self.axis + t.ndim + 1, t)
        return tuple(place), w[t] * counted

    def lift(self, a):
        """`a`, which has no axis of classes, with one of size 1; a single number needs none."""
        if not a.ndim:
            return a
        return a[(slice(None),) * self.axis + (None,)] if self.axis >= 0 else np.expand_dims(a, self.axis)
