"""How far elementwise rules are from the truth, in units in the last place; the truth is mpmath's, with 250 bits.

    python tests/ulps.py          prints a line per rule, hyperparameters and dtype: the worst f and f', and where

The points do not dodge anything: random bit patterns (all exponents, both signs), the range in which a function has
not levelled off, evenly and by exponent, the tails where its values leave the normal numbers, and the
neighbourhoods, down to the last bit, of all places where it bends or where it or its derivative is 0.
"""

import sys
from dataclasses import dataclass, field
from math import pi

import mpmath
import numpy as np
from mpmath import mpf

from pullback.discovery import find

ALLOWED = 4.0
BITS = {np.float32: 24, np.float64: 53}
END = {np.float32: (75, 106), np.float64: (695, 748)}  # u for which e^-u leaves the normal numbers


@dataclass
class Row:
    """A rule, and what mpmath says: `f` and `df` are textbook formulas. `tails`: x for which something is e^-u."""

    name: str
    f: object
    df: object
    places: list = field(default_factory=list)
    tails: list = field(default_factory=list)
    options: dict = field(default_factory=dict)
    domain: object = staticmethod(lambda x: x)
    bits: int = 250

    def __str__(self):
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.options.items())})"

    def truth(self, x, dtype=float):
        """f and f' at x; where a rule computes in the dtype of x, its hyperparameters are of that dtype."""
        cast = dtype if find(self.name).plain else float
        options = {k: mpf(float(cast(v))) for k, v in self.options.items() if not isinstance(v, str)}
        return mpf(self.f(mpf(x), **options)), mpf(self.df(mpf(x), **options))


@dataclass
class Worst:
    ulps: float = 0.0
    at: float = 0.0

    def meet(self, ulps, at):
        if ulps > self.ulps:
            self.ulps, self.at = ulps, float(at)


def measure(row, dtype, n=150, seed=0):
    """The worst errors of f and f', of all points together."""
    x = points(row, dtype, n, np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        y, at = find(row.name).linearize(x, **row.options)
        slope = at.vjp(np.ones_like(x))
    worst = Worst(), Worst()
    with mpmath.workprec(row.bits):
        for xi, *found in zip(x, y, slope, strict=True):
            for one, got, true in zip(worst, found, row.truth(float(xi), dtype), strict=True):
                one.meet(distance(got, true, dtype), xi)
    return worst


def distance(got, true, dtype):
    """The error in units in the last place; below the normal numbers, in the smallest of these."""
    limits = np.finfo(dtype)
    if abs(true) > mpf(float(limits.max)):
        return 0.0 if np.isinf(got) and (got > 0) == (true > 0) else np.inf
    if not np.isfinite(got):
        return np.inf
    unit = mpf(2) ** (mpmath.mag(true) - BITS[dtype]) if abs(true) >= mpf(float(limits.tiny)) else float(limits.tiny)
    return float(abs(mpf(float(got)) - true) / unit)


def points(row, dtype, n, rng):
    whole = f"u{np.dtype(dtype).itemsize}"
    patterns = rng.integers(0, np.iinfo(whole).max, size=2 * n, dtype=whole, endpoint=True).view(dtype)
    limits = np.finfo(dtype)
    extremes = [0.0, limits.smallest_subnormal, limits.tiny, 1.0, limits.max]
    first, last = END[dtype]
    depth = np.concatenate([rng.uniform(0, last, n), rng.uniform(first, last, n)])
    active = np.concatenate([rng.uniform(-40, 40, 2 * n), rng.uniform(-4, 4, 2 * n), 2 ** rng.uniform(-40, 10, n)])
    found = [patterns, extremes, active, *(tail(depth) for tail in row.tails), *(near(p, n, rng) for p in row.places)]
    found = np.concatenate([np.asarray(a).astype(dtype) for a in found])
    steps = [bits_away(dtype(p), k) for p in row.places for k in range(-20, 21)]
    found = row.domain(np.concatenate([found, -found, np.array(steps, dtype)]))
    return found[np.isfinite(found)]


def near(place, n, rng):
    """Numbers at all distances from a place."""
    return place + rng.choice([-1, 1], n) * 2 ** rng.uniform(-60, 0, n)


def bits_away(x, steps):
    for _ in range(abs(steps)):
        x = np.nextafter(x, type(x)(np.copysign(np.inf, steps)))
    return x


# The truth.


def sigma(x):
    return 1 / (1 + mpmath.exp(-x))


def log_1_plus_exp(x):
    return mpmath.log1p(mpmath.exp(x))


def clip(x, low, high):
    return min(max(x, low), high)


def elu_slope(x, alpha):
    return mpf(1) if x >= 0 else alpha * mpmath.exp(x)


def gelu_slope(x):
    return normal(x) + x * mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def normal(x):
    return mpmath.erfc(clip(-x, -1000, 1000) / mpmath.sqrt(2)) / 2  # 0 and 1 to a hundred thousand digits beyond


def tanh_gelu(x):
    return x * sigma(inner(x))


def tanh_gelu_slope(x):
    v = inner(x)
    dv = 2 * mpmath.sqrt(2 / mpmath.pi) * (1 + 3 * mpf("0.044715") * x * x)
    return sigma(v) + x * sigma(v) * sigma(-v) * dv


def inner(x):
    return 2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x**3)


def inner_is(u):
    """Where `inner` is -u."""
    a = np.cbrt(u / 0.0713548) + 0 * u
    for _ in range(40):
        a = a - (1.5957691 * a + 0.0713548 * a**3 - u) / (1.5957691 + 3 * 0.0713548 * a * a)
    return -a


def mish_slope(x):
    t = mpmath.tanh(log_1_plus_exp(x))
    return t + x * sigma(x) / mpmath.cosh(log_1_plus_exp(x)) ** 2


def softplus(x, beta, threshold):
    return x if beta * x > threshold else log_1_plus_exp(beta * x) / beta


def softplus_slope(x, beta, threshold):
    return mpf(1) if beta * x > threshold else sigma(beta * x)


SELU = mpf("1.0507009873554804934193349852946"), mpf("1.6732632423543772848170429916717")
BOTH = [lambda u: u, lambda u: -u]
HALF = [lambda u: u / 2]
mp = mpmath

# fmt: off
ROWS = [
    Row("identity", lambda x: x, lambda x: mpf(1)),
    Row("relu", lambda x: max(x, mpf(0)), lambda x: mpf(x >= 0), [0]),
    Row("relu6", lambda x: clip(x, 0, 6), lambda x: mpf(0 <= x < 6), [0, 6]),
    *(Row("leaky_relu", lambda x, negative_slope: x if x >= 0 else negative_slope * x,
          lambda x, negative_slope: 1 if x >= 0 else negative_slope, [0], options=dict(negative_slope=a))
      for a in (0.01, -0.3, 1.7)),
    *(Row("hardtanh", lambda x, min_val, max_val: clip(x, min_val, max_val),
          lambda x, min_val, max_val: mpf(min_val <= x < max_val), [a, b], options=dict(min_val=a, max_val=b))
      for a, b in ((-1.0, 1.0), (-0.1, 0.3))),
    Row("clamp", lambda x, min, max: clip(x, min, max), lambda x, min, max: mpf(min <= x < max),
        [-0.7, 0.1], options=dict(min=-0.7, max=0.1)),
    Row("hardsigmoid", lambda x: clip(x + 3, 0, 6) / 6, lambda x: mpf(-3 <= x < 3) / 6, [-3, 3]),
    Row("hardswish", lambda x: x * clip(x + 3, 0, 6) / 6,
        lambda x: (2 * x + 3) / 6 if -3 <= x < 3 else mpf(x >= 3), [-3, -1.5, 0, 3]),
    *(Row("softshrink", lambda x, lambd: x - clip(x, -lambd, lambd),
          lambda x, lambd: mpf(x < -lambd or x >= lambd), [-a, 0, a], options=dict(lambd=a)) for a in (0.5, 0.1)),
    *(Row("hardshrink", lambda x, lambd: x if abs(x) > lambd else 0,
          lambda x, lambd: mpf(abs(x) > lambd), [-a, 0, a], options=dict(lambd=a)) for a in (0.5, 0.1)),
    Row("threshold", lambda x, threshold, value: x if x > threshold else value,
        lambda x, threshold, value: mpf(x > threshold), [0.1], options=dict(threshold=0.1, value=2.3)),
    Row("abs", abs, lambda x: mpf(1 if x >= 0 else -1), [0]),
    Row("square", lambda x: x * x, lambda x: 2 * x, [0]),
    Row("sqrt", mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)) if x else mp.inf, [0], domain=abs),
    Row("exp", mp.exp, mp.exp, [0], BOTH),
    Row("log", lambda x: mp.log(x) if x else -mp.inf, lambda x: 1 / x if x else mp.inf, [1], domain=abs),
    Row("sin", mp.sin, mp.cos, [k * pi / 2 for k in range(-6, 7)]),
    Row("cos", mp.cos, lambda x: -mp.sin(x), [k * pi / 2 for k in range(-6, 7)]),
    Row("sigmoid", sigma, lambda x: sigma(x) * sigma(-x), [0], BOTH),
    Row("tanh", mp.tanh, lambda x: mp.sech(x) ** 2, [0], HALF),
    Row("logsigmoid", lambda x: -log_1_plus_exp(-x), lambda x: sigma(-x), [0], BOTH),
    *(Row("softplus", softplus, softplus_slope, [0, t / b], [lambda u, b=b: -u / b], dict(beta=b, threshold=t))
      for b, t in ((1.0, 20.0), (3.0, 20.0), (0.1, 20.0), (0.7, 3.0))),
    Row("softsign", lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, [-1, 0, 1]),
    Row("tanhshrink", lambda x: x - mp.tanh(x), lambda x: mp.tanh(x) ** 2, [-2, 0, 2], bits=1000),
    *(Row("elu", lambda x, alpha: x if x >= 0 else alpha * mp.expm1(x), elu_slope, [0], BOTH, dict(alpha=a))
      for a in (1.0, 0.3, 1.6732632423543772, 1e3)),
    Row("selu", lambda x: SELU[0] * (x if x >= 0 else SELU[1] * mp.expm1(x)),
        lambda x: SELU[0] * elu_slope(x, SELU[1]), [0], BOTH),
    *(Row("celu", lambda x, alpha: x if x >= 0 else alpha * mp.expm1(x / alpha),
          lambda x, alpha: elu_slope(x / alpha, 1), [0], [lambda u, a=a: -u * a], dict(alpha=a))
      for a in (1.0, 0.3, 1e3)),
    Row("silu", lambda x: x * sigma(x), lambda x: sigma(x) + x * sigma(x) * sigma(-x), [-1.2784645427610738, 0], BOTH),
    Row("mish", lambda x: x * mp.tanh(log_1_plus_exp(x)), mish_slope, [-1.1924312145154952, 0], BOTH),
    Row("gelu", lambda x: x * normal(x), gelu_slope, [-0.7517915246935645, 0], [lambda u: -np.sqrt(2 * u)]),
    Row("gelu", tanh_gelu, tanh_gelu_slope, [-0.7524614220710163, 0], [inner_is], dict(approximate="tanh")),
]
# fmt: on


def table(n):
    """A line per rule and dtype, and whether all are good."""
    good = True
    for row in ROWS:
        for dtype in BITS:
            f, df = measure(row, dtype, n)
            verdict = max(f.ulps, df.ulps) <= ALLOWED
            good &= verdict
            print(f"{row!s:38} {dtype.__name__}  f {f.ulps:5.2f} at {f.at:<12.6g}  f' {df.ulps:5.2f} at {df.at:<12.6g}"
                  f"  {'good' if verdict else 'BAD'}", flush=True)  # fmt: skip
    return good


if __name__ == "__main__":
    sys.exit(not table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
