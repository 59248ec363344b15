"""GRU: the recurrent network whose state is replaced by degrees."""

from dataclasses import dataclass

from pullback.rules.gru_cell import GRUCell
from pullback.rules.recurrent import Recurrent


@dataclass(frozen=True)
class GRU(Recurrent):
    """gru_cell over time, in layers, in one or both directions.

        a, v    = w x[t] + bw, u h[t-1] + bu        at every step t; three blocks of m rows each: r z n
        r, z, n = σ(ar + vr), σ(az + vz), tanh(an + r vn)
        h[t]    = n + z (h[t-1] - n),    y = h,     before step 0 the input h
        gh[t-1] = gy[t-1] + Jᵀ gh[t],        J that of step t; gx likewise; gw, gu, gb: summed over t

    Inputs, outputs and edges as Recurrent says.

    Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical machine
    translation.
    """

    cell = GRUCell()
    steps = """
d(H[1,e,j], H[0,e,k]) when T > 1
  = (j==k)*z[1,e,j] + sum(s, q, d(H[1,e,j], v[1,e,s,q])*u_l0[m*s+q,k])  # directly, and through the gates
d(L, H[0,e,j]) when T > 1
  = gH[0,e,j]               # the recursion
  = gy[0,e,j] + gP[1,e,j]   # truncation drops the second term
d(L, a[t,e,s,j])
  = ga[t,e,s,j]             # the recursion
d(L, v[t,e,s,j])
  = gv[t,e,s,j]             # the recursion
"""


gru = GRU()
