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

    text = property(lambda self: DERIVATION.format(**F[self.nonlinearity]))


DERIVATION = """
    at t=3, n=1, m=2, without=("lengths", "mask"); t=3, n=2, m=1, batch=(2,), without=("lengths", "mask", "h")
    for t r in t
    for a in n
    for j k l i in m
    for e in ...
    let T = t
    let z[t,e,j] = sum(a, w_l0[j,a]*x[t,e,a]) + bw_l0[j] + sum(k, u_l0[j,k]*s[t,e,k]) + bu_l0[j]
    let s[t,e,j] = h[0,e,j] if t == 0 else {f}
    let y[t,e,j] = s[t+1,e,j]
    let h1[b,e,j] = s[T,e,j]
    let L = sum(r, e, j, gy[r,e,j]*y[r,e,j]) + sum(e, j, gh1[0,e,j]*h1[0,e,j])
    let o[t,e,j] = {slope}
    let gs[t,e,j] = (gy[t-1,e,j] if t > 0 else 0) + (gh1[0,e,j] if t == T else sum(k, u_l0[k,j]*gz[t,e,k]))
    let gz[t,e,j] = gs[t+1,e,j]*o[t,e,j]

    d(s[t+1,e,j], s[t,e,k])
      = d(s[t+1,e,j], z[t,e,j])*u_l0[j,k]                                     # chain rule, through z
      = o[t,e,j]*u_l0[j,k]                                                    # one step of time
    d(s[3,e,j], s[0,e,k]) when T == 3
      = sum(l, d(s[3,e,j], s[2,e,l])*d(s[2,e,l], s[0,e,k]))                   # chain rule, one step back
      = sum(l, i, d(s[3,e,j], s[2,e,l])*d(s[2,e,l], s[1,e,i])*d(s[1,e,i], s[0,e,k]))  # and another one
      = sum(l, i, o[2,e,j]*u_l0[j,l]*o[1,e,l]*u_l0[l,i]*o[0,e,i]*u_l0[i,k])   # T = 3 in full: a product of steps
    d(L, s[2,e,j]) when T > 2
      = gy[1,e,j] + sum(k, d(L, s[3,e,k])*d(s[3,e,k], s[2,e,j]))              # from the output, and from the next step
      = gy[1,e,j] + sum(k, u_l0[k,j]*gz[2,e,k])                               # truncation drops the second term
    d(L, z[t,e,j])
      = d(L, s[t+1,e,j])*d(s[t+1,e,j], z[t,e,j])                              # chain rule
      = gz[t,e,j]                                                             # the recursion

    vjp gx[t,e,a]
      = d(L, x[t,e,a])                                                        # L weighs all outputs by their gradients
      = sum(j, d(L, z[t,e,j])*w_l0[j,a])                                      # later outputs see x through the state
      = sum(j, gz[t,e,j]*w_l0[j,a])                                           # name the gradient of z
    vjp gh[0,e,k]
      = d(L, h[0,e,k])                                                        # L weighs all outputs by their gradients
      = sum(j, gz[0,e,j]*u_l0[j,k])                                           # through the first step
    vjp gw_l0[j,a]
      = d(L, w_l0[j,a])                                                       # L weighs all outputs by their gradients
      = sum(e, t, d(L, z[t,e,j])*x[t,e,a])                                    # every step adds its own share
      = sum(e, t, gz[t,e,j]*x[t,e,a])                                         # name the gradient of z
      = sum(e, gz[0,e,j]*x[0,e,a] + gz[1,e,j]*x[1,e,a] + gz[2,e,j]*x[2,e,a]) when T == 3  # T = 3 in full
    vjp gu_l0[j,k]
      = d(L, u_l0[j,k])                                                       # L weighs all outputs by their gradients
      = sum(e, t, gz[t,e,j]*s[t,e,k])                                         # directly and through h, at every step
    vjp gbw_l0[j]
      = d(L, bw_l0[j])                                                        # L weighs all outputs by their gradients
      = sum(e, t, gz[t,e,j])                                                  # every step adds its own share
    vjp gbu_l0[j]
      = d(L, bu_l0[j])                                                        # L weighs all outputs by their gradients
      = sum(e, t, gz[t,e,j])                                                  # every step adds its own share
"""
F = {
    "tanh": dict(f="tanh(z[t-1,e,j])", slope="1 - s[t+1,e,j]**2"),
    "relu": dict(f="max(z[t-1,e,j], 0)", slope="1 if z[t,e,j] >= 0 else 0"),
}

rnn = RNN()
