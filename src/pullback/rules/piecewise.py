"""Activations made of pieces of straight lines (of parabolas, in hardswish)."""

from dataclasses import dataclass

import numpy as np

from pullback.rules.elementwise import Elementwise, Kinked, step


class Identity(Elementwise):
    """x, as it is (a copy).

        y  = x
        gx = gy

    Source: He, Zhang, Ren & Sun (2016), Identity mappings in deep residual networks.
    """

    plain = True

    def f(self, x):
        return +x

    def df(self, x):
        return np.ones_like(x)

    derivation = """
        let y = x

        d(y, x)
          = 1           # linear in x

        vjp gx
          = gy*d(y, x)  # chain rule
          = gy          # slope above
"""


class ReLU(Kinked):
    """What is negative is dropped.

        y  = max(x, 0)
        gx = gy where x >= 0, else 0

    At 0 the derivative is 1, the one from the right; PyTorch, JAX and TensorFlow take 0.

    Source: Nair & Hinton (2010), Rectified linear units improve restricted Boltzmann machines.
    """

    breaks = (0.0,)
    torch = jax = tf = "left"

    def f(self, x):
        return np.maximum(x, 0)

    def df(self, x):
        return step(x >= 0, x)

    derivation = """
        let y = max(x, 0)

        d(y, x)
          = 1 if x >= 0 else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)           # chain rule
          = gy if x >= 0 else 0  # slope above, at the kink that from the right
"""


class ReLU6(Kinked):
    """A relu that stops at 6.

        y  = min(max(x, 0), 6)
        gx = gy where 0 <= x < 6, else 0

    At 0 and 6 the frameworks take 0.

    Source: Krizhevsky (2010), Convolutional deep belief networks on CIFAR-10.
    """

    breaks = (0.0, 6.0)
    torch = jax = tf = "min_norm"

    def f(self, x):
        return np.clip(x, 0, 6)

    def df(self, x):
        return step((x >= 0) & (x < 6), x)

    derivation = """
        let y = min(max(x, 0), 6)

        d(y, x)
          = 1 if 0 <= x < 6 else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)               # chain rule
          = gy if 0 <= x < 6 else 0  # slope above, at the kink that from the right
"""


@dataclass(frozen=True)
class LeakyReLU(Kinked):
    """A relu that leaks.

        y  = x where it is positive,     negative_slope x below
        gx = gy where x >= 0,            negative_slope gy below

    At 0 PyTorch and TensorFlow take the slope from the left, JAX that from the right.

    Source: Maas, Hannun & Ng (2013), Rectifier nonlinearities improve neural network acoustic models.
    """

    negative_slope: float = 0.01
    requires = *Kinked.requires, "-inf < negative_slope < inf"
    breaks = (0.0,)
    torch, jax, tf = "left", "right", "left"

    def f(self, x):
        return np.where(x < 0, self.negative_slope * np.minimum(x, 0), x)

    def df(self, x):
        return np.where(x < 0, self.negative_slope, np.ones_like(x))

    derivation = """
        let y = x if x > 0 else negative_slope*x

        d(y, x)
          = 1 if x >= 0 else negative_slope      # slope of each piece

        vjp gx
          = gy*d(y, x)                           # chain rule
          = gy if x >= 0 else negative_slope*gy  # slope above, at the kink that from the right
"""


@dataclass(frozen=True)
class Hardtanh(Kinked):
    """x, kept between min_val and max_val.

        y  = min(max(x, min_val), max_val)
        gx = gy where min_val <= x < max_val, else 0

    At the bounds PyTorch takes 0, JAX and TensorFlow 1.

    Source: Collobert (2004), Large scale machine learning.
    """

    min_val: float = -1.0
    max_val: float = 1.0
    requires = *Kinked.requires, "min_val <= max_val"
    breaks = property(lambda self: (self.min_val, self.max_val))
    torch, jax, tf = "min_norm", "max_norm", "max_norm"

    def f(self, x):
        return np.clip(x, self.min_val, self.max_val)

    def df(self, x):
        return step((self.min_val <= x) & (x < self.max_val), x)

    derivation = """
        at batch=(3,), min_val=-0.5, max_val=0.7
        let y = min(max(x, min_val), max_val)

        d(y, x)
          = 1 if min_val <= x < max_val else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)                           # chain rule
          = gy if min_val <= x < max_val else 0  # slope above, at the kink that from the right
"""


@dataclass(frozen=True)
class Clamp(Kinked):
    """x, kept between min and max; an infinite bound is none.

        y  = x, not less than min, not more than max
        gx = gy where min <= x < max, else 0

    At the bounds PyTorch and TensorFlow take 1, JAX 1/2: they treat clamp and hardtanh differently.

    Source: NumPy's definition of clip.
    """

    min: float = -np.inf
    max: float = np.inf
    requires = *Kinked.requires, "min <= max"
    cases = *Kinked.cases, dict(batch=(6,), min=-0.5), dict(batch=(6,), min=-0.5, max=0.5, kink="mean")
    breaks = property(lambda self: tuple(bound for bound in (self.min, self.max) if np.isfinite(bound)))
    torch, jax, tf = "max_norm", "mean", "max_norm"

    def f(self, x):
        return np.clip(x, self.min, self.max)

    def df(self, x):
        return step((self.min <= x) & ((x < self.max) | (self.max == np.inf)), x)

    derivation = """
        at batch=(4,), min=-0.5, max=0.5; batch=(3,), min=-0.5; batch=(2,)
        let y = min if x < min else max if x > max else x

        d(y, x)
          = 1 if min <= x and (x < max or max == inf) else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)                                         # chain rule
          = gy if min <= x and (x < max or max == inf) else 0  # slope above, at the kink that from the right
"""


class Hardsigmoid(Kinked):
    """A sigmoid of straight lines.

        y  = min(max(x + 3, 0), 6) / 6
        gx = gy / 6 where -3 <= x < 3, else 0

    At -3 and 3 the frameworks take 0.

    Source: Howard et al. (2019), Searching for MobileNetV3.
    """

    breaks = (-3.0, 3.0)
    torch = jax = tf = "min_norm"

    def f(self, x):
        return np.clip(x + 3, 0, 6) / 6

    def df(self, x):
        return step((x >= -3) & (x < 3), x) / 6

    derivation = """
        let y = min(max(x + 3, 0), 6)/6

        d(y, x)
          = 1/6 if -3 <= x < 3 else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)                  # chain rule
          = gy/6 if -3 <= x < 3 else 0  # slope above, at the kink that from the right
"""


class Hardswish(Kinked):
    """silu without an exponential.

        y  = x hardsigmoid(x) = x min(max(x + 3, 0), 6) / 6
        gx = (x / 3 + 1 / 2) gy where -3 <= x < 3, 0 below, gy above

    f(-inf) is 0. At -3 the derivative jumps from 0 to -1/2, at 3 from 3/2 to 1; the frameworks take 0 and 1.

    Source: Howard et al. (2019), Searching for MobileNetV3.
    """

    breaks = (-3.0, 3.0)
    torch = jax = tf = "min_norm"

    def f(self, x):
        middle = np.clip(x, -3, 3)
        return np.where(x < 3, middle * (middle + 3) / 6, x)

    def df(self, x):
        middle = np.clip(x, -3, 3)
        return np.where((x >= -3) & (x < 3), (2 * middle + 3) / 6, step(x >= 3, x))

    def d2f(self, x):
        return step((x >= -3) & (x < 3), x) / 3

    derivation = """
        let y = x*min(max(x + 3, 0), 6)/6

        d(y, x)
          = min(max(x + 3, 0), 6)/6 + (x/6 if -3 <= x < 3 else 0)   # product rule
          = x/3 + 1/2 if -3 <= x < 3 else 0 if x < -3 else 1        # slope of each piece

        vjp gx
          = gy*d(y, x)                                              # chain rule
          = gy*(x/3 + 1/2) if -3 <= x < 3 else 0 if x < -3 else gy  # slope above, at the kink that from the right
"""


@dataclass(frozen=True)
class Softshrink(Kinked):
    """x, drawn towards 0 by lambd.

        y  = x - lambd above lambd, x + lambd below -lambd, 0 between
        gx = gy outside, 0 between

    At -lambd and lambd PyTorch and TensorFlow take 0; JAX has no such function, and its word means the same here.

    Source: Donoho (1995), De-noising by soft-thresholding.
    """

    lambd: float = 0.5
    requires = *Kinked.requires, "lambd >= 0"
    breaks = property(lambda self: (-self.lambd, self.lambd))
    torch = jax = tf = "min_norm"

    def f(self, x):
        return x - np.clip(x, -self.lambd, self.lambd)

    def df(self, x):
        return step((x < -self.lambd) | (x >= self.lambd), x)

    derivation = """
        let y = x - min(max(x, -lambd), lambd)

        d(y, x)
          = 1 - (1 if -lambd <= x < lambd else 0)  # slope of each piece
          = 0 if -lambd <= x < lambd else 1        # cancel

        vjp gx
          = gy*d(y, x)                             # chain rule
          = 0 if -lambd <= x < lambd else gy       # slope above, at the kink that from the right
"""


@dataclass(frozen=True)
class Hardshrink(Elementwise):
    """What is small is dropped.

        y  = x where |x| > lambd, else 0
        gx = gy where |x| > lambd, else 0

    f itself jumps at -lambd and lambd: there is no derivative there, nor a set of them, and no word to choose.
    The derivative given is that of the piece to which f(x) belongs: 0 at both places, as in PyTorch.

    Source: Donoho & Johnstone (1994), Ideal spatial adaptation by wavelet shrinkage.
    """

    lambd: float = 0.5
    requires = ("lambd >= 0",)
    kinks = property(lambda self: (-self.lambd, self.lambd))
    plain = True

    def f(self, x):
        return np.where(abs(x) <= self.lambd, 0, x)

    def df(self, x):
        return step(abs(x) > self.lambd, x)

    derivation = """
        let y = x if abs(x) > lambd else 0

        d(y, x)
          = 1 if abs(x) > lambd else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)                   # chain rule
          = gy if abs(x) > lambd else 0  # slope above, at a jump that of the piece with f
"""


@dataclass(frozen=True)
class Threshold(Elementwise):
    """x above a threshold, a value elsewhere.

        y  = x where x > threshold, else value
        gx = gy where x > threshold, else 0

    f itself jumps at the threshold (unless value = threshold): there is no derivative, and no word to choose.
    The derivative given is that of the piece to which f(threshold) belongs: 0, as in PyTorch.

    Source: Threshold in the nn package of Torch7: Collobert, Kavukcuoglu & Farabet (2011), Torch7: a Matlab-like
    environment for machine learning.
    """

    threshold: float = 0.0
    value: float = 0.0
    requires = ("threshold <= inf",)
    cases = *Elementwise.cases, dict(batch=(6,), threshold=0.5, value=2.0)
    kinks = property(lambda self: (self.threshold,))
    plain = True

    def f(self, x):
        return np.where(x <= self.threshold, self.value, x)

    def df(self, x):
        return step(x > self.threshold, x)

    derivation = """
        at batch=(3,), threshold=0.5, value=2.0
        let y = x if x > threshold else value

        d(y, x)
          = 1 if x > threshold else 0   # slope of each piece

        vjp gx
          = gy*d(y, x)                  # chain rule
          = gy if x > threshold else 0  # slope above, at a jump that of the piece with f
"""


identity = Identity()
relu = ReLU()
relu6 = ReLU6()
leaky_relu = LeakyReLU()
hardtanh = Hardtanh()
clamp = Clamp()
hardsigmoid = Hardsigmoid()
hardswish = Hardswish()
softshrink = Softshrink()
hardshrink = Hardshrink()
threshold = Threshold()
