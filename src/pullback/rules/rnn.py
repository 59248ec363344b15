"""RNN: the plain recurrent network."""

from dataclasses import dataclass
from functools import cached_property

from pullback.rules.recurrent import Recurrent
from pullback.rules.rnn_cell import RNNCell


@dataclass(frozen=True)
class RNN(Recurrent):
    """rnn_cell over time, in layers, in one or both directions.

        h[t]    = f(w x[t] + bw + u h[t-1] + bu),    y = h,    f = tanh or relu, as `nonlinearity` says
        gh[t-1] = gy[t-1] + uᵀ gz[t],    gz[t] = f' gh[t],    gx[t] = wᵀ gz[t]
        gw      = Σt gz[t] x[t]ᵀ,    gu = Σt gz[t] h[t-1]ᵀ,    gbw = gbu = Σt gz[t]

    Inputs, outputs and edges as Recurrent says, and `kink` as rnn_cell says.

    Source: Elman (1990), Finding structure in time.
    """

    nonlinearity: str = "tanh"
    kink: str = "right"
    requires = *Recurrent.requires, *RNNCell.requires
    cases = *Recurrent.cases, dict(t=2, n=2, m=2, batch=(2,), nonlinearity="relu", kink="torch")

    @cached_property
    def cell(self):
        return RNNCell(self.nonlinearity, self.kink)


rnn = RNN()
