"""A recurrent network at its first step of time: the cell, with the gradients that come back from the later steps."""

from collections.abc import Mapping
from typing import Any

from pullback.handbook.derivation.checking import Instance
from pullback.handbook.explanation.steps import Derived, derived
from pullback.linearization import as_tuple


def of_cell(rule: Any, inputs: Mapping[str, Any], above: Mapping[str, Any], lang: str) -> list[Derived]:
    """The cell's derivation there; nothing if it has none, or if the network is more than one cell over time."""
    cell = getattr(rule, "cell", None)
    if not hasattr(cell, "derivation") or rule.num_layers > 1 or rule.bidirectional or rule.batch_first:
        return []
    states = [slot.name for slot in cell.shapes.data[1:]]
    if not len(inputs["x"]):
        return []
    own = {slot.name: inputs[f"{slot.name}_l0"] for slot in cell.shapes.params}
    own |= {"x": inputs["x"][0], **{name: inputs[name][0] for name in states}}
    found, at = cell.linearize(**own)
    reached = {name: end[None] for name, end in zip(states, as_tuple(found))}
    network = {name: a for name, a in inputs.items() if name not in ("lengths", "mask")}
    _, rest = rule.linearize(**network | reached | {"x": inputs["x"][1:]})
    gy, *at_the_end = above.values()
    gradients = dict(zip([slot.name for slot in rest.rule.inputs], rest.vjp(gy[1:], *at_the_end)))
    back = {f"g{slot.name}": gradients[name][0] for slot, name in zip(cell.outputs, states)}
    shown = f"g{cell.outputs[0].name}"
    outputs = dict(zip([slot.name for slot in cell.outputs], as_tuple(found)))
    arrays = own | back | {shown: back[shown] + gy[0]}
    chains = derived(Instance(cell, arrays, outputs, {}, at.plan.sizes), lang)
    return [] if isinstance(chains, str) else chains
