"""Activations that are x times a gate: silu and gelu."""

from dataclasses import dataclass
from math import factorial, pi, sqrt

import numpy as np

from pullback.functions import exp_in_two, two_product, two_sum
from pullback.rules.elementwise import Elementwise


class Gate(Elementwise):
    """x P(x), where the gate P opens from 0 to 1 and P(x) + P(-x) = 1.

    Hence f(x) = x + f(-x), f'(x) = 1 - f'(-x) and f''(x) = f''(-x): a row gives f, f', f'' at -a, for a >= 0.
    There f dips below 0, and f' has a root; it is written as a factor, so that no digit is lost around it.
    Beyond `far` all three are 0: f(-inf) is 0, where x P(x) would be nan.
    """

    def f(self, x):
        return np.maximum(x, 0) + self.left(self.size(x))

    def df(self, x):
        left = self.left_slope(self.size(x))
        return np.where(x < 0, left, 1 - left)

    def d2f(self, x):
        return self.left_bend(self.size(x))

    def size(self, x):
        return np.minimum(abs(x), self.far)


class LogisticGate(Gate):
    """x σ(v), where v is an odd function of x. A row gives e^-v, v', v'' and the dip.

        f'(x)  = σ(v) + x v' σ(v) σ(-v) = σ(v) σ(-v) dip(x),    dip(x) = 1 + e^v + x v'
        f''(x) = σ(v) σ(-v) (2 v' + x v'' - x v'² tanh(v/2))

    Near its root the dip is its difference from there, where e^v is `at_root`.
    """

    def left(self, a):
        e, tail = self.exponential(a)
        return -a * e / (1 + e) * tail

    def left_slope(self, a):
        e, tail = self.exponential(a)
        near_root = abs(a - self.root[0]) < 0.3
        dip = np.where(near_root, self.dip_near_root(a), self.dip(a, e))
        return e / (1 + e * (2 + e)) * dip * tail

    def left_bend(self, a):
        e, tail = self.exponential(a)
        dv = self.dv(a)
        return e / (1 + e * (2 + e)) * (2 * dv + a * self.d2v(a) - a * dv * dv * (1 - e) / (1 + e)) * tail


class SiLU(LogisticGate):
    """x σ(x), also called swish.

        y  = x σ(x)
        gx = σ(x) (1 + x σ(-x)) gy

    f(-inf) is 0. Computed is f'(x) = σ(x) σ(-x) (1 + x + eˣ), in which near the root x0 = -1.278… of the last factor
    1 + x + eˣ = d + e^x0 (e^d - 1) with d = x - x0; and f''(x) = σ(x) σ(-x) (2 - x tanh(x/2)).

    Source: Elfwing, Uchibe & Doya (2018), Sigmoid-weighted linear units for neural network function approximation
    in reinforcement learning.
    """

    far = 1500.0
    root = 1.2784645427610737, 1.0946994183093437e-16  # -x0: mpmath.findroot, with 60 digits
    at_root = 0.2784645427610738  # e^x0

    def exponential(self, a):
        return exp_in_two(-a)

    def dv(self, a):
        return 1.0

    def d2v(self, a):
        return 0.0

    def dip(self, a, e):
        return 1 - a + e

    def dip_near_root(self, a):
        d = below_root(a, self.root)
        return d + self.at_root * np.expm1(d)

    derivation = """
        let s = 1/(1 + exp(-x))
        let y = x*s

        d(y, x)
          = s + x*d(s, x)         # product rule
          = s + x*s*(1 - s)       # slope of the sigmoid
          = s*(1 + x*(1 - s))     # factor out

        vjp gx
          = gy*d(y, x)            # chain rule
          = gy*s*(1 + x*(1 - s))  # slope above
"""


class ErfGELU(Gate):
    """x Φ(x), where Φ is the normal distribution function.

        f'(x)  = Φ(x) + x φ(x)
        f''(x) = φ(x) (2 - x²)

    At -a, Φ is e^(-a²/2) times a smooth function, and f' is that times (root - a) and another one.
    """

    far = 40.0
    root = 0.7517915246935645, -1.4956759177009883e-17  # mpmath.findroot, with 60 digits
    inflexion = 1.4142135623730951, -9.667293313452913e-17  # √2

    def left(self, a):
        e, tail, lost = self.exponential(a)
        near = 0.5 - a * np.polynomial.polynomial.polyval(a * a, ERF)
        return -a * np.where(a < 0.5, near, e * (smooth(TAIL, a, lost) / (1 + a))) * tail

    def left_slope(self, a):
        e, tail, lost = self.exponential(a)
        return below_root(a, self.root) * e * smooth(SLOPE, a, lost) * tail

    def left_bend(self, a):
        e, tail, lost = self.exponential(a)
        density = 0.3989422804014327 * (e + lost * e)  # 1 / √2π
        return below_root(a, self.inflexion) * (a + self.inflexion[0]) * density * tail

    def exponential(self, a):
        """e^(-a²/2) in two factors, and what they lack: a third one is 1 + lost."""
        square, lost = two_product(a, a)
        return *exp_in_two(-square / 2), -lost / 2


class TanhGELU(LogisticGate):
    """x σ(v), where v = 2 √(2/π) (x + 0.044715 x³): within 5e-4 of x Φ(x).

    v is computed in twice the digits: an error of v is a relative error of e^v.
    """

    far = 23.0
    root = 0.7524614220710163, -3.635560509207687e-17  # mpmath.findroot, with 60 digits
    at_root = 0.29195521191476714  # e^v there
    one = 1.5957691216057308, -9.96930880911092e-17  # 2 √(2/π)
    three = 0.07135481627260025, -6.175149918155315e-19  # 2 √(2/π) 0.044715

    def exponential(self, a):
        square, lost = two_product(a, a)
        cubic, more = two_product(self.three[0], square)
        inner, rest = two_sum(self.one[0], cubic)
        rest = rest + more + self.three[0] * lost + self.three[1] * square + self.one[1]
        v, last = two_product(a, inner)
        return exp_in_two(-v, -(last + a * rest))

    def dv(self, a):
        return self.one[0] + DIP[0][2] * (a * a)

    def d2v(self, a):
        return 6 * self.three[0] * a

    def dip(self, a, e):
        dv, rest = two_sum(self.one[0], DIP[0][2] * (a * a))
        rise, lost = two_product(a, dv)
        return 1 - rise - (lost + a * rest) + e

    def dip_near_root(self, a):
        """Term by term, with v(x) - v(x0) = d (c0 + c1 d + c2 d²), and so x v'."""
        d = below_root(a, self.root)
        (b0, b1, b2), (c0, c1, c2) = DIP
        return d * (b0 + d * (b1 + b2 * d)) + self.at_root * np.expm1(d * (c0 + d * (c1 + c2 * d)))


@dataclass(frozen=True)
class GELU(Elementwise):
    """x Φ(x), where Φ is the normal distribution function; with approximate="tanh", x σ(2 √(2/π) (x + 0.044715 x³)).

        gx = (Φ(x) + x φ(x)) gy,    where φ is the density of Φ

    The two differ by 5e-4 at most. f(-inf) is 0.

    Source: Hendrycks & Gimpel (2016), Gaussian error linear units.
    """

    approximate: str = "none"
    requires = ("approximate in ('none', 'tanh')",)
    cases = *Elementwise.cases, dict(batch=(6,), approximate="tanh")
    row = property(lambda self: {"none": ErfGELU(), "tanh": TanhGELU()}[self.approximate])

    def f(self, x):
        return self.row.f(x)

    def df(self, x):
        return self.row.df(x)

    def d2f(self, x):
        return self.row.d2f(x)

    derivation = property(lambda self: {"none": ERF_GELU, "tanh": TANH_GELU}[self.approximate])


ERF_GELU = """
    let P = (1 + erf(x/sqrt(2)))/2
    let y = x*P

    d(P, x)
      = exp(-x**2/2)/sqrt(2*pi)             # the density of the normal distribution
    d(y, x)
      = P + x*d(P, x)                       # product rule
      = P + x*exp(-x**2/2)/sqrt(2*pi)       # slope above

    vjp gx
      = gy*d(y, x)                          # chain rule
      = gy*(P + x*exp(-x**2/2)/sqrt(2*pi))  # slope above
"""
TANH_GELU = """
    let v = 2*sqrt(2/pi)*(x + 0.044715*x**3)
    let s = 1/(1 + exp(-v))
    let y = x*s

    d(v, x)
      = 2*sqrt(2/pi)*(1 + 3*0.044715*x**2)                       # power rule
    d(y, x)
      = s + x*d(s, v)*d(v, x)                                    # product rule
      = s + x*s*(1 - s)*d(v, x)                                  # slope of the sigmoid
      = s + x*s*(1 - s)*2*sqrt(2/pi)*(1 + 3*0.044715*x**2)       # slope above

    vjp gx
      = gy*d(y, x)                                               # chain rule
      = gy*(s + x*s*(1 - s)*2*sqrt(2/pi)*(1 + 3*0.044715*x**2))  # slope above
"""


def below_root(a, root):
    """root - a, where `root` is a sum of two floats."""
    return (root[0] - a) + root[1]


def smooth(coefficients, a, lost):
    """(1 + lost) times a polynomial in (a - 4) / (a + 4), -1 at 0 and 1 at inf; its constant outweighs all else."""
    s = (a - 4) / (a + 4)
    rest = s * np.polynomial.polynomial.polyval(s, coefficients[1:])
    return coefficients[0] + (rest + lost * (coefficients[0] + rest))


# (Φ(a) - 1/2) / a, a series in a²
ERF = [(-0.5) ** k / factorial(k) / (2 * k + 1) / sqrt(2 * pi) for k in range(12)]

# Both are interpolated at the Chebyshev nodes of 0 <= a <= 39 with mpmath and 70 digits; they err by less than 3e-18.

# (1 + a) e^(a²/2) Φ(-a)
TAIL = (
    0.47205320650984467, -0.09670347732652575, 0.013999634724424621, 0.02860036405354347, -0.0321978374280405,
    0.017936097479933355, -0.005002378592040056, -0.0002856231022781962, 0.0006948971155873954,
    -9.443021364875517e-05, -8.785325318899536e-05, 2.124981611130674e-05, 1.3627133311758832e-05,
    -3.4313191734891866e-06, -2.613509693720123e-06, 4.022837197703709e-07, 5.527491293283135e-07,
    5.087457767203614e-09, -1.1125477022750613e-07, -2.3675621152375114e-08, 1.709633148627709e-08,
    8.489743412344891e-09, -8.227128586340645e-10, -1.3741209048467073e-09, -2.6904207830448746e-10,
)  # fmt: skip
# e^(a²/2) (Φ(-a) - a φ(a)) / (root - a)
SLOPE = (
    0.4622112440495753, -0.10336589852195695, 0.06046293676785131, -0.02808335995304573, 0.009504950375084639,
    -0.001788260541310058, -0.00015461331259419432, 0.0001857757756654821, -1.7477216467442935e-05,
    -1.8034946224740672e-05, 3.5389106149057796e-06, 2.216767253499198e-06, -4.921942701038313e-07,
    -3.4943869763546267e-07, 5.2431920005157925e-08, 6.336411773468414e-08, -7.658197975341063e-10,
    -1.14342011753986e-08, -1.7671038705710358e-09, 1.7128147179162118e-09, 5.603780903716187e-10,
    -1.4934989125580393e-10, -7.266933611907862e-11,
)  # fmt: skip

# 2 √(2/π) (1 + 9 0.044715 root²), -9 0.044715 root, 3 0.044715; and the same with 3, -3 and 1
DIP = (
    (1.959377833092717, -0.48322571871687187, 0.21406444881780073),
    (1.716972025434726, -0.1610752395722906, 0.07135481627260025),
)

silu = SiLU()
gelu = GELU()
