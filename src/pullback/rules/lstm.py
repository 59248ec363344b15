"""LSTM: the recurrent network with a gated memory."""

from dataclasses import dataclass
from functools import cached_property

from pullback.rules.lstm_cell import LSTMCell, ProjectedLSTMCell
from pullback.rules.recurrent import Recurrent


@dataclass(frozen=True)
class LSTM(Recurrent):
    """lstm_cell over time, in layers, in one or both directions.

        h[t], c[t] = lstm_cell(x[t], h[t-1], c[t-1]),    y = h
        gh[t-1] = gy[t-1] + Jᵀ (gh[t], gc[t]),    J that of step t; gc and gx likewise; gw, gu, gb: summed over t

    With a `proj_size` k every run has a further parameter p[k m], and h = p q has k units, where q is what the cell
    would show. Inputs, outputs and edges as Recurrent says.

    Source: Hochreiter & Schmidhuber (1997), Long short-term memory; layers and directions: Graves & Schmidhuber
    (2005), Framewise phoneme classification with bidirectional LSTM.
    """

    proj_size: int = 0
    cases = (
        *Recurrent.cases,
        dict(t=2, n=2, m=3, k=2, proj_size=2), dict(t=3, n=1, m=2, k=1, proj_size=1, batch=(2,), bidirectional=True),
    )  # fmt: skip

    @property
    def requires(self):
        return *super().requires, "proj_size >= 0", *["proj_size == k"] * (self.proj_size > 0)

    @cached_property
    def cell(self):
        return ProjectedLSTMCell() if self.proj_size else LSTMCell()


lstm = LSTM()
