"""Axis sizes by name: what binding a signature to shapes finds out."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pullback.errors import OptionError, ShapeError
from pullback.expressions import evaluate

if TYPE_CHECKING:
    from pullback.rule import Rule
    from pullback.signature import Slot


def is_group(axis: str) -> bool:
    return axis == "..." or axis[0] == "*"


class Sizes(dict[str, Any]):
    """Sizes of named axes.

    What is not bound is asked of the rule: a hyperparameter, or a method of axes, which calls `...` `batch`.
    """

    def __init__(self, rule: "Rule", known: Mapping[str, Any] = {}) -> None:
        super().__init__(known)
        self.rule = rule

    def __missing__(self, name: str) -> Any:
        if not hasattr(self.rule, name):
            raise KeyError(name)
        value = getattr(self.rule, name)
        if callable(value):
            axes = ("..." if axis == "batch" else axis for axis in inspect.signature(value).parameters)
            value = self[name] = value(*(self[axis] for axis in axes))
        return value

    def free(self, axis: str) -> bool:
        """Is it a plain name, bound by the shapes alone?"""
        name = axis.lstrip("*")
        return axis == "..." or name.isidentifier() and not hasattr(self.rule, name)

    def value(self, axis: str) -> Any:
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
        except ZeroDivisionError:
            raise OptionError(f"{self.rule.name}: cannot compute {name}, with {self.among(name)}") from None
        return value if isinstance(value, tuple) or value % 1 else int(value)

    def shape(self, slot: "Slot") -> tuple[int, ...]:
        """The shape of a slot whose axes are all bound; an unbound group is empty."""
        shape: list[int] = []
        for axis in slot.axes:
            size = self.value(axis)
            if size is None and not is_group(axis):
                raise ShapeError(f"{self.rule.name}: {slot} cannot be left out: the size of axis {axis} is not known")
            if isinstance(size, float):
                raise ShapeError(f"{self.rule.name}: {slot} needs a whole number for {axis}, got {size:g}")
            shape += (size or ()) if is_group(axis) else (size,)
        return tuple(shape)

    def bind(self, axes: tuple[str, ...], shape: tuple[int, ...]) -> bool:
        """Give the free names of `axes` their sizes in `shape`; False if one has another size already."""
        for axis, size in self.parts(axes, shape):
            if self.free(axis) and self.setdefault(axis.lstrip("*"), size) != size:
                return False
        return self.width(axes) is None or self.width(axes) == len(shape)

    def agree(self, axes: tuple[str, ...], shape: tuple[int, ...]) -> bool:
        """Do the sizes of all axes, the computed ones too, come out as `shape` has them?"""
        parts = self.parts(axes, shape)
        return len(parts) == len(axes) and all(self.value(axis) == size for axis, size in parts)

    def parts(self, axes: tuple[str, ...], shape: tuple[int, ...]) -> list[tuple[str, Any]]:
        """Each axis with its size, a group with its sizes; as far as the shape goes."""
        spare = len(shape) - sum(w for a in axes if (w := self.width([a])) is not None)
        parts: list[tuple[str, Any]] = []
        for axis in axes:
            width = self.width([axis])
            width = max(spare, 0) if width is None else width
            if len(shape) < width:
                break
            parts.append((axis, shape[:width] if is_group(axis) else shape[0]))
            shape = shape[width:]
        return parts

    def width(self, axes: Iterable[str]) -> int | None:
        """How many axes these are in all; None while a group of unknown width is among them."""
        widths = [self._group(a) if is_group(a) else 1 for a in axes]
        return None if None in widths else sum(w for w in widths if w is not None)

    def _group(self, axis: str) -> int | None:
        size = self.value(axis)
        if size is not None:
            return len(size)
        return getattr(self.rule, "dims", None) if axis != "..." else None

    def among(self, text: str) -> str:
        """Name and value of what a text mentions, for messages."""
        words = sorted(set(re.findall(r"\b[a-z_]\w*\b", re.sub(r"'.*?'", "", text))))
        return ", ".join(f"{k}={self[k]!r}" for k in words if k in self or hasattr(self.rule, k))

    def __str__(self) -> str:
        return ", ".join(f"{k}={v}" for k, v in self.items()) or "no axis known yet"
