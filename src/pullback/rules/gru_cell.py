"""GRU cell: one step of a recurrent network whose state is replaced by degrees. Scan runs it over time."""

from dataclasses import dataclass

from pullback.functions import blocks, join, sigmoids, tanh_and_slope
from pullback.rule import Rule
from pullback.rules.chain import moved
from pullback.rules.preactivations import PREACTIVATIONS


@dataclass(frozen=True)
class GRUCell(Rule):
    """Mix the old state and a candidate n, for which the old one may be reset.

        a, v = w x + bw, u h + bu          three blocks of pre-activations each: r z n
        r    = σ(ar + vr)                  reset
        z    = σ(az + vz)                  how much stays
        n    = tanh(an + r vn)             candidate
        h1   = n + z (h - n)
        gx   = wᵀ ga,    gh = uᵀ gv + z gh1,    where ga, gv are the gradients of a and v

    The reset acts after the weights (and their bias) were applied to h, as in PyTorch and cuDNN; in the article it
    acts on h itself. That is why there are two biases. h is taken as 0 where it is left out.

    Saved beside r, z, n are the slopes sr and sn of r and n, and fresh = 1 - z, the share of what is new. All three
    are taken from the pre-activations: from r, z, n they would lose their digits as soon as a gate saturates.

    Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical machine
    translation.
    """

    signature = "x[... n], h[... m]=0; w[3*m n], u[3*m m], bw[3*m]=0, bu[3*m]=0 -> h1[... m]"
    cases = dict(n=2, m=3), dict(n=1, m=1), dict(n=2, m=2, batch=(3,)), dict(n=2, m=2, without=("h", "bw"))

    def forward(self, x, h, w, u, bw, bu):
        a, v = PREACTIVATIONS.forward(x, h, w, u, bw, bu)[0]
        (ar, az, an), (vr, vz, vn) = blocks(a, 3), blocks(v, 3)
        (r, shut), (z, fresh) = sigmoids(ar + vr), sigmoids(az + vz)
        n, sn = tanh_and_slope(an + r * vn)
        return n + z * (h - n), (x, h, w, u, r, z, n, r * shut, sn, fresh, vn)

    def jvp(self, tx, th, tw, tu, tbw, tbu, x, h, w, u, r, z, n, sr, sn, fresh, vn):
        ta, tv = PREACTIVATIONS.jvp(tx, th, tw, tu, tbw, tbu, x, h, w, u)
        _, tz, tn, _ = activated(ta, tv, r, z, sr, sn, fresh, vn)
        return fresh * tn + (h - n) * tz + z * th

    def vjp(self, gh1, x, h, w, u, r, z, n, sr, sn, fresh, vn):
        gan = gh1 * fresh * sn
        gaz = gh1 * (h - n) * z * fresh
        gar = gan * vn * sr
        ga, gv = join(gar, gaz, gan), join(gar, gaz, gan * r)
        gx, gh, *others = PREACTIVATIONS.vjp(ga, gv, x, h, w, u)
        return gx, lambda: gh() + gh1 * z, *others

    def hvp(self, gh1, tx, th, tw, tu, tbw, tbu, x, h, w, u, r, z, n, sr, sn, fresh, vn):
        tangents, saved = (tx, th, tw, tu, tbw, tbu), (x, h, w, u)
        ta, tv = PREACTIVATIONS.push(tangents, saved)
        tr, tz, tn, tvn = activated(ta, tv, r, z, sr, sn, fresh, vn)
        gan = gh1 * fresh * sn
        gaz = gh1 * (h - n) * z * fresh
        gar = gan * vn * sr
        tgan = -gh1 * (tz * sn + fresh * 2 * n * tn)
        tgaz = gh1 * ((th - tn) * z * fresh + (h - n) * (fresh - z) * tz)
        tgar = (tgan * vn + gan * tvn) * sr + gan * vn * (1 - 2 * r) * tr
        g = join(gar, gaz, gan), join(gar, gaz, gan * r)
        tg = join(tgar, tgaz, tgan), join(tgar, tgaz, tgan * r + gan * tr)
        gx, gh, *others = moved(PREACTIVATIONS, g, tg, tangents, saved)
        return gx, gh + gh1 * tz, *others

    derivation = """
        at n=1, m=2, batch=(2,); n=2, m=1, without=("h", "bw")
        for i in n
        for j k q in m
        for s b in 3
        for e in ...
        let a[e,s,j] = sum(i, w[m*s+j,i]*x[e,i]) + bw[m*s+j]  # pre-activations
        let v[e,s,j] = sum(q, u[m*s+j,q]*h[e,q]) + bu[m*s+j]  # pre-activations
        let r[e,j] = sigmoid(a[e,0,j] + v[e,0,j])  # the reset gate
        let z[e,j] = sigmoid(a[e,1,j] + v[e,1,j])  # the update gate: what stays
        let n[e,j] = tanh(a[e,2,j] + r[e,j]*v[e,2,j])  # the candidate
        let h1[e,j] = n[e,j] + z[e,j]*(h[e,j] - n[e,j])  # the new state
        let gn[e,j] = gh1[e,j]*(1 - z[e,j])  # the gradient of n
        let gz[e,j] = gh1[e,j]*(h[e,j] - n[e,j])  # the gradient of z
        let gr[e,j] = gn[e,j]*(1 - n[e,j]**2)*v[e,2,j]  # the gradient of r
        let slope[e,s,j] = r[e,j]*(1 - r[e,j]) if s == 0 else z[e,j]*(1 - z[e,j]) if s == 1 else 1 - n[e,j]**2
        let ga[e,s,j] = slope[e,s,j]*(gr[e,j] if s == 0 else gz[e,j] if s == 1 else gn[e,j])  # block by block
        let gv[e,s,j] = ga[e,s,j] if s < 2 else ga[e,s,j]*r[e,j]  # block by block

        d(h1[e,j], n[e,k])
          = (j==k)*(1 - z[e,j])                                         # linear in n
        d(h1[e,j], z[e,k])
          = (j==k)*(h[e,j] - n[e,j])                                    # linear in z
        d(n[e,j], a[e,2,k])
          = (j==k)*(1 - n[e,j]**2)                                      # tanh' = 1 - tanh²
        d(n[e,j], r[e,k])
          = (j==k)*(1 - n[e,j]**2)*v[e,2,j]                             # tanh' = 1 - tanh²
        d(r[e,j], a[e,0,k])
          = (j==k)*r[e,j]*(1 - r[e,j])                                  # slope of the sigmoid
        d(n[e,j], v[e,2,k])
          = (j==k)*(1 - n[e,j]**2)*r[e,j]                               # tanh' = 1 - tanh²

        vjp gx[e,i]
          = sum(j, gh1[e,j]*d(h1[e,j], x[e,i]))                         # chain rule
          = sum(s, k, ga[e,s,k]*d(a[e,s,k], x[e,i]))                    # through the gates
          = sum(s, k, ga[e,s,k]*w[m*s+k,i])                             # linear in x
        vjp gh[e,q]
          = sum(j, gh1[e,j]*d(h1[e,j], h[e,q]))                         # chain rule
          = gh1[e,q]*z[e,q] + sum(s, k, gv[e,s,k]*d(v[e,s,k], h[e,q]))  # directly, and through the gates
          = gh1[e,q]*z[e,q] + sum(s, k, gv[e,s,k]*u[m*s+k,q])           # linear in h
        vjp gw[m*s+k,i]
          = sum(e, b, j, ga[e,b,j]*d(a[e,b,j], w[m*s+k,i]))             # chain rule: all examples share w
          = sum(e, ga[e,s,k]*x[e,i])                                    # collapse the deltas
        vjp gu[m*s+k,q]
          = sum(e, b, j, gv[e,b,j]*d(v[e,b,j], u[m*s+k,q]))             # chain rule: all examples share u
          = sum(e, gv[e,s,k]*h[e,q])                                    # collapse the deltas
        vjp gbw[m*s+k]
          = sum(e, b, j, ga[e,b,j]*d(a[e,b,j], bw[m*s+k]))              # chain rule: all examples share b
          = sum(e, ga[e,s,k])                                           # collapse the deltas
        vjp gbu[m*s+k]
          = sum(e, b, j, gv[e,b,j]*d(v[e,b,j], bu[m*s+k]))              # chain rule: all examples share b
          = sum(e, gv[e,s,k])                                           # collapse the deltas
"""


gru_cell = GRUCell()


def activated(ta, tv, r, z, sr, sn, fresh, vn):
    """The tangents of r, z, n, and of vn."""
    (tar, taz, tan), (tvr, tvz, tvn) = blocks(ta, 3), blocks(tv, 3)
    tr, tz = sr * (tar + tvr), z * fresh * (taz + tvz)
    return tr, tz, sn * (tan + tr * vn + r * tvn), tvn
