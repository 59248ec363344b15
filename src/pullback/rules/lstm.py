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

    @property
    def text(self):
        if self.proj_size:
            raise AttributeError("the derivation speaks of a network without projection")
        return DERIVATION


DERIVATION = """
    at t=3, n=1, m=1, without=("lengths", "mask"); t=3, n=1, m=2, batch=(2,), without=("lengths", "mask")
    for t r in t
    for i in n
    for j k l in m
    for s in 4
    for e in ...
    let T = t
    let z[t,e,s,j] = sum(i, w_l0[m*s+j,i]*x[t,e,i]) + bw_l0[m*s+j] + sum(k, u_l0[m*s+j,k]*H[t,e,k]) + bu_l0[m*s+j]
    let I[t,e,j] = 1/(1 + exp(-z[t,e,0,j]))
    let F[t,e,j] = 1/(1 + exp(-z[t,e,1,j]))
    let G[t,e,j] = tanh(z[t,e,2,j])
    let O[t,e,j] = 1/(1 + exp(-z[t,e,3,j]))
    let C[t,e,j] = c[0,e,j] if t == 0 else F[t-1,e,j]*C[t-1,e,j] + I[t-1,e,j]*G[t-1,e,j]
    let H[t,e,j] = h[0,e,j] if t == 0 else O[t-1,e,j]*tanh(C[t,e,j])
    let y[t,e,j] = H[t+1,e,j]
    let h1[a,e,j] = H[T,e,j]
    let c1[a,e,j] = C[T,e,j]
    let L = sum(r, e, j, gy[r,e,j]*y[r,e,j]) + sum(e, j, gh1[0,e,j]*h1[0,e,j] + gc1[0,e,j]*c1[0,e,j])
    let gH[t,e,j] = (gy[t-1,e,j] if t > 0 else 0) + (gh1[0,e,j] if t == T else sum(s, k, u_l0[m*s+k,j]*gz[t,e,s,k]))
    let gM[t,e,j] = gH[t,e,j]*O[t-1,e,j]*(1 - tanh(C[t,e,j])**2) if t > 0 else 0
    let gC[t,e,j] = gM[t,e,j] + (gc1[0,e,j] if t == T else gC[t+1,e,j]*F[t,e,j])
    let gI[t,e,j] = gC[t+1,e,j]*G[t,e,j]*I[t,e,j]*(1 - I[t,e,j])
    let gF[t,e,j] = gC[t+1,e,j]*C[t,e,j]*F[t,e,j]*(1 - F[t,e,j])
    let gG[t,e,j] = gC[t+1,e,j]*I[t,e,j]*(1 - G[t,e,j]**2)
    let gO[t,e,j] = gH[t+1,e,j]*tanh(C[t+1,e,j])*O[t,e,j]*(1 - O[t,e,j])
    let gz[t,e,s,j] = gI[t,e,j] if s == 0 else gF[t,e,j] if s == 1 else gG[t,e,j] if s == 2 else gO[t,e,j]

    d(C[t+1,e,j], C[t,e,k])
      = (j==k)*F[t,e,j] + sum(l, d(C[t+1,e,j], H[t,e,l])*d(H[t,e,l], C[t,e,k]))  # the memory, and what it shows
    d(L, C[t+1,e,j])
      = gC[t+1,e,j]                                          # the recursion
    d(L, C[2,e,j]) when T > 2
      = gM[2,e,j] + gC[3,e,j]*F[2,e,j]                       # truncation drops the second term
    d(L, z[t,e,s,j])
      = gz[t,e,s,j]                                          # the recursion

    vjp gx[t,e,i]
      = d(L, x[t,e,i])                                       # L weighs all outputs by their gradients
      = sum(s, j, d(L, z[t,e,s,j])*d(z[t,e,s,j], x[t,e,i]))  # later outputs see x through the state
      = sum(s, j, gz[t,e,s,j]*w_l0[m*s+j,i])                 # name the gradient of z
    vjp gh[0,e,l]
      = d(L, h[0,e,l])                                       # L weighs all outputs by their gradients
      = sum(s, j, gz[0,e,s,j]*u_l0[m*s+j,l])                 # through the first step
    vjp gc[0,e,j]
      = d(L, c[0,e,j])                                       # L weighs all outputs by their gradients
      = gC[1,e,j]*F[0,e,j]                                   # the memory passes the forget gate alone
    vjp gw_l0[m*s+l,i]
      = d(L, w_l0[m*s+l,i])                                  # L weighs all outputs by their gradients
      = sum(e, t, d(L, z[t,e,s,l])*x[t,e,i])                 # every step adds its own share
      = sum(e, t, gz[t,e,s,l]*x[t,e,i])                      # name the gradient of z
      = sum(e, gz[0,e,s,l]*x[0,e,i] + gz[1,e,s,l]*x[1,e,i] + gz[2,e,s,l]*x[2,e,i]) when T == 3  # T = 3 in full
    vjp gu_l0[m*s+l,k]
      = d(L, u_l0[m*s+l,k])                                  # L weighs all outputs by their gradients
      = sum(e, t, gz[t,e,s,l]*H[t,e,k])                      # directly and through h, at every step
    vjp gbw_l0[m*s+l]
      = d(L, bw_l0[m*s+l])                                   # L weighs all outputs by their gradients
      = sum(e, t, gz[t,e,s,l])                               # every step adds its own share
    vjp gbu_l0[m*s+l]
      = d(L, bu_l0[m*s+l])                                   # L weighs all outputs by their gradients
      = sum(e, t, gz[t,e,s,l])                               # every step adds its own share
"""

lstm = LSTM()
