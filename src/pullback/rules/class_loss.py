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
        """`text` speaks of examples a and places s, with scores on axis 1 between them, and of one loss y of all."""
        text = alone(self.text) if self.reduction == "none" else self.text
        count = self.axis if self.axis >= 0 else -self.axis - 1
        letters = list("abefg"[:count])
        return replaced(text, letters, ["s"]) if self.axis >= 0 else replaced(text, ["s"], letters)

    def losses(self, text):
        """The signature, of a text with the classes on axis 1: where it says n c *d, they go to their place."""
        named = lambda count: " ".join(f"n{j or ''}" for j in range(count))
        before, after = (named(self.axis), "*d") if self.axis >= 0 else ("*d", named(-self.axis - 1))
        slot = lambda *axes: f"[{' '.join(filter(None, axes))}]"
        text = text.replace("[n c *d]", slot(before, "c", after)).replace("[n *d]", slot(before, after))
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


def alone(text):
    """A derivation of the reduced loss, of losses that are not: y[a,s] is l[a,s], and no N divides it."""
    text = re.sub(r".*# the mean's share\n|.*let N = .*\n|, reduction=\"sum\"", "", text)
    text = re.sub(r"let y = .*", "let y[a,s] = l[a,s]", text)
    if text.count("m[a,s]") == 1:  # its own definition, which N alone has used
        text = re.sub(r".*let m\[a,s\] = .*\n", "", text)
    return text.replace("/N", "").replace("gy*", "gy[a,s]*").replace("d(y, ", "d(y[a,s], ")


def replaced(text, before, after):
    """The same, with these letters of axes before and after that of the classes, in the place of a and s."""
    extra = sorted({*before, *after} - {"a", "s"})
    axes = {letter: f"n{k}" for k, letter in enumerate(extra, 1)}
    front, back = "".join(f"{letter}," for letter in before), "".join(f",{letter}" for letter in after)
    both = lambda met: met[1].join([*before, *after]) if met[1] else front if met[0] == "a," else back
    text = re.sub(r"\ba(, ?)s\b|\ba,|,s\b", both, text)
    over = [f"for {letter} in {axis}\n" for letter, axis in axes.items()]
    over = ["for a in n\n"] * ("a" in {*before, *after}) + over
    sizes = "".join(f", {axis}=2" for axis in axes.values())
    return re.sub(r"\bn=(\d)", rf"n=\1{sizes}", text.replace("for a in n\n", "".join(over)))
