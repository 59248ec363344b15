"""RNN cell: one step of the plain recurrent network. Scan runs it over time."""

from dataclasses import dataclass
from functools import cached_property

from pullback.kinks import WORDS
from pullback.rule import Rule
from pullback.rules.activations import Tanh
from pullback.rules.chain import moved
from pullback.rules.piecewise import ReLU
from pullback.rules.preactivations import PREACTIVATIONS


@dataclass(frozen=True)
class RNNCell(Rule):
    """The new state is a function of what comes in and of the old state.

        z  = w x + bw + u h + bu
        h1 = f(z),                  f = tanh or relu, as `nonlinearity` says
        gx = wᵀ gz,    gh = uᵀ gz,    gz = f'(z) gh1

    h is taken as 0 where it is left out. At z = 0 the derivative of relu is 1, that from the right, or what `kink`
    picks: "left", "mean", "min_norm", "max_norm", or as "torch", "jax" or "tf" does (0 in all three).

    Source: Elman (1990), Finding structure in time; relu: Le, Jaitly & Hinton (2015), A simple way to initialize
    recurrent networks of rectified linear units.
    """

    nonlinearity: str = "tanh"
    kink: str = "right"
    signature = "x[... n], h[... m]=0; w[m n], u[m m], bw[m]=0, bu[m]=0 -> h1[... m]"
    requires = "nonlinearity in ('tanh', 'relu')", f"kink in {WORDS}"
    cases = (
        dict(n=2, m=3), dict(n=1, m=1), dict(n=2, m=2, batch=(3,)), dict(n=2, m=2, without=("h", "bw")),
        dict(n=3, m=2, batch=(2,), nonlinearity="relu"), dict(n=2, m=2, nonlinearity="relu", kink="torch"),
    )  # fmt: skip

    @cached_property
    def f(self):
        return ReLU(self.kink) if self.nonlinearity == "relu" else Tanh()

    def forward(self, x, h, w, u, bw, bu):
        a, v = PREACTIVATIONS.forward(x, h, w, u, bw, bu)[0]
        z = a + v
        return self.f.f(z), (x, h, w, u, z, self.f.slope(z))

    def jvp(self, tx, th, tw, tu, tbw, tbu, x, h, w, u, z, slope):
        ta, tv = PREACTIVATIONS.jvp(tx, th, tw, tu, tbw, tbu, x, h, w, u)
        return slope * (ta + tv)

    def vjp(self, gh1, x, h, w, u, z, slope):
        gz = slope * gh1
        return PREACTIVATIONS.vjp(gz, gz, x, h, w, u)

    def hvp(self, gh1, tx, th, tw, tu, tbw, tbu, x, h, w, u, z, slope):
        tangents, saved = (tx, th, tw, tu, tbw, tbu), (x, h, w, u)
        ta, tv = PREACTIVATIONS.push(tangents, saved)
        gz, tgz = slope * gh1, self.f.d2f(z) * (ta + tv) * gh1
        return moved(PREACTIVATIONS, (gz, gz), (tgz, tgz), tangents, saved)

    derivation = property(lambda self: DERIVATION.format(**F[self.nonlinearity]))


F = {
    "tanh": dict(f="tanh(z[e,j])", slope="1 - h1[e,j]**2", reason="tanh' = 1 - tanh²"),
    "relu": dict(f="max(z[e,j], 0)", slope="1 if z[e,j] >= 0 else 0", reason="slope of each piece"),
}
DERIVATION = """
    at n=2, m=2, batch=(2,); n=1, m=3; n=2, m=2, without=("h", "bw")
    for i in n
    for j k q in m
    for e in ...
    let z[e,j] = sum(i, w[j,i]*x[e,i]) + bw[j] + sum(q, u[j,q]*h[e,q]) + bu[j]  # pre-activations
    let h1[e,j] = {f}  # the new state
    let slope[e,j] = {slope}
    let gz[e,j] = gh1[e,j]*slope[e,j]

    d(h1[e,j], z[e,j])
      = slope[e,j]                                             # {reason}
    d(z[e,j], x[e,i])
      = w[j,i]                                                 # linear in x
    d(z[e,j], h[e,k])
      = u[j,k]                                                 # linear in h
    d(z[e,j], w[k,i])
      = (j==k)*x[e,i]                                          # linear in w
    d(z[e,j], u[k,q])
      = (j==k)*h[e,q]                                          # linear in u

    vjp gx[e,i]
      = sum(j, gh1[e,j]*d(h1[e,j], z[e,j])*d(z[e,j], x[e,i]))  # chain rule, through z
      = sum(j, gz[e,j]*w[j,i])                                 # name the gradient of z
    vjp gh[e,k]
      = sum(j, gh1[e,j]*d(h1[e,j], z[e,j])*d(z[e,j], h[e,k]))  # chain rule, through z
      = sum(j, gz[e,j]*u[j,k])                                 # name the gradient of z
    vjp gw[k,i]
      = sum(e, j, gz[e,j]*d(z[e,j], w[k,i]))                   # chain rule: all examples share w
      = sum(e, j, gz[e,j]*(j==k)*x[e,i])                       # Jacobian above
      = sum(e, gz[e,k]*x[e,i])                                 # collapse the delta
    vjp gu[k,q]
      = sum(e, j, gz[e,j]*d(z[e,j], u[k,q]))                   # chain rule: all examples share u
      = sum(e, gz[e,k]*h[e,q])                                 # collapse the delta
    vjp gbw[k]
      = sum(e, j, gz[e,j]*d(z[e,j], bw[k]))                    # chain rule: all examples share b
      = sum(e, gz[e,k])                                        # collapse the delta
    vjp gbu[k]
      = sum(e, j, gz[e,j]*d(z[e,j], bu[k]))                    # chain rule: all examples share b
      = sum(e, gz[e,k])                                        # collapse the delta
"""

rnn_cell = RNNCell()
