"""Elementary functions, element by element. Outside their domain they give nan or inf.

NumPy warns of that, and so do these in float64; compiled, in float32, they do not.
"""

import numpy as np

from pullback.rules.elementwise import Elementwise, Kinked


class Exp(Elementwise):
    """The exponential function, its own derivative.

        y  = eˣ
        gx = y gy

    f(-inf) is 0.

    Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, section 4.2.
    """

    def f(self, x):
        return np.exp(x)

    df = d2f = f

    derivation = """
        let y = exp(x)

        d(y, x)
          = exp(x)      # derivative of exp
          = y           # recognise y

        vjp gx
          = gy*d(y, x)  # chain rule
          = gy*y        # slope above
"""


class Log(Elementwise):
    """The natural logarithm.

        y  = log x
        gx = gy / x

    f(0) is -inf, and f'(0) is inf; x < 0 gives nan.

    Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, section 4.1.
    """

    signature = "x[...]>0 -> y[...]"

    def f(self, x):
        return np.log(x)

    def df(self, x):
        return np.where(x < 0, np.nan, 1 / x)

    def d2f(self, x):
        return -(self.df(x) ** 2)

    derivation = """
        let y = log(x)

        d(y, x)
          = 1/x         # derivative of log

        vjp gx
          = gy*d(y, x)  # chain rule
          = gy/x        # slope above
"""


class Sqrt(Elementwise):
    """The square root.

        y  = √x
        gx = gy / (2 √x)

    f'(0) is inf; x < 0 gives nan.

    Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, section 3.3.
    """

    signature = "x[...]>0 -> y[...]"

    def f(self, x):
        return np.sqrt(x)

    def df(self, x):
        return 0.5 / np.sqrt(x)

    def d2f(self, x):
        return -0.25 / np.sqrt(x) / x

    derivation = """
        let y = sqrt(x)

        d(y, x)
          = 1/(2*sqrt(x))  # power rule
          = 1/(2*y)        # recognise y

        vjp gx
          = gy*d(y, x)     # chain rule
          = gy/(2*y)       # slope above
"""


class Square(Elementwise):
    """The square.

        y  = x²
        gx = 2 x gy

    Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, section 3.3.
    """

    plain = True

    def f(self, x):
        return x * x

    def df(self, x):
        return 2 * x

    def d2f(self, x):
        return np.full_like(x, 2)

    derivation = """
        let y = x**2

        d(y, x)
          = 2*x         # power rule

        vjp gx
          = gy*d(y, x)  # chain rule
          = 2*x*gy      # slope above
"""


class Abs(Kinked):
    """The size of x.

        y  = |x|
        gx = sign(x) gy

    At 0 PyTorch and TensorFlow take 0, JAX 1.

    Source: Rockafellar (1970), Convex analysis: all slopes from -1 to 1 are derivatives at 0.
    """

    breaks = (0.0,)
    torch, jax, tf = "min_norm", "right", "min_norm"

    def f(self, x):
        return np.abs(x)

    def df(self, x):
        return np.where(x < 0, -1, np.ones_like(x))

    derivation = """
        let y = abs(x)

        d(y, x)
          = 1 if x >= 0 else -1    # slope of each piece

        vjp gx
          = gy*d(y, x)             # chain rule
          = gy if x >= 0 else -gy  # slope above, at the kink that from the right
"""


class Sin(Elementwise):
    """The sine.

        y  = sin x
        gx = cos(x) gy

    Infinite x gives nan.

    Source: Sitzmann et al. (2020), Implicit neural representations with periodic activation functions.
    """

    def f(self, x):
        return np.sin(x)

    def df(self, x):
        return np.cos(x)

    def d2f(self, x):
        return -np.sin(x)

    derivation = """
        let y = sin(x)

        d(y, x)
          = cos(x)      # derivative of sin

        vjp gx
          = gy*d(y, x)  # chain rule
          = cos(x)*gy   # slope above
"""


class Cos(Elementwise):
    """The cosine.

        y  = cos x
        gx = -sin(x) gy

    Infinite x gives nan.

    Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, section 4.3.
    """

    def f(self, x):
        return np.cos(x)

    def df(self, x):
        return -np.sin(x)

    def d2f(self, x):
        return -np.cos(x)

    derivation = """
        let y = cos(x)

        d(y, x)
          = -sin(x)     # derivative of cos

        vjp gx
          = gy*d(y, x)  # chain rule
          = -sin(x)*gy  # slope above
"""


exp = Exp()
log = Log()
sqrt = Sqrt()
square = Square()
abs = Abs()
sin = Sin()
cos = Cos()
