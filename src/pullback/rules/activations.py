"""Smooth activations: sigmoids, their integrals, and the exponential units."""

from dataclasses import dataclass

import numpy as np

import pullback.functions as fn
from pullback.rules.elementwise import Elementwise, Kinked


class Sigmoid(Elementwise):
    """The logistic function, a probability from a score.

        y  = σ(x) = 1 / (1 + e⁻ˣ)
        gx = σ(x) σ(-x) gy,    that is y (1 - y) gy

    σ(x) σ(-x) is taken from e^-|x|: y (1 - y) would be 0 as soon as y rounds to 1.

    Source: Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors.
    """

    def f(self, x):
        return fn.sigmoid(x)

    def df(self, x):
        e = np.exp(-abs(x))
        return e / (1 + e * (2 + e))

    def d2f(self, x):
        return -self.df(x) * np.tanh(x / 2)

    derivation = """
        let y = 1/(1 + exp(-x))

        d(y, x)
          = exp(-x)/(1 + exp(-x))**2  # quotient rule
          = y*exp(-x)/(1 + exp(-x))   # recognise y
          = y*(1 - y)                 # what y lacks to 1

        vjp gx
          = gy*d(y, x)                # chain rule
          = gy*y*(1 - y)              # slope above
"""


class Tanh(Elementwise):
    """The hyperbolic tangent, a sigmoid between -1 and 1.

        y  = tanh(x) = 2 σ(2x) - 1
        gx = (1 - y²) gy

    1 - y² is taken as 4 e^-2|x| / (1 + e^-2|x|)², which does not vanish when y rounds to 1.

    Source: LeCun et al. (1998), Efficient BackProp.
    """

    def f(self, x):
        return np.tanh(x)

    def df(self, x):
        e = np.exp(-2 * np.minimum(abs(x), FAR))
        return 4 * e / (1 + e * (2 + e))

    def d2f(self, x):
        return -2 * np.tanh(x) * self.df(x)

    derivation = """
        let y = (exp(x) - exp(-x))/(exp(x) + exp(-x))

        d(y, x)
          = ((exp(x) + exp(-x))**2 - (exp(x) - exp(-x))**2)/(exp(x) + exp(-x))**2  # quotient rule
          = 1 - y**2       # recognise y

        vjp gx
          = gy*d(y, x)     # chain rule
          = gy*(1 - y**2)  # slope above
"""


class Logsigmoid(Elementwise):
    """The logarithm of the sigmoid.

        y  = log σ(x) = -softplus(-x)
        gx = σ(-x) gy

    For x -> -inf it is x.

    Source: Mikolov et al. (2013), Distributed representations of words and phrases and their compositionality.
    """

    def f(self, x):
        return -fn.softplus(-x)

    def df(self, x):
        return fn.sigmoid(-x)

    def d2f(self, x):
        return -sigmoid.df(x)

    derivation = """
        let s = 1/(1 + exp(-x))
        let y = log(s)

        d(y, x)
          = d(s, x)/s    # derivative of log
          = s*(1 - s)/s  # slope of the sigmoid
          = 1 - s        # cancel

        vjp gx
          = gy*d(y, x)   # chain rule
          = gy*(1 - s)   # slope above
"""


@dataclass(frozen=True)
class Softplus(Elementwise):
    """A smooth relu, the integral of the sigmoid.

        y  = log(1 + e^(beta x)) / beta,    and x where beta x > threshold
        gx = σ(beta x) gy,                  and gy there

    f jumps at the threshold, by e^-threshold / beta: 2e-9 as it stands.

    Source: Dugas et al. (2001), Incorporating second-order functional knowledge for better option pricing.
    """

    beta: float = 1.0
    threshold: float = 20.0
    requires = "beta > 0", "beta < inf", "threshold <= inf"
    cases = *Elementwise.cases, dict(batch=(6,), beta=3.0, threshold=1.0)
    kinks = property(lambda self: (self.threshold / self.beta,))

    def f(self, x):
        e, tail, beyond = self.exponential(x)
        return np.where(beyond, x, np.maximum(x, 0) + np.log1p(e) / self.beta * tail)

    def df(self, x):
        e, tail, beyond = self.exponential(x)
        return np.where(beyond, 1, np.where(x < 0, e * tail, 1) / (1 + e))

    def d2f(self, x):
        e, tail, beyond = self.exponential(x)
        return np.where(beyond, 0, self.beta * e / (1 + e * (2 + e)) * tail)

    def exponential(self, x):
        """exp(-|beta x|) in two factors, and whether beta x, as a product without rounding, is beyond the threshold."""
        product, lost = fn.two_product(self.beta, np.clip(x, -FAR / self.beta, FAR / self.beta))
        e, tail = fn.exp_in_two(-abs(product), np.where(x < 0, lost, -lost))
        return e, tail, (product - self.threshold) + lost > 0

    derivation = """
        at batch=(3,); batch=(3,), beta=3.0, threshold=1.0
        let y = x if beta*x > threshold else log(1 + exp(beta*x))/beta

        d(y, x)
          = 1 if beta*x > threshold else beta*exp(beta*x)/(1 + exp(beta*x))/beta  # derivative of log
          = 1 if beta*x > threshold else 1/(1 + exp(-beta*x))    # cancel

        vjp gx
          = gy*d(y, x)                                           # chain rule
          = gy if beta*x > threshold else gy/(1 + exp(-beta*x))  # slope above
"""


class Softsign(Elementwise):
    """A sigmoid with slow tails.

        y  = x / (1 + |x|)
        gx = gy / (1 + |x|)²

    The second derivative jumps at 0, from 2 to -2.

    Source: Turian, Bergstra & Bengio (2009), Quadratic features and deep architectures for chunking.
    """

    kinks = (0.0,)

    def f(self, x):
        x = np.clip(x, -HUGE, HUGE)
        return x / (1 + abs(x))

    def df(self, x):
        return 1 / (1 + abs(x)) / (1 + abs(x))

    def d2f(self, x):
        return np.where(x < 0, 2, -2) * (1 / (1 + abs(x))) ** 3

    derivation = """
        let y = x/(1 + abs(x))

        d(y, x)
          = (1 + abs(x) - x*sign(x))/(1 + abs(x))**2  # quotient rule
          = 1/(1 + abs(x))**2                         # x sign(x) = |x|

        vjp gx
          = gy*d(y, x)                                # chain rule
          = gy/(1 + abs(x))**2                        # slope above
"""


class Tanhshrink(Elementwise):
    """What the hyperbolic tangent takes away.

        y  = x - tanh(x)
        gx = tanh²(x) gy

    Near 0, where the two cancel, it is x³ times a polynomial in x².

    Source: TanhShrink in the nn package of Torch7: Collobert, Kavukcuoglu & Farabet (2011), Torch7: a Matlab-like
    environment for machine learning.
    """

    def f(self, x):
        near = np.clip(x, -1.5, 1.5)
        square = near * near
        cubic = near * square * np.polynomial.polynomial.polyval(square - 1, TANHSHRINK)
        return np.where(abs(x) < 1.5, cubic, x - np.tanh(x))

    def df(self, x):
        return np.tanh(x) ** 2

    def d2f(self, x):
        return 2 * np.tanh(x) * tanh.df(x)

    derivation = """
        let y = x - tanh(x)

        d(y, x)
          = 1 - (1 - tanh(x)**2)  # tanh' = 1 - tanh²
          = tanh(x)**2            # cancel

        vjp gx
          = gy*d(y, x)            # chain rule
          = gy*tanh(x)**2         # slope above
"""


@dataclass(frozen=True)
class ELU(Kinked):
    """A relu that levels off at -alpha.

        y  = x where it is positive,     alpha (eˣ - 1) below
        gx = gy where x is positive,     alpha eˣ gy below

    At 0 the derivative is 1 from the right and alpha from the left, which is what the frameworks take.

    Source: Clevert, Unterthiner & Hochreiter (2016), Fast and accurate deep network learning by exponential
    linear units.
    """

    alpha: float = 1.0
    requires = *Kinked.requires, "-inf < alpha < inf"
    cases = *Kinked.cases, dict(batch=(5,), alpha=2.0, kink="left")
    plain = False
    breaks = (0.0,)
    torch = jax = tf = "left"

    def f(self, x):
        return np.where(x < 0, self.alpha * np.expm1(np.minimum(x, 0)), x)

    def df(self, x):
        return np.where(x < 0, below(self.alpha, x), 1)

    def d2f(self, x):
        return np.where(x < 0, below(self.alpha, x), 0)

    derivation = """
        at batch=(3,), alpha=2.0
        let y = x if x > 0 else alpha*(exp(x) - 1)

        d(y, x)
          = 1 if x >= 0 else alpha*exp(x)      # slope of each piece

        vjp gx
          = gy*d(y, x)                         # chain rule
          = gy if x >= 0 else gy*alpha*exp(x)  # slope above, at the kink that from the right
"""


class SELU(Kinked):
    """An elu that keeps mean 0 and variance 1 through the layers.

        y  = λ x where it is positive,     λ α (eˣ - 1) below
        gx = λ gy where x is positive,     λ α eˣ gy below

    λ = 1.0507009873554805 and α = 1.6732632423543772. At 0 PyTorch and JAX take λα, the slope from the left;
    TensorFlow λ, that from the right.

    Source: Klambauer et al. (2017), Self-normalizing neural networks.
    """

    plain = False
    breaks = (0.0,)
    torch, jax, tf = "left", "left", "right"

    def f(self, x):
        return np.where(x < 0, SELU_BELOW * np.expm1(np.minimum(x, 0)), SELU_ABOVE * x)

    def df(self, x):
        return np.where(x < 0, below(SELU_BELOW, x), SELU_ABOVE)

    def d2f(self, x):
        return np.where(x < 0, below(SELU_BELOW, x), 0)

    derivation = """
        let alpha = 1.6732632423543772
        let lambd = 1.0507009873554805
        let y = lambd*x if x > 0 else lambd*alpha*(exp(x) - 1)

        d(y, x)
          = lambd if x >= 0 else lambd*alpha*exp(x)        # slope of each piece

        vjp gx
          = gy*d(y, x)                                     # chain rule
          = gy*lambd if x >= 0 else gy*lambd*alpha*exp(x)  # slope above, at the kink that from the right
"""


@dataclass(frozen=True)
class CELU(Elementwise):
    """An elu that is smooth for every alpha.

        y  = x where it is positive,     alpha (e^(x/alpha) - 1) below
        gx = gy where x is positive,     e^(x/alpha) gy below

    The second derivative jumps at 0, from 1/alpha to 0.

    Source: Barron (2017), Continuously differentiable exponential linear units.
    """

    alpha: float = 1.0
    requires = "alpha > 0", "alpha < inf"
    cases = *Elementwise.cases, dict(batch=(5,), alpha=2.0)
    kinks = (0.0,)

    def f(self, x):
        q = self.below(x) / self.alpha
        return np.where(q < -TINY, self.alpha * np.expm1(q), x)

    def df(self, x):
        return np.where(x < 0, fn.exp_of_two(*fn.two_quotient(self.below(x), self.alpha)), 1)

    def d2f(self, x):
        return np.where(x < 0, self.df(x) / self.alpha, 0)

    def below(self, x):
        return np.clip(x, -FAR * self.alpha, 0)

    derivation = """
        at batch=(3,), alpha=2.0
        let y = x if x > 0 else alpha*(exp(x/alpha) - 1)

        d(y, x)
          = 1 if x >= 0 else alpha*exp(x/alpha)/alpha  # slope of each piece
          = 1 if x >= 0 else exp(x/alpha)              # cancel

        vjp gx
          = gy*d(y, x)                                 # chain rule
          = gy if x >= 0 else gy*exp(x/alpha)          # slope above
"""


class Mish(Elementwise):
    """x times a gate, like silu with a deeper dip.

        y  = x tanh(s),    s = softplus(x)
        gx = (tanh(s) + x (1 - tanh²(s)) σ(x)) gy

    With e = e^-|x| the gate is e (2 + e) / (2 + 2e + e²) left of 0 and (1 + 2e) / (1 + 2e + 2e²) right of it. Left of 0
    f' is e g(x) / (2 + 2e + e²)², g = 4x (1 + e) + 4 + 6e + 4e² + e³; what g is at its root x0 = -1.19… is subtracted
    term by term, so that no digit is lost around it. f(-inf) is 0.

    Source: Misra (2020), Mish: a self regularized non-monotonic activation function.
    """

    def f(self, x):
        gate, _, tail, _ = self.gate(x)
        return np.maximum(x, -FAR) * gate * tail

    def df(self, x):
        x = np.clip(x, -FAR, FAR)
        gate, slope, tail, e = self.gate(x)
        dip = e * self.dip(x, e) / (4 + e * (8 + e * (8 + e * (4 + e))))
        return np.where(x < -0.5, dip * tail, gate + x * slope)

    def dip(self, x, e):
        """g(x); near its root g(x) - g(x0), where d = x - x0 and m = e^d - 1."""
        x0, rest, c1, c2, c3 = MISH
        d = np.clip((x - x0) - rest, -0.3, 0.3)
        m = np.expm1(d)
        near = 4 * d * (1 + e) + m * (c1 + m * (c2 + m * c3))
        return np.where(abs(d) < 0.3, near, 4 * (1 + x) + e * (4 * x + 6 + e * (4 + e)))

    def d2f(self, x):
        x = np.clip(x, -FAR, FAR)
        gate, slope, tail, _ = self.gate(x)
        return slope * (2 + x * (fn.sigmoid(-x) - 2 * gate * tail * fn.sigmoid(x))) * tail

    def gate(self, x):
        """The gate and its derivative, a factor of both that is to be multiplied last, and e."""
        e, tail = fn.exp_in_two(np.where(x < 0, x, np.maximum(-x, -700)))
        n, rest = np.where(x < 0, 2 * e + e * e, 1 + 2 * e), np.where(x < 0, 2, 2 * e * e)
        slope = 4 * e * (1 + e) * np.where(x < 0, 1, e) / (n + rest) ** 2
        return n / (n + rest), slope, tail, e

    derivation = """
        let s = log(1 + exp(x))
        let y = x*tanh(s)

        d(s, x)
          = exp(x)/(1 + exp(x))                              # derivative of log
          = 1/(1 + exp(-x))                                  # cancel
        d(y, x)
          = tanh(s) + x*(1 - tanh(s)**2)*d(s, x)             # product rule
          = tanh(s) + x*(1 - tanh(s)**2)/(1 + exp(-x))       # slope above

        vjp gx
          = gy*d(y, x)                                       # chain rule
          = gy*(tanh(s) + x*(1 - tanh(s)**2)/(1 + exp(-x)))  # slope above
"""


def below(alpha, x):
    """alpha eˣ, for x < 0"""
    e, tail = fn.exp_in_two(np.minimum(x, 0))
    return alpha * e * tail


FAR = 1500.0  # e^-FAR is 0
TINY = 1e-20  # e^TINY is 1 + TINY
HUGE = np.finfo(float).max
SELU_ABOVE, SELU_BELOW = 1.0507009873554805, 1.7580993408473768  # λ, and λ α rounded once
MISH = -1.1924312145154952, -4.8484829848031044e-17, 1.194033938963939, 0.4522603229111282, 0.027951242009170138
# x0 in two floats, and the coefficients of m, m², m³: (6 + 4 x0) a + 8 a² + 3 a³, 4 a² + 3 a³ and a³, where a = e^x0;
# from mpmath.findroot, with 60 digits

# (x - tanh x) / x³ as a polynomial in x² - 1, interpolated at the Chebyshev nodes of 0 <= x² <= 2.25 with mpmath and
# 70 digits, to 1e-18. Its constant outweighs all else.
TANHSHRINK = (
    0.23840584404423512, -0.0675959368733657, 0.019451007551366677, -0.00560787247512869, 0.0016172361139185837,
    -0.00046640831364752746, 0.00013451222086649582, -3.879337752713841e-05, 1.1188026971123635e-05,
    -3.2266315977770044e-06, 9.305614286358171e-07, -2.683751517323629e-07, 7.740106197814376e-08,
    -2.232104404097623e-08, 6.434515169608936e-09, -1.857195035043617e-09, 5.390847020707725e-10,
    -1.547832809991889e-10, 4.203745413136442e-11, -1.2031081725958156e-11, 4.575666422218769e-12,
    -1.5546174302683986e-12, 2.451149660341797e-13,
)  # fmt: skip

sigmoid = Sigmoid()
tanh = Tanh()
logsigmoid = Logsigmoid()
softplus = Softplus()
softsign = Softsign()
tanhshrink = Tanhshrink()
elu = ELU()
selu = SELU()
celu = CELU()
mish = Mish()
