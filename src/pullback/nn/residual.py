"""Around a layer, not only through it."""

from pullback.errors import ShapeError
from pullback.nn.derivative import Derivative
from pullback.nn.model import Model, generator, join
from pullback.nn.sequential import Sequential, as_part


class Residual(Model):
    """y = x + fn(x): the gradient has a way past fn. Several layers are one Sequential.

    Parameters are those of `fn`: `fn.weight`, or `fn.0.weight` if it is a Sequential, as of a PyTorch module with an
    attribute `fn`.

    Source: He et al. (2016), Deep residual learning for image recognition.
    """

    kind = "Residual"

    def __init__(self, *layers):
        self.fn = as_part(layers[0]) if len(layers) == 1 else Sequential(*layers)

    def leaves(self):
        for name, layer in self.fn.leaves():
            yield join("fn", name), layer

    def linearize(self, x, training=False, rng=None):
        y, at = self.fn.linearize(x, training, generator(rng))
        return self.add(x, y), Around(at)

    def follow(self, x, step):
        return self.add(x, self.fn.follow(x, lambda name, layer, x: step(join("fn", name), layer, x)))

    def add(self, x, y):
        if x.shape != y.shape:
            raise ShapeError(f"fn made {y.shape} of {x.shape}; to be added to its input, it has to keep the shape")
        return x + y


class Around(Derivative):
    """The derivative of a Residual at one point."""

    def __init__(self, at):
        self.at = at

    @property
    def updates(self):
        return {join("fn", name): value for name, value in self.at.updates.items()}

    def jvp(self, tx=None, tangents={}):
        ty = self.at.jvp(tx, {name.removeprefix("fn."): t for name, t in tangents.items()})
        return ty if tx is None else tx + ty

    def walk(self, gy, x=True):
        gx = gy
        for name, gx, own in self.at.walk(gy, x):
            yield join("fn", name), gx, {join("fn", n): g for n, g in own.items()}
        yield "", gy + gx if x else None, {}
