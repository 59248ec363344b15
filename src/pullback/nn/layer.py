"""A layer: a rule that owns its parameters."""

from functools import cached_property

import numpy as np

from pullback.errors import OptionError
from pullback.linearization import as_tuple
from pullback.nn.derivative import Derivative
from pullback.nn.model import Model, generator
from pullback.sizes import Sizes


class Layer(Model):
    """A rule, and the arrays that it owns under PyTorch's names. A bare rule is a layer that owns nothing.

    `start(rng)` draws these arrays. `learning` is the rule in training, where that is another one.
    """

    def __init__(self, rule, start=lambda rng: {}, learning=None, kind=None, rng=None):
        self.rule, self.learning, self.start = rule, learning or rule, start
        self.kind = kind or rule.name
        self.own = start(np.random.default_rng(rng))
        self.names = [rule.long_names[slot.name] for slot in rule.inputs[1:]]
        self.missing_nothing()

    def missing_nothing(self):
        others = zip(self.rule.inputs[1:], self.names)
        if missing := [str(s) for s, name in others if not (s.default or s.name == "mask" or name in self.own)]:
            raise OptionError(f"{self.rule.name} is no layer by itself: nobody gives it {', '.join(missing)}")

    @cached_property
    def learns(self):
        """The letters of what has a gradient, with their names."""
        others = zip(self.rule.inputs[1:], self.names)
        return {slot.name: name for slot, name in others if slot.differentiable and name in self.own}

    def arguments(self, x, training=False, rng=None):
        """What the rule takes when the input is x: the parameters, None for what is left out, a mask if it has one."""
        values = [self.own.get(name) for name in self.names]
        if "mask" in self.names:
            values[self.names.index("mask")] = self.mask(x, rng) if training else self.all_pass(x)
        return x, *values

    def linearize(self, x, training=False, rng=None):
        """The output, and the derivative there: a layer that does something else in training is told so."""
        rule = self.learning if training else self.rule
        y, at = rule.linearize(*self.arguments(x, training, rng))
        y, *rest = as_tuple(y)
        return y, Step(self, at, rest)

    def leaves(self):
        yield "", self

    def follow(self, x, step):
        return step("", self, x)

    def stand_in(self, x):
        """An array like the output, with no memory behind it."""
        return self.rule.plan(*self.arguments(x)).gradients[0]

    # Dropout: which elements stay.

    def mask(self, x, rng):
        if rng is None:
            raise OptionError(f"{self.kind} draws a mask in training: give rng, a seed or a NumPy Generator")
        return generator(rng).random(self.mask_shape(x), np.float32) >= self.learning.p

    def all_pass(self, x):
        return np.broadcast_to(True, self.mask_shape(x))

    def mask_shape(self, x):
        sizes = Sizes(self.rule)
        sizes.bind(self.rule.inputs[0].axes, x.shape)
        return sizes.shape(next(slot for slot in self.rule.inputs if slot.name == "mask"))


class Step(Derivative):
    """The derivative of a layer at one point, and the running statistics that it leaves behind."""

    def __init__(self, layer, at, rest):
        self.layer, self.at = layer, at
        name = layer.rule.long_names  # the new m is called m1
        left = zip(at.rule.outputs[1:], rest)
        self.updates = {name[slot.name.removesuffix("1")]: a for slot, a in left if slot.kind == "const"}

    def jvp(self, tx=None, tangents={}):
        letters = {name: letter for letter, name in self.layer.learns.items()}
        given = {letters[name]: t for name, t in tangents.items()}
        return as_tuple(self.at.jvp(tx, *(given.get(slot.name) for slot in self.at.rule.inputs[1:])))[0]

    def walk(self, gy, x=True):
        learns = self.layer.learns
        gx, *found = as_tuple(self.at.vjp(gy, wrt=None if x else tuple(learns)))
        gradients = zip(self.at.rule.inputs[1:], found)
        yield "", gx, {learns[slot.name]: g for slot, g in gradients if slot.name in learns}
