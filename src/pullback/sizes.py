"""Axis sizes by name: what binding a signature to shapes finds out."""

import inspect
import re
from collections.abc import Mapping

from pullback.errors import ShapeError
from pullback.expressions import evaluate


def is_group(axis):
    return axis == "..." or axis[0] == "*"


class Sizes(dict):
    """Sizes of named axes. What is not bound is asked of the rule: a hyperparameter, or a method of axes."""

    def __init__(self, rule, known: Mapping = {}):
        super().__init__(known)
        self.rule = rule

    def __missing__(self, name):
        if not hasattr(self.rule, name):
            raise KeyError(name)
        value = getattr(self.rule, name)
        if callable(value):
            value = self[name] = value(*(self[axis] for axis in inspect.signature(value).parameters))
        return value

    def free(self, axis):
        """Is it a plain name, bound by the shapes alone?"""
        name = axis.lstrip("*")
        return axis == "..." or name.isidentifier() and not hasattr(self.rule, name)

    def value(self, axis):
        """The size of an axis (a tuple for `...` and `*n`), or None while it is not known."""
        name = axis.lstrip("*")
        if name in self:
            return self[name]
        if self.free(axis):
            return None
        try:
            value = evaluate(name, self)
        except KeyError:
            return None
        return value if isinstance(value, tuple) or value % 1 else int(value)

    def shape(self, slot):
        """The shape of a slot whose axes are all bound; an unbound group is empty."""
        shape = []
        for axis in slot.axes:
            size = self.value(axis)
            if size is None and not is_group(axis):
                raise ShapeError(f"{self.rule.name}: {slot} cannot be left out: the size of axis {axis} is not known")
            shape += (size or ()) if is_group(axis) else (size,)
        return tuple(shape)

    def bind(self, axes, shape):
        """Give the free names of `axes` their sizes in `shape`; False if one has another size already."""
        for axis, size in self.parts(axes, shape):
            if self.free(axis) and self.setdefault(axis.lstrip("*"), size) != size:
                return False
        return self.width(axes) is None or self.width(axes) == len(shape)

    def agree(self, axes, shape):
        """Do the sizes of all axes, the computed ones too, come out as `shape` has them?"""
        parts = self.parts(axes, shape)
        return len(parts) == len(axes) and all(self.value(axis) == size for axis, size in parts)

    def parts(self, axes, shape):
        """Each axis with its size, a group with its sizes; as far as the shape goes."""
        spare = len(shape) - sum(w for a in axes if (w := self.width([a])) is not None)
        parts = []
        for axis in axes:
            width = self.width([axis])
            width = max(spare, 0) if width is None else width
            if len(shape) < width:
                break
            parts.append((axis, shape[:width] if is_group(axis) else shape[0]))
            shape = shape[width:]
        return parts

    def width(self, axes):
        """How many axes these are in all; None while a group of unknown width is among them."""
        widths = [self._group(a) if is_group(a) else 1 for a in axes]
        return None if None in widths else sum(widths)

    def _group(self, axis):
        size = self.value(axis)
        if size is not None:
            return len(size)
        return getattr(self.rule, "dims", None) if axis != "..." else None

    def among(self, text):
        """Name and value of what a text mentions, for messages."""
        words = sorted(set(re.findall(r"\b[a-z_]\w*\b", text)))
        return ", ".join(f"{k}={self[k]!r}" for k in words if k in self or hasattr(self.rule, k))

    def __str__(self):
        return ", ".join(f"{k}={v}" for k, v in self.items()) or "no axis known yet"
