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
        gc  = σ(f) gm,    gm = gc1 + gh1 σ(o) (1 - tanh²(c1)),    the gradient of the memory
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
        gm = gc1 + gh1 * o * slope  # of the memory: through h1 = o tanh(c1) as well
        gz = join(gm * g, gm * c, gm * i, gh1 * r) * slopes
        gx, gh, *others = PREACTIVATIONS.vjp(gz, gz, x, h, w, u)
        return gx, gh, gm * f, *others

    def hvp(self, gh1, gc1, tx, th, tc, tw, tu, tbw, tbu, x, h, c, w, u, gates, slopes, r, slope):
        tangents, saved = (tx, th, tw, tu, tbw, tbu), (x, h, w, u)
        i, f, g, o = blocks(gates, 4)
        tgates = slopes * sum(PREACTIVATIONS.jvp(*tangents, *saved))
        ti, tf, tg, to = blocks(tgates, 4)
        tr = slope * (tf * c + f * tc + ti * g + i * tg)
        gm, tgm = gc1 + gh1 * o * slope, gh1 * (to * slope - 2 * o * r * tr)
        ggates = join(gm * g, gm * c, gm * i, gh1 * r)
        tggates = join(tgm * g + gm * tg, tgm * c + gm * tc, tgm * i + gm * ti, gh1 * tr)
        gz, tgz = ggates * slopes, tggates * slopes + ggates * bends(gates) * tgates
        gx, gh, *others = moved(PREACTIVATIONS, (gz, gz), (tgz, tgz), tangents, saved)
        return gx, gh, tgm * f + gm * tf, *others

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
        for a in n=1
        for j l in m=2
        for e s in k=2
        let z[t,j] = sum(a, w[m*t+j,a]*x[a]) + sum(s, u[m*t+j,s]*h[s]) + bw[m*t+j] + bu[m*t+j]
        let I[j] = 1/(1 + exp(-z[0,j]))
        let F[j] = 1/(1 + exp(-z[1,j]))
        let G[j] = tanh(z[2,j])
        let O[j] = 1/(1 + exp(-z[3,j]))
        let c1[j] = F[j]*c[j] + I[j]*G[j]
        let q[j] = O[j]*tanh(c1[j])
        let h1[e] = sum(j, p[e,j]*q[j])

        d(h1[e], p[s,l])
          = (e==s)*q[l]                                                       # linear in p

        vjp gp[s,l]
          = sum(e, gh1[e]*d(h1[e], p[s,l]))                                   # chain rule
          = gh1[s]*q[l]                                                       # collapse the delta: an outer product
        vjp gc[l]
          = sum(j, gc1[j]*d(c1[j], c[l])) + sum(e, gh1[e]*d(h1[e], c[l]))     # chain rule, two outputs
          = (gc1[l] + sum(e, gh1[e]*p[e,l])*O[l]*(1 - tanh(c1[l])**2))*F[l]   # the memory gradient, through p
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
