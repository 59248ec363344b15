"""Shape signatures: one line that documents, checks and generates.

    "x[... i]; w[o i], b[o]=0 -> y[... o]"

Data before the semicolon, parameters after it: f(x; θ). Between the brackets stand axes:

    i             an axis; the same name is the same size everywhere
    3             an axis of that size
    4*m  i/groups computed from other axes and from hyperparameters; it must come out whole
    ...           any number of batch axes
    *n            any number of axes, or `dims` of them where the rule has that field

A name that is a method of the rule is computed by it, from the axes that its parameters name: `y[... o *out]`.
`int t` marks integers, `const m` anything else that has no derivative. After the brackets, `=0` says that the
array may be left out and is 0 everywhere then (`=n`: the size of axis n); `<n` that its integers are 0 .. n-1;
`>0`, `>0<1` between which bounds random test values lie.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback.errors import OptionError, ShapeError, SignatureError
from pullback.expressions import evaluate
from pullback.sizes import Sizes, is_group

if TYPE_CHECKING:
    from pullback.rule import Rule

SLOT = re.compile(r"(?:(int|const) )?(\w+)\[([^\[\]<>=;]*)\](?:=(\w+))?(?:>([\w.]+))?(?:<([\w.+*]+))?")


class Slot(NamedTuple):
    """One array of a signature."""

    name: str
    axes: tuple[str, ...]
    kind: str = ""  # "" has a derivative, "int" and "const" have none
    default: str = ""
    least: str = ""
    most: str = ""

    @property
    def differentiable(self) -> bool:
        return not self.kind

    def __str__(self) -> str:
        return f"{self.name}[{' '.join(self.axes)}]"

    def text(self, **renamed: str) -> str:
        """The slot as it is written, some axes renamed."""
        axes = " ".join(renamed.get(axis, axis) for axis in self.axes)
        marks = "".join(mark + value for mark, value in zip("=><", self[3:]) if value)
        return f"{self.kind} {self.name}[{axes}]{marks}".strip()


class Signature:
    """The line taken apart: `data`, `params` (together `inputs`) and `outputs`, each a tuple of slots."""

    def __init__(self, text: str) -> None:
        self.text = text
        if re.sub(r"[\s,;]|->", "", SLOT.sub("", text)) or text.count("->") != 1 or text.count(";") > 1:
            raise SignatureError(f"cannot read the signature {text!r}")
        left, right = text.split("->")
        data, _, params = left.partition(";")
        self.data, self.params, self.outputs = map(_slots, (data, params, right))
        self.inputs = self.data + self.params

    def bind(self, rule: "Rule", shapes: Sequence[tuple[int, ...] | None]) -> Sizes:
        """Match input shapes (None: left out) to slots; return the axis sizes, or raise naming the culprit."""
        if len(shapes) > len(self.inputs):
            raise ShapeError(f"{rule.name}: got {len(shapes)} arrays, needs {len(self.inputs)}: {self.text}")
        shapes = (*shapes, *[None] * (len(self.inputs) - len(shapes)))
        require(rule, Sizes(rule))  # what hyperparameters alone decide, before an array is blamed
        for slot, shape in zip(self.inputs, shapes):
            if shape is None and not slot.default:
                raise ShapeError(f"{rule.name}: {slot} is missing: {self.text}")
        given = [(slot, shape) for slot, shape in zip(self.inputs, shapes) if shape is not None]
        sizes = Sizes(rule)
        for found in (sizes.bind, sizes.agree):  # all names first: 4*m may stand before m
            for slot, shape in given:
                before = Sizes(rule, sizes)
                if not found(slot.axes, shape):
                    raise ShapeError(_misfit(rule, slot, shape, sizes, before))
        for axis in (axis for slot in self.inputs for axis in slot.axes if is_group(axis) and sizes.free(axis)):
            sizes.setdefault(axis.lstrip("*"), ())  # a group of what was left out is empty
        require(rule, sizes)
        return sizes

    def sample(
        self,
        rule: "Rule",
        rng: np.random.Generator,
        batch: tuple[int, ...] = (),
        without: Sequence[str] = (),
        **sizes: Any,
    ) -> list[NDArray[Any] | None]:
        """Random inputs with short decimals, so that a failing test prints readable numbers."""
        dims = getattr(rule, "dims", None)
        known = Sizes(rule, {"...": batch})
        known.update({k: v[:dims] if isinstance(v, tuple) else v for k, v in sizes.items()})
        return [None if slot.name in without else _draw(slot, known, rng) for slot in self.inputs]


def require(rule: "Rule", sizes: Sizes) -> None:
    """Check the conditions of the rule, as far as the sizes that they speak of are known."""
    for condition in rule.requires:
        try:
            holds = evaluate(condition, sizes)
        except KeyError:
            continue
        if not holds:
            why = f": {MEANT[condition]}" if condition in MEANT else ""
            raise OptionError(f"{rule.name}: needs {condition}, with {sizes.among(condition)}{why}")


MEANT = {"output_size > 0": "the kernel does not fit into the padded input, or padding cuts off all of the output"}


def _misfit(rule: "Rule", slot: Slot, shape: tuple[int, ...], sizes: Sizes, before: Sizes) -> str:
    """`before` are the sizes without this slot's: of too few axes, none can be said to be wrong."""
    axes = getattr(rule, "axis", ()) if slot is rule.inputs[0] else ()
    for axis in axes if isinstance(axes, tuple) else (axes,):
        if not -len(shape) <= axis < len(shape):
            return f"{rule.name}: axis={axis} is out of range for {slot.name} of shape {shape}"
    says = f"{rule.name}: {slot.name} has shape {shape}, needs {slot}"
    width = sizes.width(slot.axes)
    if width is None or width == len(shape):
        return f"{says} with {sizes}"
    least = "at least " if "..." in slot.axes and "..." not in before else ""
    like = "[" * width + "1, 2" + "]" * width if width else "1"
    known = f" with {before}" if before else ""
    return f"{says}{known}: {least}{width} {'axis' if width == 1 else 'axes'}, as in {like}, not {len(shape)}"


def _draw(slot: Slot, sizes: Sizes, rng: np.random.Generator) -> NDArray[Any]:
    shape = sizes.shape(slot)
    if slot.kind == "int":
        most = sizes.value(slot.most)
        if not most and 0 not in shape:
            raise ShapeError(f"{sizes.rule.name}: {slot} needs integers below {slot.most}, which is 0")
        return rng.integers(0, most, size=shape)
    if slot.most:
        low, high = float(slot.least or 0), float(slot.most)
        return low + (high - low) * np.round(rng.uniform(0.05, 0.95, size=shape), 2)
    values = np.round(rng.normal(size=shape), 2)
    return float(slot.least) + abs(values) + 0.1 if slot.least else values


def _slots(text: str) -> tuple[Slot, ...]:
    return tuple(Slot(name, tuple(axes.split()), kind, *rest) for kind, name, axes, *rest in SLOT.findall(text))


def along(text: str, axis: str = "axis") -> property:
    """A signature whose named axis stands where the rule's field `axis` says, all others being batch.

    An output may lack the axis, or have it in another size: "x[... n] -> y[...]", "x[... n], z[... m] -> y[... n+m]".
    """

    def signature(rule: "Rule") -> str:
        k = getattr(rule, axis)
        before, after = (" ".join(f"b{j}" for j in range(n)) for n in (max(k, 0), max(-k - 1, 0)))
        place = rf"[{before} \1 ...]" if k >= 0 else rf"[... \1 {after}]"
        placed = re.sub(r"\[\.\.\. ?([^\s\]]*)\]", place, text)
        return re.sub(r"(?<=\[) +| +(?=\])|(?<= ) +", "", placed)

    return property(signature)
