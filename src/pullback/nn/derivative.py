"""The derivative of a model at one point."""


class Derivative:
    """It defines `jvp`, `updates` and `walk`; backwards is a walk from the last layer to the first.

    jvp(tx, tangents)   how the output moves, when x and the parameters that `tangents` names move
    updates             the running statistics after this batch, by name, for `model.load(at.updates, strict=False)`
    walk(gy, x)         for each layer from back to front: its name, the gradient that leaves it towards x, and the
                        gradients of its own parameters by name
    """

    def vjp(self, gy, x=True):
        """The gradient of x (None if `x` is false: it is not computed), and of every parameter by name."""
        g, gradients = gy, {}
        for _, g, own in self.walk(gy, x):
            gradients |= own
        return g if x else None, gradients
