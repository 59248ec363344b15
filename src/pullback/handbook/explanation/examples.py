"""Numbers to explain a rule with, where the reader gives none, or not all: few, short, and no two alike."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle, islice
from math import prod
from typing import Any

import numpy as np

from pullback.discovery import find
from pullback.door import array, called, configured
from pullback.errors import OptionError, PullbackError
from pullback.rule import Rule
from pullback.signature import Slot
from pullback.sizes import Sizes, is_group

# No zero and no simple fraction, where kinks lie; no two alike, so that nothing ties and no order is hidden.
NUMBERS = 2.0, -1.5, 0.8, 2.4, -0.4, 1.2, -2.2, 0.3, 1.7, -0.9, 2.8, -1.1, 0.6, 3.2, -0.2, 1.4
WEIGHTS = 0.5, -0.3, 0.8, 0.2, -0.6, 1.1, -0.2, 0.4, 0.7, -0.9, 0.3, -0.5  # of parameters: no gate is saturated
SHARES = 0.25, 0.6, 0.4, 0.75, 0.5, 0.3  # of the way between two bounds
DISTANT = [1.2, -0.4, 2.5]  # from the first numbers, near and far, on both sides
GRADIENTS = 1.0, -2.0, 0.5, 1.5, -1.0, 3.0, -0.5, 2.5

# Sizes, hyperparameters and arrays, by rule; what is not here takes the first case of the rule.
EXAMPLES: dict[str, dict[str, Any]] = {
    "adaptive_avg_pool1d": dict(n=5, output_size=2),
    "adaptive_avg_pool2d": dict(n=3, output_size=2),
    "adaptive_max_pool1d": dict(n=5, output_size=2),
    "adaptive_max_pool2d": dict(n=3, output_size=2),
    "adaptive_avg_pool3d": dict(n=2),
    "adaptive_max_pool3d": dict(n=2),
    "add": dict(n=(2, 3), m=(3,)),
    "avg_pool2d": dict(n=4),
    "avg_pool3d": dict(n=2),
    "batch_norm": dict(n=3, c=2, training=True, x=[[2.0, -1.5], [0.5, 2.4], [-0.4, 1.2]], without=("m", "v")),
    "bilinear": dict(i=2, j=2, o=1),
    "binary_cross_entropy": dict(batch=(3,), x=[0.25, 0.6, 0.9], t=[0.0, 1.0, 1.0], without=("w",)),
    "binary_cross_entropy_with_logits": dict(batch=(3,), t=[1.0, 0.0, 1.0], without=("w", "v")),
    "clamp": dict(batch=(3,), min=-1.0, max=1.0),
    "conv1d": dict(i=1, o=1, n=4, k=2),
    "conv2d": dict(i=1, o=1, n=3, k=2),
    "conv3d": dict(i=1, o=1, n=(2, 2, 3), k=2),
    "conv_transpose1d": dict(i=1, o=1, n=3, k=2),
    "conv_transpose2d": dict(i=1, o=1, n=2, k=2),
    "conv_transpose3d": dict(i=1, o=1, n=(1, 1, 2), k=2),
    "cross_entropy": dict(n=2, c=3, x=[[2.0, 3.0, 0.5], [1.0, -1.0, 0.5]], t=[1, 0], without=("w",)),
    "dropout": dict(n=4, mask=[True, False, True, True]),
    "embedding": dict(v=3, d=2, x=[0, 0, 2]),
    "glu": dict(n=4),
    "group_norm": dict(n=1, c=6, num_groups=2),
    "gru": dict(t=3, n=1, m=1),
    "gru_cell": dict(n=1, m=1),
    "huber_loss": dict(batch=(3,), t=DISTANT),
    "instance_norm": dict(n=1, c=2, d=3),
    "kl_div": dict(batch=(3,), x=[-1.2, -0.7, -1.6], t=[0.25, 0.6, 0.15]),  # both sum to 1, nearly
    "l1_loss": dict(batch=(3,), t=DISTANT),
    "layer_norm": dict(n=3),
    "linear": dict(i=3, o=2),
    "log": dict(batch=(3,), x=[0.5, 1.0, 2.0]),
    "logsumexp": dict(n=3),
    "lp_pool2d": dict(n=4),
    "lp_pool3d": dict(n=2),
    "lstm": dict(t=3, n=1, m=1),
    "lstm_cell": dict(n=1, m=1),
    "max_pool1d": dict(n=4, x=[-1.5, 2.0, 0.8, 2.4]),
    "max_pool2d": dict(
        n=4, x=[[0.8, -1.5, 2.0, 2.4], [-0.4, 1.2, -2.2, 0.3], [1.7, -0.9, 2.8, -1.1], [0.6, 3.2, -0.2, 1.4]]
    ),
    "max_pool3d": dict(n=2),
    "mse_loss": dict(batch=(3,), t=DISTANT),
    "nll_loss": dict(n=2, c=3, x=[[-0.4, -1.5, -2.0], [-2.4, -0.3, -1.7]], t=[0, 2], without=("w",)),
    "pad": dict(n=3, pad=(1, 1)),
    "prelu": dict(n=1, c=3, p=3, x=[[2.0, -1.5, 0.8]], w=[0.25, 0.1, 0.3]),
    "projected_lstm_cell": dict(n=1, m=2, k=1),
    "rnn": dict(t=3, n=1, m=1),
    "rnn_cell": dict(n=2, m=1),
    "scaled_dot_product_attention": dict(l=2, e=2, s=2, d=2, without=("mask",)),
    "select": dict(n=3),
    "smooth_l1_loss": dict(batch=(3,), t=DISTANT),
    "sqrt": dict(batch=(3,), x=[0.25, 1.0, 4.0]),
}  # fmt: skip


MOST_LAYERS = 32  # of a network: each has arrays of its own
MOST_NUMBERS = 5_000_000  # in one array


def completed(
    rule: Rule, given: Mapping[str, Any], said: Collection[str] = ()
) -> tuple[Rule, dict[str, Any], set[str]]:
    """The rule, all its inputs by letter (None: left out), and the letters of those that were made up here.

    Beside inputs of the reader's own stands only what cannot be left out. Without any, it is the whole example: all
    that has a derivative, and hyperparameters where the rule has its defaults.
    """
    if (layers := rule.options.get("num_layers", 1)) > MOST_LAYERS:
        raise OptionError(f"{rule.name}: num_layers={layers} is more than can be explained; {MOST_LAYERS} is the most")
    example = example_of(rule)
    alone = not given
    if alone:
        free = [name for name in untouched(rule) if name in example and name not in said]
        rule = configured(rule, {name: example[name] for name in free})
        given = {name: value for name, value in example.items() if isinstance(value, list)}
    arrays = {name: array(rule, value) for name, value in given.items() if value is not None}
    suited = called(rule.suited(*(arrays.get(slot.name) for slot in rule.inputs)), rule.name)
    sizes = known_sizes(suited, arrays, example)
    refuse_large(suited, sizes)
    absent = example.get("without", ())
    asked = lambda slot: not slot.default or alone and slot.differentiable and slot.name not in absent
    made = {
        slot.name: numbers(slot, sizes, k)
        for k, slot in enumerate(suited.inputs)
        if slot.name not in given and asked(slot)
    }
    inputs = {slot.name: given.get(slot.name, made.get(slot.name)) for slot in suited.inputs}
    return rule, inputs, {*made, *(given if alone else ())}


def refuse_large(rule: Rule, sizes: Sizes) -> None:
    """Before memory is asked for arrays that nobody can read."""
    for slot in (*rule.inputs, *rule.outputs):
        try:
            count = prod(Sizes(rule, sizes).shape(slot))
        except (PullbackError, ArithmeticError, TypeError, ValueError):  # what is wrong the rule says itself
            continue
        if count > MOST_NUMBERS:
            raise OptionError(f"{rule.name}: {slot.name} would be {count} numbers, more than can be explained")


def example_of(rule: Rule) -> dict[str, Any]:
    if rule.name in EXAMPLES:
        return EXAMPLES[rule.name]
    return {"batch": (3,)} if rule.signature.startswith("x[...]") else next(iter(rule.cases), {})


def untouched(rule: Rule) -> list[str]:
    """The hyperparameters that are as the library has them."""
    public = find(rule.name)
    return [name for name, value in rule.options.items() if public is None or public.options.get(name) == value]


def known_sizes(rule: Rule, arrays: Mapping[str, np.ndarray], example: Mapping[str, Any]) -> Sizes:
    """Sizes of axes from the arrays that are there; of the others from the example, or 2."""
    sizes = Sizes(rule)
    for slot in rule.inputs:
        if slot.name in arrays:
            sizes.bind(slot.axes, arrays[slot.name].shape)
    dims = getattr(rule, "dims", None)
    for axis in (axis for slot in rule.inputs for axis in slot.axes):
        name = axis.lstrip("*")
        if not sizes.free(axis) or name in sizes:
            continue
        size = example.get("batch" if axis == "..." else name, () if is_group(axis) else 2)
        if is_group(axis):
            sizes[name] = (size,) * (dims or 1) if isinstance(size, int) else tuple(size)[:dims]
        else:
            sizes[name] = agreeing(rule, name, size)
    return sizes


def agreeing(rule: Rule, name: str, size: int) -> int:
    """The size, changed as hyperparameters need it: `c % num_groups == 0`, `proj_size == k`, an axis `i/groups`."""
    needs = " ".join([*rule.requires, *(axis for slot in rule.inputs for axis in slot.axes)])
    value = lambda option: rule.options.get(option, 0)
    if same := re.search(rf"\b(\w+) == {name}\b", needs):
        return value(same[1]) or size
    multiple = re.search(rf"\b{name} ?[%/] ?(\w+)", needs)
    step = max(value(multiple[1]), 1) if multiple else 1
    return -(-size // step) * step


def numbers(slot: Slot, sizes: Sizes, k: int) -> np.ndarray:
    """Values for the k-th input, each beginning elsewhere in the row of numbers."""
    shape = sizes.shape(slot)
    count = prod(shape)
    if slot.kind == "int":
        most = sizes.value(slot.most) or 1
        return np.array([(j + 1) % most for j in range(count)], int).reshape(shape)
    if slot.most:
        low, high = float(slot.least or 0), float(slot.most)
        found = [round(low + (high - low) * share, 4) for share in islice(cycle(SHARES), count)]
    else:
        row = WEIGHTS if slot in sizes.rule.shapes.params else NUMBERS
        found = [turn_of(row, 5 * k + j) for j in range(count)]
        found = [abs(v) + float(slot.least) for v in found] if slot.least else found
    return np.array(found, float).reshape(shape)


def turn_of(row: tuple[float, ...], j: int) -> float:
    """The numbers of a row, and again a little larger when they are used up."""
    turn, place = divmod(j, len(row))
    return round(row[place] + 0.05 * turn, 2)


def cotangents(shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Gradients from above: of one number 1, else a few of both signs."""
    return [np.resize(GRADIENTS if shape else 1.0, shape).astype(float) for shape in shapes]
