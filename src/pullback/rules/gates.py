"""Activations that are x times a gate: silu and gelu."""

from dataclasses import dataclass

import numpy as np

from pullback.functions import exp_of_two, two_product, two_sum
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


class SiLU(Gate):
    """x σ(x), also called swish.

        f'(x)  = σ(x) σ(-x) (1 + x + eˣ) = σ(x) σ(-x) (d + e^x0 (e^d - 1)),    d = x - x0, x0 = -1.278…
        f''(x) = σ(x) σ(-x) (2 - x tanh(x/2))

    f(-inf) is 0.

    Source: Elfwing, Uchibe & Doya (2018), Sigmoid-weighted linear units for neural network function approximation
    in reinforcement learning.
    """

    far = 1500.0
    root = 1.2784645427610737, 1.0946994183093437e-16  # -x0: mpmath.findroot, with 60 digits
    at_root = 0.2784645427610738  # e^x0

    def left(self, a):
        h = np.exp(-a / 2)  # twice h, not once h²: that loses digits before a h² does
        return -a * h * (h / (1 + h * h))

    def left_slope(self, a):
        h = np.exp(-a / 2)
        d = below_root(a, self.root)
        s = h / (1 + h * h)
        return s * (d + self.at_root * np.expm1(d)) * s

    def left_bend(self, a):
        h = np.exp(-a / 2)
        return (h / (1 + h * h)) ** 2 * (2 - a * np.tanh(a / 2))


class ErfGELU(Gate):
    """x Φ(x), where Φ is the normal distribution function.

        f'(x)  = Φ(x) + x φ(x)
        f''(x) = φ(x) (2 - x²)

    At -a, Φ is e^(-a²/2) times a smooth function, and so is f' by (root - a): both are ratios of polynomials.
    """

    far = 40.0
    root = 0.7517915246935645, -1.4956759177009883e-17  # mpmath.findroot, with 60 digits
    inflexion = 1.4142135623730951, -9.667293313452913e-17  # √2

    def left(self, a):
        h, k = self.halves(a)
        return -a * h * ratio(TAIL, a) * k

    def left_slope(self, a):
        h, k = self.halves(a)
        return below_root(a, self.root) * h * ratio(SLOPE, a) * k

    def left_bend(self, a):
        h, k = self.halves(a)
        return below_root(a, self.inflexion) * (a + self.inflexion[0]) * h * k * 0.3989422804014327  # 1 / √2π

    def halves(self, a):
        """e^(-a²/2) as a product, so that it loses no digit before the whole result does."""
        square, lost = two_product(a, a)
        return np.exp(-square / 4), exp_of_two(-square / 4, -lost / 2)


class TanhGELU(Gate):
    """x σ(v), where v = 2 √(2/π) (x + 0.044715 x³): within 5e-4 of x Φ(x).

        f'(x)  = σ(v) σ(-v) (1 + e^v + x v')
        f''(x) = σ(v) σ(-v) (2 v' + x v'' - x v'² tanh(v/2))

    v is computed in twice the digits: an error of v is a relative error of e^v.
    """

    far = 23.0
    root = 0.7524614220710163, -3.635560509207687e-17  # mpmath.findroot, with 60 digits
    at_root = 0.29195521191476714  # e^v there
    one = 1.5957691216057308, -9.96930880911092e-17  # 2 √(2/π)
    three = 0.07135481627260025, -6.175149918155315e-19  # 2 √(2/π) 0.044715

    def left(self, a):
        h, k = self.halves(a)
        return -a * h * (k / (1 + h * k))

    def left_slope(self, a):
        h, k = self.halves(a)
        d, root = below_root(a, self.root), self.root[0]
        q = a * a + a * root + root * root
        inner = d * (self.one[0] + 3 * self.three[0] * q)
        dip = inner + self.at_root * np.expm1(d * (self.one[0] + self.three[0] * q))
        return h / (1 + h * k) * dip * (k / (1 + h * k))

    def left_bend(self, a):
        h, k = self.halves(a)
        v = a * (self.one[0] + self.three[0] * a * a)
        dv, d2v = self.one[0] + 3 * self.three[0] * a * a, 6 * self.three[0] * a
        return h * k / (1 + h * k) ** 2 * (2 * dv + a * d2v - a * dv * dv * np.tanh(v / 2))

    def halves(self, a):
        """e^-v as a product."""
        square, lost = two_product(a, a)
        cubic, more = two_product(self.three[0], square)
        inner, rest = two_sum(self.one[0], cubic)
        rest = rest + more + self.three[0] * lost + self.three[1] * square + self.one[1]
        v, last = two_product(a, inner)
        return np.exp(-v / 2), exp_of_two(-v / 2, -(last + a * rest))


@dataclass(frozen=True)
class GELU(Elementwise):
    """x Φ(x), where Φ is the normal distribution function; with approximate="tanh", x σ(2 √(2/π) (x + 0.044715 x³)).

        f'(x) = Φ(x) + x φ(x)

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


def below_root(a, root):
    """root - a, where `root` is a sum of two floats."""
    return (root[0] - a) + root[1]


def ratio(coefficients, a):
    """A ratio of polynomials; all coefficients are positive, so nothing cancels."""
    above, below = coefficients
    return np.polynomial.polynomial.polyval(a, above) / np.polynomial.polynomial.polyval(a, below)


# Best ratios for relative error on 0 <= a <= 39, to 1e-18: least squares over Chebyshev nodes of (a - 2) / (a + 2),
# the weights repeated with the denominator found and with the errors left (Lawson), with mpmath and 70 digits.

# e^(a²/2) Φ(-a)
TAIL = (
    (0.5, 0.8278816859650728, 0.679538851383301, 0.35728865057396847, 0.13201754748208863, 0.03565766125456601,
     0.007120287440828759, 0.001039238446160995, 0.0001065112110028864, 6.970889212123336e-06, 2.239740704130256e-07),
    (1.0, 2.4536479327330114, 2.8168055059401316, 2.001200479023298, 0.9799352416684329, 0.348238470035289,
     0.09195053981715555, 0.018113774987255745, 0.002622457901432865, 0.00026754543279955206, 1.7473427998458266e-05,
     5.614197376813571e-07),
)  # fmt: skip
# e^(a²/2) (Φ(-a) - a φ(a)) / (root - a)
SLOPE = (
    (0.6650779951314343, 1.330170301340211, 1.2803008301434329, 0.7711326961631995, 0.32015242333953353,
     0.09557641825962992, 0.02079246757150475, 0.003263122747423366, 0.00035511103276461835, 2.4360419365516282e-05,
     8.081288479062863e-07),
    (1.0, 2.2656346492361727, 2.380127837730633, 1.5301390950665428, 0.6683668011131342, 0.2079021823772171,
     0.04681398171189035, 0.007569782161591235, 0.0008462507520000185, 5.9539627945454044e-05, 2.025678619706732e-06),
)  # fmt: skip

silu = SiLU()
gelu = GELU()
