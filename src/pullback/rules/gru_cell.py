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
        gn = gh1 * fresh * sn
        gz = gh1 * (h - n) * z * fresh
        gr = gn * vn * sr
        ga, gv = join(gr, gz, gn), join(gr, gz, gn * r)
        gx, gh, *others = PREACTIVATIONS.vjp(ga, gv, x, h, w, u)
        return gx, lambda: gh() + gh1 * z, *others

    def hvp(self, gh1, tx, th, tw, tu, tbw, tbu, x, h, w, u, r, z, n, sr, sn, fresh, vn):
        tangents, saved = (tx, th, tw, tu, tbw, tbu), (x, h, w, u)
        ta, tv = PREACTIVATIONS.push(tangents, saved)
        tr, tz, tn, tvn = activated(ta, tv, r, z, sr, sn, fresh, vn)
        gn = gh1 * fresh * sn
        gz = gh1 * (h - n) * z * fresh
        gr = gn * vn * sr
        tgn = -gh1 * (tz * sn + fresh * 2 * n * tn)
        tgz = gh1 * ((th - tn) * z * fresh + (h - n) * (fresh - z) * tz)
        tgr = (tgn * vn + gn * tvn) * sr + gn * vn * (1 - 2 * r) * tr
        g = join(gr, gz, gn), join(gr, gz, gn * r)
        tg = join(tgr, tgz, tgn), join(tgr, tgz, tgn * r + gn * tr)
        gx, gh, *others = moved(PREACTIVATIONS, g, tg, tangents, saved)
        return gx, gh + gh1 * tz, *others


gru_cell = GRUCell()


def activated(ta, tv, r, z, sr, sn, fresh, vn):
    """The tangents of r, z, n, and of vn."""
    (tar, taz, tan), (tvr, tvz, tvn) = blocks(ta, 3), blocks(tv, 3)
    tr, tz = sr * (tar + tvr), z * fresh * (taz + tvz)
    return tr, tz, sn * (tan + tr * vn + r * tvn), tvn
