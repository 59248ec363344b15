"""LSTM: the recurrent network with a gated memory."""

from dataclasses import dataclass
from functools import cached_property

from pullback.rules.lstm_cell import LSTMCell, ProjectedLSTMCell
from pullback.rules.recurrent import Recurrent


@dataclass(frozen=True)
class LSTM(Recurrent):
    """lstm_cell over time, in layers, in one or both directions.

        z       = w x[t] + bw + u h[t-1] + bu        at every step t; four blocks of m rows each: i f g o
        c[t]    = σ(f) c[t-1] + σ(i) tanh(g),        before step 0 the inputs c and h
        h[t]    = σ(o) tanh(c[t]),    y = h
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

    @property
    def steps(self):
        return STEPS.format(**(dict(k="l", i="v", q="b") if self.proj_size else dict(k="k", i="j", q="q")))


STEPS = """
d(C[1,e,j], C[0,e,{k}]) when T > 1
  = (j=={k})*F[1,e,j] + sum({q}, d(C[1,e,j], H[0,e,{q}])*d(H[0,e,{q}], C[0,e,{k}]))  # the memory, and what it shows
d(L, H[0,e,{i}]) when T > 1
  = gH[0,e,{i}]               # the recursion
  = gy[0,e,{i}] + gP[1,e,{i}]   # truncation drops the second term
d(L, C[t,e,j])
  = total[t,e,j]            # the recursion
d(L, z[t,e,s,j])
  = gz[t,e,s,j]             # the recursion
"""

lstm = LSTM()
