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
    text = """
        at t=3, n=1, m=1, without=("lengths", "mask"); t=3, n=1, m=2, batch=(2,), without=("lengths", "mask")
        for t p in t
        for i in n
        for j k l in m
        for s in 3
        for e in ...
        let T = t
        let a[t,e,s,j] = sum(i, w_l0[m*s+j,i]*x[t,e,i]) + bw_l0[m*s+j]
        let v[t,e,s,j] = sum(k, u_l0[m*s+j,k]*H[t,e,k]) + bu_l0[m*s+j]
        let r[t,e,j] = 1/(1 + exp(-a[t,e,0,j] - v[t,e,0,j]))
        let z[t,e,j] = 1/(1 + exp(-a[t,e,1,j] - v[t,e,1,j]))
        let n[t,e,j] = tanh(a[t,e,2,j] + r[t,e,j]*v[t,e,2,j])
        let H[t,e,j] = h[0,e,j] if t == 0 else n[t-1,e,j] + z[t-1,e,j]*(H[t-1,e,j] - n[t-1,e,j])
        let y[t,e,j] = H[t+1,e,j]
        let h1[q,e,j] = H[T,e,j]
        let L = sum(p, e, j, gy[p,e,j]*y[p,e,j]) + sum(e, j, gh1[0,e,j]*h1[0,e,j])
        let gK[t,e,j] = gH[t+1,e,j]*z[t,e,j] + sum(s, k, gv[t,e,s,k]*u_l0[m*s+k,j])
        let gH[t,e,j] = (gy[t-1,e,j] if t > 0 else 0) + (gh1[0,e,j] if t == T else gK[t,e,j])
        let gn[t,e,j] = gH[t+1,e,j]*(1 - z[t,e,j])*(1 - n[t,e,j]**2)
        let gz[t,e,j] = gH[t+1,e,j]*(H[t,e,j] - n[t,e,j])*z[t,e,j]*(1 - z[t,e,j])
        let gr[t,e,j] = gn[t,e,j]*v[t,e,2,j]*r[t,e,j]*(1 - r[t,e,j])
        let ga[t,e,s,j] = gr[t,e,j] if s == 0 else gz[t,e,j] if s == 1 else gn[t,e,j]
        let gv[t,e,s,j] = ga[t,e,s,j] if s < 2 else gn[t,e,j]*r[t,e,j]

        d(H[t+1,e,j], H[t,e,k])
          = (j==k)*z[t,e,j] + sum(s, l, d(H[t+1,e,j], v[t,e,s,l])*u_l0[m*s+l,k])  # directly, and through the gates
        d(L, H[t+1,e,j])
          = gH[t+1,e,j]                                                # the recursion
        d(L, H[1,e,j]) when T > 1
          = gy[0,e,j] + gK[1,e,j]                                      # truncation drops the second term
        d(L, a[t,e,s,j])
          = ga[t,e,s,j]                                                # the recursion
        d(L, v[t,e,s,j])
          = gv[t,e,s,j]                                                # the recursion

        vjp gx[t,e,i]
          = d(L, x[t,e,i])                                             # L weighs all outputs by their gradients
          = sum(s, j, d(L, a[t,e,s,j])*d(a[t,e,s,j], x[t,e,i]))        # later outputs see x through the state
          = sum(s, j, ga[t,e,s,j]*w_l0[m*s+j,i])                       # name the gradient of a
        vjp gh[0,e,l]
          = d(L, h[0,e,l])                                             # L weighs all outputs by their gradients
          = gH[1,e,l]*z[0,e,l] + sum(s, j, gv[0,e,s,j]*u_l0[m*s+j,l])  # through the first step
        vjp gw_l0[m*s+l,i]
          = d(L, w_l0[m*s+l,i])                                        # L weighs all outputs by their gradients
          = sum(e, t, d(L, a[t,e,s,l])*x[t,e,i])                       # every step adds its own share
          = sum(e, t, ga[t,e,s,l]*x[t,e,i])                            # name the gradient of a
          = sum(e, ga[0,e,s,l]*x[0,e,i] + ga[1,e,s,l]*x[1,e,i] + ga[2,e,s,l]*x[2,e,i]) when T == 3  # T = 3 in full
        vjp gu_l0[m*s+l,k]
          = d(L, u_l0[m*s+l,k])                                        # L weighs all outputs by their gradients
          = sum(e, t, gv[t,e,s,l]*H[t,e,k])                            # directly and through h, at every step
        vjp gbw_l0[m*s+l]
          = d(L, bw_l0[m*s+l])                                         # L weighs all outputs by their gradients
          = sum(e, t, ga[t,e,s,l])                                     # every step adds its own share
        vjp gbu_l0[m*s+l]
          = d(L, bu_l0[m*s+l])                                         # L weighs all outputs by their gradients
          = sum(e, t, gv[t,e,s,l])                                     # every step adds its own share
"""


gru = GRU()
