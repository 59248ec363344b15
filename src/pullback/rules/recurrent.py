"""Recurrent networks: a cell over time, in layers, in one or both directions."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pullback.rule import Rule
from pullback.rules.lstm_cell import LSTMCell
from pullback.rules.scan import Scan


@dataclass(frozen=True)
class Recurrent(Rule):
    """Scans on top of each other; a bidirectional layer is two side by side, the second one backwards in time.

    Time is the first axis, or with `batch_first` the last but one. States are stacked as [layer and direction,
    batch, unit]. `lengths` ends every sequence by itself: backwards begins there, and behind it the output is 0.
    Parameters are named and laid out as PyTorch's, layer by layer, forwards before backwards.

    Source: Graves & Schmidhuber (2005), Framewise phoneme classification with bidirectional LSTM.
    """

    cell: Rule
    num_layers: int = 1
    bidirectional: bool = False
    batch_first: bool = False
    requires = ("num_layers > 0",)
    cases = (
        dict(t=3, n=2, m=2), dict(t=3, n=2, m=1, batch=(2,), num_layers=2, bidirectional=True),
        dict(t=2, n=1, m=2, batch=(3,), batch_first=True, without=("h", "c", "lengths")),
    )  # fmt: skip

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
        return [slot.name for slot in self.cell.shapes.data[1:]]

    @cached_property
    def signature(self):
        steps = "... t" if self.batch_first else "t ..."
        data = [f"x[{steps} n]", *(f"{s}[{self.runs} ... m]=0" for s in self.states), "int lengths[...]=t<t+1"]
        below = lambda layer: f"{self.directions}*m" if layer else "n"
        params = [
            slot._replace(name=f"{slot.name}_l{layer}{'_reverse' * back}").text(n=below(layer))
            for layer in range(self.num_layers)
            for back in range(self.directions)
            for slot in self.cell.shapes.params
        ]
        last = [f"{s}1[{self.runs} ... m]" for s in self.states]
        return f"{', '.join(data)}; {', '.join(params)} -> {', '.join([f'y[{steps} {self.directions}*m]', *last])}"

    def sweep(self, run, x, states, params):
        """Bottom to top: `run(k, reorder, x, states, params)` makes the k-th scan. Return y and the last states."""
        ends = []
        for layer in range(self.num_layers):
            shown = []
            for k in range(layer * self.directions, (layer + 1) * self.directions):
                y, *end = run(k, x, [s[k] for s in states], params[k])
                shown.append(y)
                ends.append(end)
            x = np.concatenate(shown, -1)
        return x, *map(np.stack, zip(*ends))

    def forward(self, x, *rest):
        s = len(self.states)
        states, lengths, params = rest[:s], rest[s], self.split(rest[s + 1 :])
        x, saved = self.time_first(x), []
        turn = self.turn(len(x), lengths)

        def run(k, x, state, params):
            (y, *state), kept = self.scan.run(self.flip(x, turn, k), *state, lengths, *params)
            saved.append(kept)
            return self.flip(y, turn, k), *state

        y, *end = self.sweep(run, x, states, params)
        return (self.time_first(y, back=True), *end), (turn, saved)

    def jvp(self, tx, *rest):
        *rest, turn, saved = rest
        states, params = rest[: len(self.states)], self.split(rest[len(self.states) :])

        def run(k, tx, tstate, tparams):
            ty, *tstate = self.scan.push((self.flip(tx, turn, k), *tstate, *tparams), saved[k])
            return self.flip(ty, turn, k), *tstate

        ty, *end = self.sweep(run, self.time_first(tx), states, params)
        return self.time_first(ty, back=True), *end

    def vjp(self, gy, *rest):
        *ends, turn, saved = rest
        gy, gstates, gparams = self.time_first(gy), [None] * self.runs, [None] * self.runs
        for layer in reversed(range(self.num_layers)):
            gx = 0
            for d, g in enumerate(np.split(gy, self.directions, -1)):
                k = layer * self.directions + d
                found = self.scan.pull((self.flip(g, turn, k), *(e[k] for e in ends)), saved[k])
                gx = gx + self.flip(found[0], turn, k)
                gstates[k], gparams[k] = found[1 : len(ends) + 1], found[len(ends) + 1 :]
            gy = gx
        return self.time_first(gx, back=True), *map(np.stack, zip(*gstates)), *(g for run in gparams for g in run)

    def split(self, params):
        n = len(self.cell.shapes.params)
        return [params[k * n : (k + 1) * n] for k in range(self.runs)]

    def time_first(self, x, back=False):
        return np.moveaxis(x, *((0, -2) if back else (-2, 0))) if self.batch_first else x

    def turn(self, steps, lengths):
        """The step to read when every sequence is read backwards: its own transpose and inverse."""
        t = np.arange(steps).reshape(-1, *[1] * lengths.ndim)
        return np.where(t < lengths, lengths - 1 - t, t)[..., None]

    def flip(self, x, turn, k):
        return np.take_along_axis(x, turn, 0) if k % self.directions else x


lstm = Recurrent(LSTMCell())
