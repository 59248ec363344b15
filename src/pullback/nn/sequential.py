"""Layers one after the other."""

from pullback.errors import OptionError, PullbackError
from pullback.nn.derivative import Derivative
from pullback.nn.layer import Layer
from pullback.nn.model import Model, generator, join, some
from pullback.rule import Rule


class Series(Model):
    """Parts by name, each fed with what the one before gives."""

    kind = "Series"

    def __init__(self, parts):
        self.parts = parts
        self.first = next((k for k, part in enumerate(parts.values()) if part.trainable), len(parts))
        owners = [id(layer) for _, layer in self.leaves() if layer.own]
        if len(owners) > len(set(owners)):
            raise OptionError("a layer with parameters stands twice in the model; make two, or give the second a copy")

    def leaves(self):
        for name, part in self.parts.items():
            for inner, layer in part.leaves():
                yield join(name, inner), layer

    def linearize(self, x, training=False, rng=None):
        """The output and the derivative there. Dropout draws its masks from `rng`, a seed or a NumPy Generator."""
        rng, steps = generator(rng), {}
        for name, part in self.parts.items():
            try:
                x, steps[name] = part.linearize(x, training, rng)
            except PullbackError as error:
                raise placed(error, name, part) from None
        return x, Path(self, steps)

    def follow(self, x, step):
        for name, part in self.parts.items():
            try:
                x = part.follow(x, lambda inner, layer, x, name=name: step(join(name, inner), layer, x))
            except PullbackError as error:
                raise placed(error, name, part) from None
        return x


class Sequential(Series):
    """Layers, one after the other; a rule is a layer too: `Sequential(nn.Linear(2, 8), pb.tanh, nn.Linear(8, 3), rng=0)`.

    Layers are numbered, and so are their parameters: `0.weight`, `0.bias`, `2.weight`, ... as in PyTorch.
    With `rng`, a seed or a NumPy Generator, all parameters are drawn anew, from the first layer to the last; the
    same seed gives the same model, bit for bit. Without it the layers keep those that they were made with.
    """

    kind = "Sequential"

    def __init__(self, *layers, rng=None):
        super().__init__({str(k): as_part(layer) for k, layer in enumerate(layers)})
        if rng is not None:
            self.draw(rng)

    @property
    def layers(self):
        return list(self.parts.values())


class Path(Derivative):
    """The derivative of a Series at one point."""

    def __init__(self, series, steps):
        self.series, self.steps = series, steps

    @property
    def updates(self):
        return {join(name, own): v for name, step in self.steps.items() for own, v in step.updates.items()}

    def jvp(self, tx=None, tangents={}):
        if unknown := tangents.keys() - set(self.series.trainable):
            raise OptionError(f"{some(sorted(unknown))}: no such parameter has a derivative in this model")
        for name, step in self.steps.items():
            own = self.series.parts[name].trainable
            tx = step.jvp(tx, {n: tangents[full] for n in own if (full := join(name, n)) in tangents})
        return tx

    def walk(self, gy, x=True):
        for k, (name, step) in reversed(list(enumerate(self.steps.items()))):
            if k < self.series.first and not x:
                break  # nothing below learns
            for inner, gy, own in step.walk(gy, x or k > self.series.first):
                yield join(name, inner), gy, {join(name, n): g for n, g in own.items()}


def as_part(layer):
    if isinstance(layer, Model):
        return layer
    if isinstance(layer, Rule):
        return Layer(layer)
    raise OptionError(f"{layer!r} is no layer; a layer is made by a call, as in nn.ReLU(), or it is a rule, as pb.relu")


def placed(error, name, part):
    """The same error, saying where it happened."""
    return type(error)(f"layer {name} ({part.kind}): {error}")
