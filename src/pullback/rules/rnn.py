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

    steps = """
for l p in m
d(H[1,e,j], H[0,e,k]) when T > 1
  = d(H[1,e,j], z[1,e,j])*u_l0[j,k]                                       # chain rule, through z
d(H[2,e,j], P[0,e,k]) when T == 3
  = sum(l, d(H[2,e,j], H[1,e,l])*d(H[1,e,l], P[0,e,k]))                   # chain rule, one step back
  = sum(l, p, d(H[2,e,j], H[1,e,l])*d(H[1,e,l], H[0,e,p])*d(H[0,e,p], P[0,e,k]))  # and another one
  = sum(l, p, slope[2,e,j]*u_l0[j,l]*slope[1,e,l]*u_l0[l,p]*slope[0,e,p]*u_l0[p,k])  # T = 3 in full: a product of steps
d(L, H[0,e,j]) when T > 1
  = gy[0,e,j] + sum(k, d(L, H[1,e,k])*d(H[1,e,k], H[0,e,j]))              # from the output, and from the next step
  = gy[0,e,j] + gP[1,e,j]                                                 # truncation drops the second term
d(L, z[t,e,j])
  = d(L, H[t,e,j])*slope[t,e,j]                                           # chain rule
  = gz[t,e,j]                                                             # the recursion
"""


rnn = RNN()
