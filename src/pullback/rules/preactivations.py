"""What recurrent cells begin with: a weighted sum of the input, and one of the state."""

from dataclasses import dataclass

from pullback.rule import Rule
from pullback.rules.linear import linear


@dataclass(frozen=True)
class Preactivations(Rule):
    """a = w x + bw and v = u h + bu, of which a cell makes its new state, mostly of their sum.

    There are two biases because PyTorch keeps both; their sum would do but in gru_cell.
    """

    signature = "x[... n], h[... m]; w[k n], u[k m], bw[k]=0, bu[k]=0 -> a[... k], v[... k]"

    def forward(self, x, h, w, u, bw, bu):
        return (linear.forward(x, w, bw)[0], linear.forward(h, u, bu)[0]), (x, h, w, u)

    def jvp(self, tx, th, tw, tu, tbw, tbu, x, h, w, u):
        return linear.jvp(tx, tw, tbw, x, w), linear.jvp(th, tu, tbu, h, u)

    def vjp(self, ga, gv, x, h, w, u):
        gx, gw, gbw = linear.vjp(ga, x, w)
        gh, gu, gbu = linear.vjp(gv, h, u)
        return gx, gh, gw, gu, gbw, gbu

    def hvp(self, ga, gv, tx, th, tw, tu, tbw, tbu, x, h, w, u):
        gx, gw, gbw = linear.hvp(ga, tx, tw, tbw, x, w)
        gh, gu, gbu = linear.hvp(gv, th, tu, tbu, h, u)
        return gx, gh, gw, gu, gbw, gbu


PREACTIVATIONS = Preactivations()
