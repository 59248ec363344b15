"""GRU: the recurrent network whose state is replaced by degrees."""

from dataclasses import dataclass

from pullback.rules.gru_cell import GRUCell
from pullback.rules.recurrent import Recurrent


@dataclass(frozen=True)
class GRU(Recurrent):
    """gru_cell over time, in layers, in one or both directions.

        h[t]    = gru_cell(x[t], h[t-1]),    y = h
        gh[t-1] = gy[t-1] + Jᵀ gh[t],        J that of step t; gx likewise; gw, gu, gb: summed over t

    Inputs, outputs and edges as Recurrent says.

    Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical machine
    translation.
    """

    cell = GRUCell()


gru = GRU()
