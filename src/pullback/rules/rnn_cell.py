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

    derivation = """
        for a in n=2
        for j k q in m=2
        let z[j] = sum(a, w[j,a]*x[a]) + bw[j] + sum(q, u[j,q]*h[q]) + bu[j]
        let h1[j] = tanh(z[j])

        d(h1[j], h[k])
          = u[j,k]*(1 - tanh(z[j])**2)                  # tanh' = 1 - tanh²
        d(h1[j], bw[k])
          = (j==k)*(1 - tanh(z[j])**2)                  # a bias acts on its own unit

        vjp gh[k]
          = sum(j, gh1[j]*d(h1[j], h[k]))               # chain rule
          = sum(j, gh1[j]*(1 - tanh(z[j])**2)*u[j,k])   # Jacobian above
        vjp gbw[k]
          = sum(j, gh1[j]*d(h1[j], bw[k]))              # chain rule
          = gh1[k]*(1 - tanh(z[k])**2)                  # collapse the delta
    """


rnn_cell = RNNCell()
