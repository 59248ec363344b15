"""The check before training sees a gradient that is not there."""

from dataclasses import dataclass

import numpy as np
import pytest

from pullback.rules.linear import Linear
from pullback.train.verify import judged


@dataclass(frozen=True)
class Forgetful(Linear):
    """Linear, with one of its gradients left out."""

    place: int = 0

    def vjp(self, gy, x, w):
        found = [g() for g in super().vjp(gy, x, w)]
        found[self.place] = None
        return tuple(found)


@pytest.mark.parametrize("place, name", [(0, "input"), (1, "weight"), (2, "bias")])
def test_a_missing_gradient_is_wrong(place, name):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    found = judged("0", "Forgetful", Forgetful(place), inputs, rng)
    assert (found.says, found.why) == ("wrong", f"the gradient of {name}")
    assert judged("0", "Linear", Linear(), (*inputs[:2], None), rng).says == "right"
