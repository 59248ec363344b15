"""LSTM cell: one step of a recurrent network with a gated memory. Scan runs it over time."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import blocks, join, sigmoids, tanh_and_slope
from pullback.rule import Rule
from pullback.rules.chain import add, moved
from pullback.rules.linear import linear
from pullback.rules.preactivations import PREACTIVATIONS


@dataclass(frozen=True)
class LSTMCell(Rule):
    """Forget a part of the memory c, write to it, and show a part of it as h.

        z   = w x + bw + u h + bu          four blocks of pre-activations: i f g o
        c1  = σ(f) c + σ(i) tanh(g)
        h1  = σ(o) tanh(c1)
        gc  = σ(f) total,    total = gc1 + gh1 σ(o) (1 - tanh²(c1)),    the gradient of the memory
        gx  = wᵀ gz,    gh = uᵀ gz,    where gz is the gradient of z

    The memory path c -> c1 is multiplied by the forget gate alone: its gradient does not pass through u.
    h and c are taken as 0 where they are left out. The slopes of saturated gates keep their digits: they are taken
    from z, not from the gates.

    Source: Hochreiter & Schmidhuber (1997), Long short-term memory; the forget gate: Gers, Schmidhuber & Cummins
    (2000), Learning to forget.
    """

    signature = "x[... n], h[... m]=0, c[... m]=0; w[4*m n], u[4*m m], bw[4*m]=0, bu[4*m]=0 -> h1[... m], c1[... m]"
    cases = dict(n=2, m=3), dict(n=1, m=1), dict(n=2, m=2, batch=(3,)), dict(n=2, m=2, without=("h", "c", "bw"))

    def forward(self, x, h, c, w, u, bw, bu):
        a, v = PREACTIVATIONS.forward(x, h, w, u, bw, bu)[0]
        gates, slopes = opened(a + v)
        i, f, g, o = blocks(gates, 4)
        c1 = f * c + i * g
        r, slope = tanh_and_slope(c1)
        return (o * r, c1), (x, h, c, w, u, gates, slopes, r, slope)

    def jvp(self, tx, th, tc, tw, tu, tbw, tbu, x, h, c, w, u, gates, slopes, r, slope):
        ta, tv = PREACTIVATIONS.jvp(tx, th, tw, tu, tbw, tbu, x, h, w, u)
        i, f, g, o = blocks(gates, 4)
        ti, tf, tg, to = blocks(slopes * (ta + tv), 4)
        tc1 = tf * c + f * tc + ti * g + i * tg
        return to * r + o * slope * tc1, tc1

    def vjp(self, gh1, gc1, x, h, c, w, u, gates, slopes, r, slope):
        i, f, g, o = blocks(gates, 4)
        total = gc1 + gh1 * o * slope  # of the memory: through h1 = o tanh(c1) as well
        gz = join(total * g, total * c, total * i, gh1 * r) * slopes
        gx, gh, *others = PREACTIVATIONS.vjp(gz, gz, x, h, w, u)
        return gx, gh, total * f, *others

    def hvp(self, gh1, gc1, tx, th, tc, tw, tu, tbw, tbu, x, h, c, w, u, gates, slopes, r, slope):
        tangents, saved = (tx, th, tw, tu, tbw, tbu), (x, h, w, u)
        i, f, g, o = blocks(gates, 4)
        tgates = slopes * sum(PREACTIVATIONS.jvp(*tangents, *saved))
        ti, tf, tg, to = blocks(tgates, 4)
        tr = slope * (tf * c + f * tc + ti * g + i * tg)
        total, ttotal = gc1 + gh1 * o * slope, gh1 * (to * slope - 2 * o * r * tr)
        ggates = join(total * g, total * c, total * i, gh1 * r)
        tggates = join(ttotal * g + total * tg, ttotal * c + total * tc, ttotal * i + total * ti, gh1 * tr)
        gz, tgz = ggates * slopes, tggates * slopes + ggates * bends(gates) * tgates
        gx, gh, *others = moved(PREACTIVATIONS, (gz, gz), (tgz, tgz), tangents, saved)
        return gx, gh, ttotal * f + total * tf, *others

    derivation = """
        at n=1, m=2, batch=(2,); n=2, m=1, without=("h", "c", "bw")
        for i in n
        for j k q in m
        for s r in 4
        for e in ...
        let z[e,s,j] = sum(i, w[m*s+j,i]*x[e,i]) + bw[m*s+j] + sum(q, u[m*s+j,q]*h[e,q]) + bu[m*s+j]  # pre-activations
        let I[e,j] = sigmoid(z[e,0,j])  # the input gate
        let F[e,j] = sigmoid(z[e,1,j])  # the forget gate
        let G[e,j] = tanh(z[e,2,j])  # the candidate
        let O[e,j] = sigmoid(z[e,3,j])  # the output gate
        let c1[e,j] = F[e,j]*c[e,j] + I[e,j]*G[e,j]  # the new memory
        let h1[e,j] = O[e,j]*tanh(c1[e,j])  # the new state
        let total[e,j] = gc1[e,j] + gh1[e,j]*O[e,j]*(1 - tanh(c1[e,j])**2)  # the memory's gradient: h1 sees it, too
        let gI[e,j] = total[e,j]*G[e,j]  # the gradient of I
        let gF[e,j] = total[e,j]*c[e,j]  # the gradient of F
        let gG[e,j] = total[e,j]*I[e,j]  # the gradient of G
        let gO[e,j] = gh1[e,j]*tanh(c1[e,j])  # the gradient of O
        let slope[e,s,j] = 1 - G[e,j]**2 if s == 2 else sigmoid(z[e,s,j])*(1 - sigmoid(z[e,s,j]))
        let gz[e,s,j] = slope[e,s,j]*(gI[e,j] if s == 0 else gF[e,j] if s == 1 else gG[e,j] if s == 2 else gO[e,j])

        d(h1[e,j], c1[e,k])
          = (j==k)*O[e,j]*(1 - tanh(c1[e,j])**2)                               # tanh' = 1 - tanh²
        d(c1[e,j], c[e,k])
          = (j==k)*F[e,j]                                                      # the memory passes the forget gate alone
        d(c1[e,j], z[e,0,k])
          = (j==k)*G[e,j]*I[e,j]*(1 - I[e,j])                                  # slope of the sigmoid
        d(c1[e,j], z[e,1,k])
          = (j==k)*c[e,j]*F[e,j]*(1 - F[e,j])                                  # slope of the sigmoid
        d(c1[e,j], z[e,2,k])
          = (j==k)*I[e,j]*(1 - G[e,j]**2)                                      # tanh' = 1 - tanh²
        d(h1[e,j], z[e,3,k])
          = (j==k)*tanh(c1[e,j])*O[e,j]*(1 - O[e,j])                           # slope of the sigmoid

        vjp gc[e,k]
          = sum(j, gc1[e,j]*d(c1[e,j], c[e,k]) + gh1[e,j]*d(h1[e,j], c[e,k]))  # chain rule, two outputs
          = (gc1[e,k] + gh1[e,k]*d(h1[e,k], c1[e,k]))*F[e,k]                   # collapse the deltas
          = total[e,k]*F[e,k]                                                  # name the memory gradient
        vjp gx[e,i]
          = sum(j, gc1[e,j]*d(c1[e,j], x[e,i]) + gh1[e,j]*d(h1[e,j], x[e,i]))  # chain rule, two outputs
          = sum(s, k, gz[e,s,k]*d(z[e,s,k], x[e,i]))                           # through the gates
          = sum(s, k, gz[e,s,k]*w[m*s+k,i])                                    # linear in x
        vjp gh[e,q]
          = sum(j, gc1[e,j]*d(c1[e,j], h[e,q]) + gh1[e,j]*d(h1[e,j], h[e,q]))  # chain rule, two outputs
          = sum(s, k, gz[e,s,k]*d(z[e,s,k], h[e,q]))                           # through the gates
          = sum(s, k, gz[e,s,k]*u[m*s+k,q])                                    # linear in h
        vjp gw[m*s+k,i]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], w[m*s+k,i]))                    # chain rule: all examples share w
          = sum(e, gz[e,s,k]*x[e,i])                                           # collapse the deltas
        vjp gu[m*s+k,q]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], u[m*s+k,q]))                    # chain rule: all examples share u
          = sum(e, gz[e,s,k]*h[e,q])                                           # collapse the deltas
        vjp gbw[m*s+k]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], bw[m*s+k]))                     # chain rule: all examples share b
          = sum(e, gz[e,s,k])                                                  # collapse the deltas
        vjp gbu[m*s+k]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], bu[m*s+k]))                     # chain rule: all examples share b
          = sum(e, gz[e,s,k])                                                  # collapse the deltas
"""


@dataclass(frozen=True)
class ProjectedLSTMCell(LSTMCell):
    """An LSTM cell that shows a projection of what it would show: h is smaller than c, and so is u.

        c1, q as c1, h1 of lstm_cell;   h1 = p q
        gq = pᵀ gh1,    gp = gh1 qᵀ,    and on from gq as in lstm_cell

    Source: Sak, Senior & Beaufays (2014), Long short-term memory recurrent neural network architectures for large
    scale acoustic modeling.
    """

    signature = (
        "x[... n], h[... k]=0, c[... m]=0; w[4*m n], u[4*m k], bw[4*m]=0, bu[4*m]=0, p[k m] -> h1[... k], c1[... m]"
    )
    cases = dict(n=2, m=3, k=2), dict(n=1, m=2, k=1, batch=(3,)), dict(n=2, m=1, k=2, without=("h", "c", "bw"))
    saves = "x", "h", "c", "w", "u", "gates", "slopes", "r", "slope", "q", "p"

    def forward(self, *inputs):
        *inner, p = inputs
        (q, c1), saved = super().forward(*inner)
        return (linear.forward(q, p, 0)[0], c1), (*saved, q, p)

    def jvp(self, *args):
        *tangents, tp = args[:8]
        *saved, q, p = args[8:]
        tq, tc1 = super().jvp(*tangents, *saved)
        return linear.jvp(tq, tp, 0, q, p), tc1

    def vjp(self, gh1, gc1, *saved):
        *saved, q, p = saved
        gq, gp, _ = linear.vjp(gh1, q, p)
        return *super().vjp(gq(), gc1, *saved), gp

    def hvp(self, gh1, gc1, *args):
        *tangents, tp = args[:8]
        *saved, q, p = args[8:]
        tq, _ = super().jvp(*tangents, *saved)
        tgq, tgp, _ = linear.hvp(gh1, tq, tp, 0, q, p)
        gq = linear.vjp(gh1, q, p)[0]()
        bent = super().hvp(gq, gc1, *tangents, *saved)
        return *add(bent, super().vjp(tgq, np.zeros_like(gc1), *saved)), tgp

    derivation = """
        at n=1, m=2, k=1, batch=(2,); n=2, m=1, k=2
        for i in n
        for j l in m
        for s r in 4
        for v b in k
        for e in ...
        let z[e,s,j] = sum(i, w[m*s+j,i]*x[e,i]) + bw[m*s+j] + sum(v, u[m*s+j,v]*h[e,v]) + bu[m*s+j]  # pre-activations
        let I[e,j] = sigmoid(z[e,0,j])  # the input gate
        let F[e,j] = sigmoid(z[e,1,j])  # the forget gate
        let G[e,j] = tanh(z[e,2,j])  # the candidate
        let O[e,j] = sigmoid(z[e,3,j])  # the output gate
        let c1[e,j] = F[e,j]*c[e,j] + I[e,j]*G[e,j]  # the new memory
        let q[e,j] = O[e,j]*tanh(c1[e,j])
        let h1[e,v] = sum(j, p[v,j]*q[e,j])
        let gq[e,j] = sum(v, gh1[e,v]*p[v,j])  # the gradient of q
        let total[e,j] = gc1[e,j] + gq[e,j]*O[e,j]*(1 - tanh(c1[e,j])**2)  # the memory's gradient: h1 sees it, too
        let gI[e,j] = total[e,j]*G[e,j]  # the gradient of I
        let gF[e,j] = total[e,j]*c[e,j]  # the gradient of F
        let gG[e,j] = total[e,j]*I[e,j]  # the gradient of G
        let gO[e,j] = gq[e,j]*tanh(c1[e,j])  # the gradient of O
        let slope[e,s,j] = 1 - G[e,j]**2 if s == 2 else sigmoid(z[e,s,j])*(1 - sigmoid(z[e,s,j]))
        let gz[e,s,j] = slope[e,s,j]*(gI[e,j] if s == 0 else gF[e,j] if s == 1 else gG[e,j] if s == 2 else gO[e,j])

        d(h1[e,v], q[e,j])
          = p[v,j]                                           # linear in q
        d(q[e,j], c1[e,l])
          = (j==l)*O[e,j]*(1 - tanh(c1[e,j])**2)             # tanh' = 1 - tanh²

        vjp gp[b,l]
          = sum(e, v, gh1[e,v]*d(h1[e,v], p[b,l]))           # chain rule: all examples share p
          = sum(e, gh1[e,b]*q[e,l])                          # collapse the delta: an outer product
        vjp gc[e,l]
          = sum(j, gc1[e,j]*d(c1[e,j], c[e,l])) + sum(v, gh1[e,v]*d(h1[e,v], c[e,l]))  # chain rule, two outputs
          = total[e,l]*F[e,l]                                # the memory gradient, through p
        vjp gx[e,i]
          = sum(j, gc1[e,j]*d(c1[e,j], x[e,i])) + sum(v, gh1[e,v]*d(h1[e,v], x[e,i]))  # chain rule, two outputs
          = sum(s, j, gz[e,s,j]*w[m*s+j,i])                  # through the gates
        vjp gh[e,b]
          = sum(j, gc1[e,j]*d(c1[e,j], h[e,b])) + sum(v, gh1[e,v]*d(h1[e,v], h[e,b]))  # chain rule, two outputs
          = sum(s, j, gz[e,s,j]*u[m*s+j,b])                  # through the gates
        vjp gw[m*s+l,i]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], w[m*s+l,i]))  # chain rule: all examples share w
          = sum(e, gz[e,s,l]*x[e,i])                         # collapse the deltas
        vjp gu[m*s+l,b]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], u[m*s+l,b]))  # chain rule: all examples share u
          = sum(e, gz[e,s,l]*h[e,b])                         # collapse the deltas
        vjp gbw[m*s+l]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], bw[m*s+l]))   # chain rule: all examples share b
          = sum(e, gz[e,s,l])                                # collapse the deltas
        vjp gbu[m*s+l]
          = sum(e, r, j, gz[e,r,j]*d(z[e,r,j], bu[m*s+l]))   # chain rule: all examples share b
          = sum(e, gz[e,s,l])                                # collapse the deltas
"""


lstm_cell = LSTMCell()
projected_lstm_cell = ProjectedLSTMCell()


def opened(z):
    """The gates and their slopes, from the pre-activations: i f o are sigmoids, g is a tanh."""
    gates, shut = sigmoids(z)
    slopes = gates * shut
    blocks(gates, 4)[2][...], blocks(slopes, 4)[2][...] = tanh_and_slope(blocks(z, 4)[2])
    return gates, slopes


def bends(gates):
    """How the slopes move when the gates move: 1 - 2 s for s (1 - s), -2 g for 1 - g²."""
    bends = 1 - 2 * gates
    blocks(bends, 4)[2][...] = -2 * blocks(gates, 4)[2]
    return bends
