"""LSTM: one step of a recurrent cell with a gated memory. Scan runs it over time."""

from dataclasses import dataclass

import numpy as np

from pullback.batch import rows
from pullback.functions import sigmoid
from pullback.rule import Rule


@dataclass(frozen=True)
class LSTMCell(Rule):
    """Forget a part of the memory c, write to it, and show a part of it as h.

        z   = w x + u h + bw + bu          four blocks of pre-activations: i f g o
        c1  = σ(f) c + σ(i) tanh(g)
        h1  = σ(o) tanh(c1)

    The memory path c -> c1 is multiplied by the forget gate alone: its gradient does not pass through u.
    Two biases that are always added, because PyTorch keeps both.

    Source: Hochreiter & Schmidhuber (1997); the forget gate is Gers, Schmidhuber & Cummins (2000).
    """

    signature = "x[... n], h[... m]=0, c[... m]=0; w[4*m n], u[4*m m], bw[4*m]=0, bu[4*m]=0 -> h1[... m], c1[... m]"
    cases = dict(n=2, m=3), dict(n=1, m=1), dict(n=2, m=2, batch=(3,)), dict(n=2, m=2, without=("h", "c", "bw"))

    def forward(self, x, h, c, w, u, bw, bu):
        i, f, g, o = gates(x @ w.T + h @ u.T + (bw + bu))
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c1 = f * c + i * g
        r = np.tanh(c1)
        return (o * r, c1), (x, h, c, w, u, i, f, g, o, r)

    def jvp(self, tx, th, tc, tw, tu, tbw, tbu, x, h, c, w, u, i, f, g, o, r):
        tz = tx @ w.T + x @ tw.T + th @ u.T + h @ tu.T + tbw + tbu
        ti, tf, tg, to = gates(tz * slopes(i, f, g, o))
        tc1 = tf * c + f * tc + ti * g + i * tg
        return to * r + o * (1 - r * r) * tc1, tc1

    def vjp(self, gh1, gc1, x, h, c, w, u, i, f, g, o, r):
        gc1 = gc1 + gh1 * o * (1 - r * r)  # through h1 = o tanh(c1)
        gz = np.concatenate([gc1 * g, gc1 * c, gc1 * i, gh1 * r], -1) * slopes(i, f, g, o)
        gw, gu = (lambda: rows(gz).T @ rows(x)), (lambda: rows(gz).T @ rows(h))
        gb = rows(gz).sum(0)
        return lambda: gz @ w, gz @ u, gc1 * f, gw, gu, gb, gb

    derivation = """
        for a in n=1
        for j k q in m=2
        let z[s,j] = sum(a, w[m*s+j,a]*x[a]) + sum(q, u[m*s+j,q]*h[q]) + bw[m*s+j] + bu[m*s+j]
        let I[j] = 1/(1 + exp(-z[0,j]))
        let F[j] = 1/(1 + exp(-z[1,j]))
        let G[j] = tanh(z[2,j])
        let O[j] = 1/(1 + exp(-z[3,j]))
        let c1[j] = F[j]*c[j] + I[j]*G[j]
        let h1[j] = O[j]*tanh(c1[j])
        let gm[j] = gc1[j] + gh1[j]*O[j]*(1 - tanh(c1[j])**2)

        d(c1[j], bw[k])
          = (j==k)*G[j]*I[j]*(1 - I[j])                                       # a gate acts on its own unit
        d(h1[j], c[k])
          = (j==k)*O[j]*(1 - tanh(c1[j])**2)*F[j]                             # tanh' = 1 - tanh²

        vjp gc[k]
          = sum(j, gc1[j]*d(c1[j], c[k]) + gh1[j]*d(h1[j], c[k]))             # chain rule, two outputs
          = (gc1[k] + gh1[k]*O[k]*(1 - tanh(c1[k])**2))*F[k]                  # collapse the deltas
          = gm[k]*F[k]                                                        # name the memory gradient
        vjp gbw[k]
          = sum(j, gc1[j]*d(c1[j], bw[k]) + gh1[j]*d(h1[j], bw[k]))           # chain rule
          = gm[k]*G[k]*I[k]*(1 - I[k])                                        # through the memory only
        vjp gbu[3*m+k]
          = sum(j, gc1[j]*d(c1[j], bu[3*m+k]) + gh1[j]*d(h1[j], bu[3*m+k]))   # chain rule
          = gh1[k]*tanh(c1[k])*O[k]*(1 - O[k])                                # the output gate skips the memory
    """


lstm_cell = LSTMCell()


def gates(z):
    return np.split(z, 4, -1)


def slopes(i, f, g, o):
    """Derivatives of the four gate activations, from their values."""
    return np.concatenate([i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)], -1)
