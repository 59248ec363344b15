"""Recurrent networks: a cell over time, in layers, in one or both directions."""

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import ClassVar

import numpy as np

from pullback.linearization import as_tuple
from pullback.rule import Rule
from pullback.rules import through_time
from pullback.rules.chain import moved, value
from pullback.rules.scan import Scan


@dataclass(frozen=True)
class Recurrent(Rule):
    """Scans on top of each other; a bidirectional layer is two side by side, the second one backwards in time.

    Time is the first axis, or with `batch_first` the last but one. States are stacked as [layer and direction,
    batch, unit], and are 0 where they are left out. `lengths` ends every sequence by itself: backwards begins there,
    and behind it the output is 0. `mask` is multiplied with what a layer hands to the next one: for dropout with
    probability p, 0 where an element is dropped and 1 / (1 - p) where it stays; left out, all stay as they are.
    Parameters are named and laid out as PyTorch's, layer by layer, forwards before backwards.

    Source: Schuster & Paliwal (1997), Bidirectional recurrent neural networks.
    """

    cell: ClassVar[Rule]  # each kind of network has its own
    num_layers: int = 1
    bidirectional: bool = False
    batch_first: bool = False
    requires = ("num_layers > 0",)
    cases = (
        dict(t=3, n=2, m=2), dict(t=3, n=2, m=1, batch=(2,), num_layers=2, bidirectional=True),
        dict(t=2, n=1, m=2, batch=(3,), batch_first=True, without=("h", "c", "lengths")),
        dict(t=0, n=2, m=1, batch=(2,), num_layers=2), dict(t=1, n=1, m=1, bidirectional=True, without=("mask",)),
    )  # fmt: skip
    saves = "turn", "mask", "saved"
    steps: ClassVar[str]  # what is derived of a step, in networks of one layer forwards
    derivation = property(through_time.derivation)
    further_derivations = property(lambda self: (through_time.derivation(self, lengths=True),))

    @cached_property
    def directions(self):
        return 1 + self.bidirectional

    @cached_property
    def runs(self):
        return self.num_layers * self.directions

    @cached_property
    def scan(self):
        return Scan(self.cell)

    @cached_property
    def states(self):
        return self.cell.shapes.data[1:]

    @cached_property
    def signature(self):
        steps = "... t" if self.batch_first else "t ..."
        shown = f"{self.directions}*{self.states[0].axes[-1]}"
        stacked = lambda slot: slot._replace(axes=(str(self.runs), *slot.axes)).text()
        data = [f"x[{steps} n]", *map(stacked, self.states), "int lengths[...]=t<t+1"]
        data.append(f"const mask[{self.num_layers - 1} {steps} {shown}]=1")
        params = [
            slot._replace(name=f"{slot.name}_l{layer}{'_reverse' * back}").text(n=shown if layer else "n")
            for layer in range(self.num_layers)
            for back in range(self.directions)
            for slot in self.cell.shapes.params
        ]
        outputs = [f"y[{steps} {shown}]", *map(stacked, self.cell.outputs)]
        return f"{', '.join(data)}; {', '.join(params)} -> {', '.join(outputs)}"

    def forward(self, x, *rest):
        s, saved = len(self.states), []
        states, lengths, mask, params = rest[:s], rest[s], rest[s + 1], rest[s + 2 :]
        x = self.time_first(x)
        turn = turned(len(x), lengths)

        def run(k, x, state, params):
            outputs, kept = self.scan.run(x, *state, lengths, *params)
            saved.append(kept)
            return outputs

        return self.climb(run, x, (*states, *params), turn, mask), (turn, mask, saved)

    def jvp(self, tx, *rest):
        *tangents, turn, mask, saved = rest
        run = lambda k, tx, tstate, tparams: self.scan.push((tx, *tstate, *tparams), saved[k])
        return self.climb(run, self.time_first(tx), tangents, turn, mask)

    def vjp(self, *args):
        *g, turn, mask, saved = args
        return self.descend(lambda k, g: as_tuple(self.scan.vjp(*g, *saved[k])), g, turn, mask)

    def hvp(self, *args):
        n = len(self.states) + 1
        g, (tx, *tangents), (turn, mask, saved) = args[:n], args[n:-3], args[-3:]
        met, above = [], {}

        def push(k, tx, tstate, tparams):
            met.append((tx, *tstate, *tparams))
            return self.scan.push(met[k], saved[k])

        def pull(k, g):
            above[k] = g
            return as_tuple(self.scan.vjp(*g, *saved[k]))

        self.climb(push, self.time_first(tx), tangents, turn, mask)
        self.descend(pull, g, turn, mask)
        again = lambda k, tg: moved(self.scan, above[k], tg, met[k], saved[k])
        gx, *others = self.descend(again, [np.zeros_like(a) for a in g], turn, mask)
        return gx(), *others

    def climb(self, run, x, rest, turn, mask):
        """Bottom to top, for values and tangents alike: `run(k, x, states, params)` makes the k-th scan."""
        s, ends = len(self.states), []
        params = self.split(rest[s:])
        for layer in range(self.num_layers):
            x = x * self.time_first(mask[layer - 1]) if layer else x
            shown = []
            for k in self.of(layer):
                y, *end = run(k, self.flip(x, turn, k), [states[k] for states in rest[:s]], params[k])
                shown.append(self.flip(y, turn, k))
                ends.append(end)
            x = np.concatenate(shown, -1) if self.bidirectional else shown[0]
        return self.time_first(x, back=True), *map(np.stack, zip(*ends))

    def descend(self, pull, g, turn, mask):
        """Top to bottom: `pull(k, gradients)` gives those of the k-th scan's inputs."""
        (gy, *ends), s, found = g, len(self.states), {}
        gy = self.time_first(gy)
        for layer in reversed(range(self.num_layers)):
            for k, part in zip(self.of(layer), np.split(gy, self.directions, -1)):
                found[k] = pull(k, (self.flip(part, turn, k), *(end[k] for end in ends)))
            if layer:
                gy = self.gather(found, layer, turn) * self.time_first(mask[layer - 1])
        states = (np.stack([found[k][1 + j] for k in range(self.runs)]) for j in range(s))
        params = (g for k in range(self.runs) for g in found[k][1 + s :])
        return lambda: self.time_first(self.gather(found, 0, turn), back=True), *states, *params

    def gather(self, found, layer, turn):
        """The gradient of what a layer reads, from all its directions."""
        return reduce(np.add, (self.flip(value(found[k][0]), turn, k) for k in self.of(layer)))

    def of(self, layer):
        """Which scans make a layer."""
        return range(layer * self.directions, (layer + 1) * self.directions)

    def split(self, params):
        n = len(self.cell.shapes.params)
        return [params[k * n : (k + 1) * n] for k in range(self.runs)]

    def time_first(self, x, back=False):
        return np.moveaxis(x, *((0, -2) if back else (-2, 0))) if self.batch_first else x

    def flip(self, x, turn, k):
        """Time reversed for a scan that runs backwards: its own transpose and inverse."""
        if k % self.directions == 0:
            return x
        return x[::-1] if turn is None else np.take_along_axis(x, turn, 0)


def turned(steps, lengths):
    """The step to read when every sequence is read backwards from its own end; None where that is the last one."""
    if (lengths == steps).all():
        return None
    t = np.arange(steps).reshape(steps, *[1] * lengths.ndim)
    return np.where(t < lengths, lengths - 1 - t, t)[..., None]
